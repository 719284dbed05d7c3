package rtld

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"weld/image/elf"
	"weld/native"
)

// Tracer observes the run-time linker. What it sees happens once an object, once an open or once a call that is bound
// lazily, never once a relocation: without a Tracer that costs a load and a branch each, and the loops that relocate do
// not know of it. What it tells of symbols it finds by going through the tables again (trace_bind.go), and the time of
// that is counted apart.
type Tracer struct {
	Began time.Time // what times are counted from
	// Emit is called for each event; nil keeps statistics only. It runs in the goroutine that does what the event tells
	// of, with the locks held that this takes, maybe in several at once: it calls nothing of this package, and no native
	// code. It may keep the event.
	Emit func(*Event)
	// AtStart is called right before the program is started, AtExit when the C library's exit has run the finalisers,
	// InChild after fork, in a child that has Go.
	AtStart, AtExit, InChild func()

	mu     sync.Mutex // taken last of all
	stats  Stats
	clocks map[uintptr]*clock // by goroutine

	// The library that the system's run-time linker is asked for, and the path of who needs it. linker.mu guards them.
	asked, askedBy string
}

// clock is what a goroutine is at.
type clock struct {
	stack []Phase
	at    time.Time
	usage syscall.Rusage
}

var tracer atomic.Pointer[Tracer]

// Trace has t observe from now on; nil ends that.
func Trace(t *Tracer) {
	if t != nil && t.Began.IsZero() {
		t.Began = time.Now()
	}
	tracer.Store(t)
}

// tracing returns the Tracer, nil if there is none: then its methods do nothing.
func tracing() *Tracer { return tracer.Load() }

// Stats returns what was counted so far.
func (t *Tracer) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// enter begins a phase of the calling goroutine, which leave ends.
func (t *Tracer) enter(p Phase) {
	if t != nil {
		t.turn(p, true)
	}
}

func (t *Tracer) leave() {
	if t != nil {
		t.turn(0, false)
	}
}

// During runs f as part of a phase.
func (t *Tracer) During(p Phase, f func()) {
	t.enter(p)
	defer t.leave()
	f()
}

func (t *Tracer) turn(p Phase, in bool) {
	g := native.Goroutine()
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	c := t.clocks[g]
	if c == nil {
		if t.clocks == nil {
			t.clocks = map[uintptr]*clock{}
		}
		c = &clock{}
		t.clocks[g] = c
	}
	if n := len(c.stack); n > 0 {
		s := &t.stats.Phases[c.stack[n-1]]
		s.Time += now.Sub(c.at)
		s.MinorFaults += u.Minflt - c.usage.Minflt
		s.MajorFaults += u.Majflt - c.usage.Majflt
	}
	c.at, c.usage = now, u
	if in {
		c.stack = append(c.stack, p)
	} else if c.stack = c.stack[:len(c.stack)-1]; len(c.stack) == 0 {
		delete(t.clocks, g)
	}
}

// now is the time, if somebody wants to know.
func (t *Tracer) now() (at time.Time) {
	if t != nil {
		at = time.Now()
	}
	return at
}

// count changes the statistics.
func (t *Tracer) count(f func(s *Stats)) {
	t.mu.Lock()
	f(&t.stats)
	t.mu.Unlock()
}

// emit tells of an event.
func (t *Tracer) emit(e Event) {
	if t == nil || t.Emit == nil {
		return
	}
	t.enter(PhaseTrace)
	defer t.leave()
	e.Time, e.PID = time.Since(t.Began), syscall.Getpid()
	t.Emit(&e)
}

// event begins an event that is about an object.
func (o *Object) event(kind string) Event {
	e := Event{Kind: kind, Object: o.Path}
	if o.Space != nil {
		e.Namespace = o.Space.ID
	}
	return e
}

func (o *Object) loadEvent() Event {
	e := o.event(EventLoad)
	e.Soname, e.BuildID = strings.Clone(o.Soname), hex.EncodeToString(o.BuildID)
	e.Addr, e.Size = o.Mapping.Addr, o.Mapping.Size
	return e
}

func pathOf(o *Object) string {
	if o == nil {
		return ""
	}
	return o.Path
}

// traceLoad tells that the plan has mapped an object for a name that from (nil: Go code, or the user) asked for.
func (p *plan) traceLoad(o *Object, s *source, name string, from *Object) {
	t := tracing()
	if t == nil {
		return
	}
	t.count(func(s *Stats) {
		s.Objects++
		s.Bytes += uint64(o.Mapping.Size)
	})
	e := o.loadEvent()
	e.Name, e.Why, e.By, e.Search, e.Map = name, p.why(name, from), pathOf(from), s.searched, s.mapped
	if e.Why == WhyDlopen {
		e.ByAddr = p.callerAddr
	}
	t.emit(e)
}

