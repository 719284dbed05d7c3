package native

import "sync"

//go:noescape
func valgrindRequest(args *[6]uintptr) uintptr

// onValgrind reports whether valgrind executes the program.
var onValgrind = sync.OnceValue(func() bool {
	const runningOnValgrind = 0x1001
	return valgrindRequest(&[6]uintptr{runningOnValgrind}) != 0
})
