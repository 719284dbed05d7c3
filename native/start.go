package native

//lint:file-ignore U1000 assembly uses it

import (
	"os"
	"syscall"
)

// How the kernel started the process: its rights, environment, descriptors and address space, where the Go runtime would
// show a program something else.

// Secure reports whether the kernel has given the process rights that its caller has not (AT_SECURE): a program that is
// set-user-ID, set-group-ID or has capabilities. The environment is not to be trusted then.
func Secure() bool {
	v, err := readAuxv()
	return err != nil || v.get(atSecure) != 0 // it is readable to all processes but such
}

// hidden is what _weld_start puts in the place of the G of a variable whose name begins with GO.
const hidden = 1

// Environ returns the environment as the kernel gave it, for the program. What os.Environ returns is another one: it has
// no duplicates, the Go runtime has changed it where AT_SECURE is set (GOTRACEBACK), and _weld_start has hidden from the
// runtime what would give it orders (GODEBUG, GOMEMLIMIT and the like), which are for the program if for anyone.
func Environ() []string {
	sp := startState.sp
	if sp == 0 {
		return os.Environ()
	}
	list := []string{}
	for at := sp + 8*(1+*word(sp)+1); *word(at) != 0; at += 8 {
		if s := Bytes(*word(at), 2); s[0] == hidden && s[1] == 'O' {
			s[0] = 'G'
		}
		list = append(list, String(*word(at)))
	}
	return list
}

// leastSpace is the address space in bytes that the Go runtime, the C library and a small program take at the least: where
// RLIMIT_AS is less, _weld_start says noSpace and ends the process with status 126. The Go runtime would say it in 50 lines.
var (
	leastSpace uint64 = 768 << 20
	noSpace           = "weld: cannot allocate memory: the limit of the address space (RLIMIT_AS, ulimit -v) is less than 768 MiB\n"
)

// closeStd closes those of the descriptors 0 to 2 again that were closed when the process began. A program with rights
// that its caller has not must not get files that it opens for its standard ones: it has them on a device, and open the
// wrong way round, as with glibc.
func closeStd() {
	secure := Secure()
	for fd := range 3 {
		if startState.closed&(1<<fd) == 0 {
			continue
		}
		if !secure {
			syscall.Close(fd)
			continue
		}
		name, mode := "/dev/null", syscall.O_RDONLY
		if fd == 0 {
			name, mode = "/dev/full", syscall.O_WRONLY
		}
		// Where that fails, what the Go runtime has opened stays.
		if n, err := syscall.Open(name, mode|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0); err == nil {
			syscall.Dup3(n, fd, 0)
			syscall.Close(n)
		}
	}
}
