package rtld

import "time"

// What a Tracer is told of live objects: that they are loaded, each commit, and that they go.

// Traced reports whether somebody is told of events.
func Traced() bool {
	t := tracing()
	return t != nil && t.Emit != nil
}

// traceLive tells that an object was made.
func traceLive(o *Object) {
	t := tracing()
	if t == nil {
		return
	}
	t.count(func(s *Stats) {
		s.Objects++
		s.Bytes += uint64(o.Mapping.Size)
	})
	e := o.loadEvent()
	e.Why = WhyLive
	t.emit(e)
}

// TraceCommit tells, by the function that it returns, that a commit which began now has made changes.
func (o *Object) TraceCommit() (done func(changes []LiveChange, err error)) {
	t := tracing()
	if t == nil {
		return func([]LiveChange, error) {}
	}
	began := time.Now()
	return func(changes []LiveChange, err error) {
		e := o.event(EventCommit)
		e.Took = time.Since(began)
		for i := range changes {
			switch c := &changes[i]; {
			case c.Now == 0:
				e.Unbound++
			case c.Now != c.Was:
				e.Bound++
				e.Redirected += c.redirected
			}
		}
		if err != nil {
			e.Error = err.Error()
		}
		t.emit(e)
	}
}