// staticLoaded tells that a program was mapped that needs no run-time linker.
func (t *Tracer) staticLoaded(path string, s *source) {
	if t == nil {
		return
	}
	o := &Object{Path: path, Mapping: s.mapping, BuildID: s.file.BuildID()}
	t.count(func(st *Stats) {
		st.Objects++
		st.Bytes += uint64(s.mapping.Size)
	})
	e := o.loadEvent()
	e.Name, e.Why, e.Map = path, WhyProgram, s.mapped
	t.emit(e)
}

// why tells what a library is loaded for.
func (p *plan) why(name string, from *Object) string {
	switch {
	case from == nil && p.isProgram:
		return WhyProgram
	case p.isDlopen(from) && p.callerAddr != 0:
		return WhyDlopen
	case p.isDlopen(from):
		return WhyOpen
	case from == p.root && slices.Contains(p.preload, name):
		return WhyPreload
	case slices.Contains(from.File.Dynamic.Needed, name):
		return WhyNeeded
	}
	return WhyFilter
}

// traceTried tells that the search for a name has passed a file over.
func (p *plan) traceTried(name, file string, from *Object, err error) {
	t := tracing()
	if t == nil {
		return
	}
	t.count(func(s *Stats) { s.Candidates++ })
	t.emit(Event{Kind: EventSearch, Namespace: p.ns.ID, Name: name, File: file, By: pathOf(from), Error: reason(err, file)})
}

// reason is an error's text without the file's name, which is told beside it.
func reason(err error, file string) string {
	s := err.Error()
	for _, op := range []string{"open ", "stat ", "read ", ""} {
		if r, ok := strings.CutPrefix(s, op+file+": "); ok {
			return r
		}
	}
	return s
}

// askSystem notes which library the system's run-time linker is asked for.
func (t *Tracer) askSystem(name string, from *Object) {
	if t != nil {
		t.asked, t.askedBy = name, pathOf(from)
	}
}

// systemLoaded tells what it has loaded. linker.mu is held.
func (t *Tracer) systemLoaded(fresh []*Object) {
	if t == nil {
		return
	}
	t.count(func(s *Stats) { s.System += len(fresh) })
	for _, o := range fresh {
		e := o.loadEvent()
		e.Why = WhySystem
		if t.asked != "" && o.answersTo(t.asked) {
			e.Name, e.By = t.asked, t.askedBy
		} else if i := slices.IndexFunc(linker.system, func(x *Object) bool { return slices.Contains(x.deps, o) }); i >= 0 {
			e.By = linker.system[i].Path
		}
		t.emit(e)
	}
}

// startLibc tells, by the function that it returns, that the C library was started, if it was not up before.
func (t *Tracer) startLibc() (done func()) {
	if t == nil {
		return func() {}
	}
	up, _, _ := native.Libc()
	t.enter(PhaseLibc)
	began := time.Now()
	return func() {
		took := time.Since(began)
		t.leave()
		if f, interp, _ := native.Libc(); f != up {
			t.emit(Event{Kind: EventLibc, Object: interp, Took: took})
		}
	}
}

// ran tells, by the function that it returns, that n functions of an object have run.
func (t *Tracer) ran(kind string, o *Object, n int) (done func()) {
	if t == nil {
		return func() {}
	}
	phase := PhaseFini
	if kind == EventInit {
		phase = PhaseInit
		t.count(func(s *Stats) { s.Functions += n })
	}
	t.enter(phase)
	began := time.Now()
	return func() {
		took := time.Since(began)
		t.leave()
		e := o.event(kind)
		e.Functions, e.Took = n, took
		t.emit(e)
	}
}

// opened tells how an open ended.
func (t *Tracer) opened(ns *Namespace, src Source, caller, o *Object, err error, began time.Time) {
	t.count(func(s *Stats) { s.Opens++ })
	e := Event{Kind: EventOpen, Namespace: ns.ID, Name: src.Name, Object: pathOf(o), By: pathOf(caller), ByAddr: src.Caller,
		Why: WhyOpen, Took: time.Since(began)}
	if src.Caller != 0 {
		e.Why = WhyDlopen
	}
	if err != nil {
		e.Error = err.Error()
	}
	t.emit(e)
}

// bound tells that a call was bound when first made.
func (t *Tracer) bound(o *Object, r elf.Rela, h *elf.NameHash, d definition, target uintptr, began time.Time) {
	if t == nil {
		return
	}
	took := time.Since(began)
	t.count(func(s *Stats) {
		s.Binds++
		s.Lookups++
	})
	e := o.reference(EventBind, h.Name(), o.File.SymVersion(r.Sym))
	e.Definition, e.Addr, e.Took = d.o.Path, target, took
	t.emit(e)
}

