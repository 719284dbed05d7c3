package native

import "syscall"

// musl's raise, and what is made of it, signals the kernel thread whose number is noted in its record of the calling
// thread. Of a thread that is lent that is the one that sleeps in park, while the code runs on one of Go's: the signal would
// wait there for ever, and abort come to its last resort, an instruction that faults while all signals are blocked. So code
// that weld loads gets these functions behind thunks that note the running kernel thread meanwhile. It is not noted for as
// long as the thread is worn: a pthread_cancel of it, say, is not to reach Go's kernel thread while that runs Go code.

// SelfSignalers are the names of those functions (musl, src/signal/raise.c, src/exit/abort.c and assert.c,
// src/thread/pthread_kill.c).
var SelfSignalers = []string{"abort", "__assert_fail", "raise", "pthread_kill"}

var (
	tidOffset uintptr // of the number from the thread pointer, 0 if nothing is to be done
	selfThunk = map[string]*Thunk{}
)

// SignalsSelf makes a thunk for one of SelfSignalers, before there is a C library.
func SignalsSelf(name string) (*Thunk, error) {
	t, err := newThunk(&handler{}, entry.signalSelf)
	if err == nil {
		selfThunk[name] = t
	}
	return t, err
}

// NotesThreads reports whether loaded code needs those thunks.
func NotesThreads() bool { return libc.up.Load() && tidOffset != 0 }

// findTID finds where musl notes a thread's number: first is the thread that it began with, which this kernel thread wears,
// and parked another one.
func (l *clib) findTID(first, parked *thread) {
	const most = 256 // bytes of the record that are looked at
	number := func(t *thread, off uintptr) int { return int(*(*int32)(Pointer(t.fs + off))) }
	self := syscall.Gettid()
	for off := uintptr(16); off < most; off += 4 {
		other := number(parked, off)
		if number(first, off) != self || other <= 0 || other == self || syscall.Tgkill(syscall.Getpid(), other, 0) != nil {
			continue
		}
		for name, t := range selfThunk {
			(*record)(Pointer(t.record())).data = SystemFunction(name)
		}
		tidOffset = off
		return
	}
}

// SkipSelf returns how far above the stack pointer the return address of a caller lies if pc is where a function of
// SelfSignalers returns to in its thunk, false if it is elsewhere.
func SkipSelf(pc uintptr) (n uintptr, ok bool) {
	return signalSelfFrame, pc > entry.signalSelf && pc < entry.signalSelfDone
}

// signalSelfFrame is the size of signalSelf's frame in bytes.
const signalSelfFrame = 24
