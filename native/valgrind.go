package native

import "sync"

//go:noescape
func valgrindRequest(args *[6]uintptr) uintptr

// Client requests (valgrind.h).
const (
	runningOnValgrind = 0x1001
	stackRegister     = 0x1501 // lowest and highest address
)

// onValgrind reports whether valgrind executes the program.
var onValgrind = sync.OnceValue(func() bool {
	return valgrindRequest(&[6]uintptr{runningOnValgrind}) != 0
})

// tellStack says that there is a stack from start to end, which valgrind cannot know of itself: it takes the frames in memory
// that is not of a stack for no frames.
func tellStack(start, end uintptr) {
	if onValgrind() {
		valgrindRequest(&[6]uintptr{stackRegister, start, end - 1})
	}
}
