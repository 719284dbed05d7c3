// Package weld is a run-time linker: it loads shared libraries into the running process and calls them, in an ordinary
// static Go binary, without cgo and without a C compiler.
//
//	lib, err := weld.Open("libz.so.1")
//	if err != nil { ... }
//	defer lib.Close()
//	crc32, err := weld.Func[func(crc uint64, p []byte, n uint32) uint64](lib, "crc32")
//	sum := crc32(0, data, uint32(len(data)))
//
// Libraries come from a path or a soname (Open), from any file system (OpenFS) or from memory (Load). They are found as
// the system's ld.so finds them, with what they need; calls between them are bound when first made, or at once with
// Now. A Namespace keeps a set of libraries apart from all others.
//
// The C library itself is the machine's own: when a library needs it, its run-time linker is started inside the
// process and brings it up, glibc or musl, whichever the library names. What needs no C library does without. A process
// that has one already (built with cgo) uses that. There is one C library in a process, and it stays.
//
// # Functions
//
// The C signature of a function is told by a Go func type: integers, bool, floats and complex numbers, pointers and
// structs by value stand for their C counterparts; int, uint and uintptr are as wide as a C long. A string is passed
// as char * to a NUL-terminated copy that lives for the call, and a char * result is copied to a string; a slice is
// passed as a pointer to its first element; a *Callback as its address; a last parameter ...any stands for the
// variable arguments of C, each of the type it has in Go: int32 for %d, int for %ld, float64 for %f, string for %s. A
// last result of type syscall.Errno gets the errno of the call. The type is compared with what the library's file says of its own
// types, if it has debugging information (see TypeError); a wrong one is undefined behaviour else, as in C. Package
// weld/native/abi has the whole table.
//
// Go memory that arguments point to stays where it is during the call. Memory that such memory points to in turn does
// too, as long as something keeps it reachable and it is on the heap: weld cannot see it, so there is no check as cgo
// makes one. The callee must not keep pointers to Go memory after it returns. Other goroutines run while native code
// does, except in calls made with Leaf.
//
// # Threads
//
// Native code runs on a native thread, made by the C library and lent to the goroutine for the call and the callbacks
// within it. The next call of the goroutine may be made on another one, unless the goroutine is locked to its kernel
// thread by runtime.LockOSThread: code that keeps something in thread-local storage between calls, as OpenGL does, needs
// that. Native stacks are of 8 MiB and do not grow; SetStackSize changes that for new ones.
//
// # Interposition
//
// Interpose puts a Go function in the place of one that libraries bind by name, the C library's own references included;
// it can call the definition it replaces. Trace observes what is loaded, bound and initialised.
//
// # Faults
//
// A fault in native code ends the program, with status 2 and a report that names the library, the symbol and the offset
// in the file. It cannot be recovered from.
package weld