// notBound tells that a call was made of a function that nothing defines.
func (t *Tracer) notBound(o *Object, r elf.Rela, h *elf.NameHash) {
	if t != nil {
		e := o.reference(EventUndefined, h.Name(), o.File.SymVersion(r.Sym))
		e.Why = WhyCall
		t.emit(e)
	}
}

// reference begins an event about a reference of o. Names are views of tables that are unmapped one day.
func (o *Object) reference(kind, name string, ver *elf.Version) Event {
	e := o.event(kind)
	e.Symbol = strings.Clone(name)
	if ver != nil {
		e.Version = strings.Clone(ver.Name)
	}
	return e
}

// rebound tells that a reference of the C library was bound again.
func (t *Tracer) rebound(o *Object, h *elf.NameHash, ver *elf.Version, d definition, addr uintptr) {
	if t != nil {
		t.count(func(s *Stats) { s.Rebound++ })
		e := o.reference(EventRebind, h.Name(), ver)
		e.Definition, e.Addr = d.o.Path, addr
		t.emit(e)
	}
}

// hooked tells that a reference was bound to a hook, or again to what it was bound to without.
func (t *Tracer) hooked(o *Object, r elf.Rela, name string, addr uintptr) {
	if t == nil {
		return
	}
	e := o.reference(EventHook, name, o.File.SymVersion(r.Sym))
	e.Definition, e.Addr = itself.Path, addr
	if d := FindObject(addr); d != nil {
		e.Definition = d.Path
	}
	t.emit(e)
}

// dlsym tells of a call of dlsym or dlvsym that found addr, or nothing.
func (t *Tracer) dlsym(caller *Object, from uintptr, name string, ver *elf.Version, d definition, addr uintptr) {
	if t == nil {
		return
	}
	e := Event{Kind: EventDlsym, Symbol: strings.Clone(name), By: pathOf(caller), ByAddr: from, Addr: addr}
	if ver != nil {
		e.Version = strings.Clone(ver.Name)
	}
	if d.o == nil {
		e.Kind, e.Why = EventUndefined, WhyDlsym
	} else {
		e.Definition = d.o.Path
	}
	t.emit(e)
}

// unloading tells that objects are about to be unmapped.
func (t *Tracer) unloading(dead []*Object) {
	if t == nil {
		return
	}
	t.count(func(s *Stats) { s.Unloads += len(dead) })
	for _, o := range dead {
		e := o.event(EventUnload)
		e.Addr, e.Size = o.Mapping.Addr, o.Mapping.Size
		t.emit(e)
	}
}

// start tells that the program begins, now.
func (t *Tracer) start(path string, entry uintptr) {
	if t == nil {
		return
	}
	t.emit(Event{Kind: EventStart, Object: path, Addr: entry, Took: time.Since(t.Began)})
	if t.AtStart != nil {
		t.AtStart()
	}
}

// exit tells that the finalisers have run.
func (t *Tracer) exit() {
	if t == nil {
		return
	}
	t.emit(Event{Kind: EventExit, Took: time.Since(t.Began)})
	if t.AtExit != nil {
		t.AtExit()
	}
}

// What fork has to find as if nobody was inside (native.OnFork).

func beforeFork() {
	linker.mu.Lock()
	hooked.mu.Lock()
	dlErrors.Lock()
	scopes.Lock()
	if t := tracing(); t != nil {
		t.mu.Lock()
	}
}

func afterFork() {
	if t := tracing(); t != nil {
		t.mu.Unlock()
	}
	scopes.Unlock()
	dlErrors.Unlock()
	hooked.mu.Unlock()
	linker.mu.Unlock()
}

// inChild makes the locks anew: who waited for one is not there, and must not be handed it. An initialiser that another
// thread was in does not end: glibc waits for that for ever, here it counts as run.
func inChild() {
	t := tracing()
	if t != nil {
		t.mu = sync.Mutex{}
	}
	scopes = sync.RWMutex{}
	dlErrors.Mutex = sync.Mutex{}
	hooked.mu = sync.Mutex{}
	linker.mu.renew()
	linker.inits = sync.Cond{L: &linker.mu}
	me := native.Goroutine()
	for _, o := range linker.byMap {
		if o.init == initRunning && o.initBy != me {
			o.init = initDone
		}
	}
	clear(linker.waits)
	if t != nil && t.InChild != nil {
		t.InChild()
	}
}
