// Package native joins Go and native code in one process: it calls C functions and is called by them, brings up the
// machine's C library in a static binary (or adopts the one that is there), and gives loaded code its threads and
// thread-local storage.
//
// A native thread is a stack and a TCB, not a kernel thread. The C library makes it with its own pthread_create; its
// kernel thread then sleeps for ever and the pair is lent to whichever goroutine calls. So a C function sees one
// consistent thread for the length of a call, callbacks and calls nested in them included. A goroutine that called
// runtime.LockOSThread gets the same native thread in every call, as long as it stays locked; weld locks it while
// native frames wait for a callback.
//
// A callback is a return. Native code that calls a Go function lands in a thunk that saves the callee-saved registers
// on its own stack and returns from the gate to Go, which runs the function as ordinary Go code (it may grow the
// stack, block, panic, call native code again) and then resumes the native side. The first lazy call through a PLT,
// the first touch of a thread-local variable and dlopen by native code take the same way.
//
// All of it relies on four names of the Go runtime (entersyscall, exitsyscall, procPin, procUnpin), and on four facts, each checked at
// start or by a test: g lies at a fixed offset from the thread pointer, the words above it in m.tls are not used,
// compiled Go passes arguments as cmd/compile/abi-internal.md says, and the caller of a function leaves it room to
// spill its register arguments. A Program relies on two more: a change of GOMAXPROCS stops the world (fork.go), and the
// runtime has a table of signals that says which it opens on a new thread (signals.go).
package native
