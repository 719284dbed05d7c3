package weld

import "weld/internal/rtld"

// Event is something that the run-time linker did: Kind says what, as weld run --help lists it, and which of the other
// fields are set. Times are counted from the call of Trace. It can be written as JSON.
type Event = rtld.Event

// Trace has f called for what the run-time linker does from now on, in all namespaces: libraries loaded, relocated,
// initialised and unloaded, why and for how long, symbols that were interposed or not found, and commits of live objects. nil ends that. There is
// one f at a time. It runs in the goroutine that does what it is told of, while locks are held, and maybe in several
// goroutines at once: it must not call package weld or native functions. While there
// is an f, opening a library takes longer, since its relocations are gone through once more. For no more than the names
// of calls that are bound lazily there is TraceBindings, which works beside it.
func Trace(f func(*Event)) {
	if f == nil {
		rtld.Trace(nil)
		return
	}
	rtld.Trace(&rtld.Tracer{Emit: f})
}
