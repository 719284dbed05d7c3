// Command cgocalls opens a library and calls its function touch by cgo alone, on kernel threads that end before the library
// is closed.
package main

// static int call(void *f) { return ((int (*)(void))f)(); }
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"weld"
)

func main() {
	lib, err := weld.Open(os.Args[1], weld.Now)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	touch, err := lib.Lookup("touch")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	const threads = 12
	before := count()
	var all, done sync.WaitGroup
	all.Add(threads)
	for range threads {
		done.Go(func() {
			runtime.LockOSThread() // for good: the kernel thread ends with the goroutine
			if r := C.call(*(*unsafe.Pointer)(unsafe.Pointer(&touch.Addr))); r != 1 {
				fmt.Println("touch returns", r)
			}
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
	for range 10000 {
		if count() <= before+1 {
			break
		}
		runtime.Gosched()
	}
	fmt.Println("closed", lib.Close())
}

// count returns the number of kernel threads.
func count() int {
	list, _ := os.ReadDir("/proc/self/task")
	return len(list)
}
