package worker

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// clockProcessCPU is CLOCK_PROCESS_CPUTIME_ID of <time.h>.
const clockProcessCPU = 2

// CPUTime returns the processor time that all threads of this process have used.
func CPUTime() (time.Duration, error) {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("clock_gettime", errno)
	}
	return time.Duration(ts.Nano()), nil
}

// Resident returns the bytes of this process that are in memory, after the Go heap has given back what it does not
// use. The runtime keeps a little more for itself at each of the first collections, so it looks until nothing changes.
func Resident() (int64, error) {
	const looks = 50
	last := int64(-1)
	for range looks {
		now, err := residentNow()
		if err != nil || now == last {
			return now, err
		}
		last = now
	}
	return last, nil
}

// residentNow asks for the kernel's page walk: the counters in /proc/self/status lag behind.
func residentNow() (int64, error) {
	const file = "/proc/self/smaps_rollup"
	debug.FreeOSMemory()
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err == nil {
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("%s: no Rss line", file)
}
