// Package pprof takes CPU profiles in which native code has names. It is used as runtime/pprof is:
//
//	f, err := os.Create("cpu.pprof")
//	...
//	if err := pprof.StartCPUProfile(f); err != nil { ... }
//	defer pprof.StopCPUProfile()
//
// Go's own profiler puts native code that weld calls down to runtime._ExternalCode, without callers. Here each such sample
// has the native frames instead, by function and library, above the Go functions that called them; what pprof knows of
// goroutines, labels included, stays. Mappings name the libraries, with their build-ids, so that go tool pprof finds lines
// (-list) and instructions (-disasm, -weblist) in them as it does in the program. Threads that native code has made are
// in the profile too.
//
// The samples are Go's: as many, at the same rate (runtime.SetCPUProfileRate), for the same time. weld's handler of
// SIGPROF stands in front of Go's while a profile is taken, copies the registers and at most 16 KiB of the native stack,
// and a goroutine finds the callers in .eh_frame later. Names are taken while the library is loaded; it may be closed
// before the profile ends.
//
// # What it does not see
//
//   - Go code that a native function calls back has the Go frames below the call in its stack, and not the native ones
//     between. Native code that such a callback calls has its own native frames, and then Go's.
//   - Go's profiler takes samples of a kernel thread from when that next schedules a goroutine after the start. So a native
//     call that was under way then, and a goroutine that does nothing but native calls too short for the scheduler to
//     step in (10 ms), may be left out, as with cgo.
//   - Where code has no .eh_frame (assembly, code made at run time, musl's libc in part) callers are found by frame
//     pointers, and end where there are none. Deeper stacks than 16 KiB, and those of threads that loaded code has switched to
//     by itself (coroutines) beyond what is mapped, end early too.
//   - Functions of stripped libraries that are not exported are called by library and offset.
//   - What the kernel does for native code counts for the instruction after the system call, as in Go's profile.
//   - Other profiles of runtime/pprof (heap, goroutine, block, mutex) show Go code only: native memory and locks are the C
//     library's. Execution traces that run at the same time have the Go frames, and one named nativeCode above.
//   - A program that weld runs in this process (weld run) has its own handler of SIGPROF: no profile is taken then.
//   - Threads that native code has made with another function than the C library's pthread_create or thrd_create, such as
//     clone, are not seen.
package pprof
