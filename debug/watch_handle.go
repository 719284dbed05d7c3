//go:build linux && amd64

package debug

import (
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How many events, and for how long, may wait for the watcher to have nothing to do: it and the process may be all that
// there are processors for.
const (
	maxQueued = 64
	maxWait   = 10 * time.Millisecond
)

// queue returns a function that has fn called for events one after the other, without waiting for it: when there are many,
// or flush is called and the oldest is as old as it says. wait does that and waits until fn was called for all.
func queue(fn func(Event)) (add func(Event), flush func(time.Duration), wait func()) {
	var mu sync.Mutex
	var events []Event
	var oldest time.Time
	closed, due := false, false
	some := sync.NewCond(&mu)
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			mu.Lock()
			for !due && !closed {
				some.Wait()
			}
			batch := events
			events, due = nil, false
			mu.Unlock()
			if batch == nil {
				return
			}
			for _, e := range batch {
				fn(e)
			}
		}
	}()
	add = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if len(events) == 0 {
			oldest = time.Now()
		}
		events = append(events, e)
		if !due && (len(events) >= maxQueued || time.Since(oldest) > maxWait) {
			due = true
			some.Signal()
		}
	}
	flush = func(age time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if len(events) > 0 && !due && time.Since(oldest) >= age {
			due = true
			some.Signal()
		}
	}
	return add, flush, func() {
		mu.Lock()
		closed = true
		mu.Unlock()
		some.Signal()
		<-done
	}
}

// handle handles what a thread reports, and lets it go on.
func (w *watcher) handle(tid int) error {
	now := time.Now()
	ws, ok := w.take(tid)
	if !ok {
		return nil
	}
	var at *breakpoint
	if ws.Stopped() && ws>>16 == 0 {
		at = w.reached(tid, ws.StopSignal()) // before others are set, which may have the same descriptors
	}
	th := w.threads[tid]
	if th != nil && ws.Stopped() {
		th.running = false
	}
	if err := w.merge(); err != nil {
		return err
	}
	if !ws.Stopped() {
		if th != nil {
			w.forget(th)
		}
		return nil
	}
	if th == nil {
		th = &thread{tid: tid}
		w.threads[tid] = th
	}
	th.running = false
	sig := ws.StopSignal()
	switch event := int(ws >> 16); {
	case event == eventExec:
		return w.exec(th)
	case event == eventStop && stopSignal(sig) && th.cont == 0:
		ptrace(ptraceListen, tid, 0, 0)
		th.running = true
		return nil
	case event == eventStop && !th.begun:
		if tid != w.t.pid && !w.ownProcess(tid) {
			ptrace(ptraceDetach, tid, 0, 0) // a child that clone has made, not a thread
			delete(w.threads, tid)
			return nil
		}
		if err := w.armed(w.arm(th)); err != nil {
			return err
		}
		w.resume(th, 0)
		return nil
	case event != 0:
		w.resume(th, 0)
		return nil
	case sig == syscallStop:
		err := w.examine(tid, now, 0, false)
		w.goOn(th, 0)
		return err
	}
	if at != nil {
		w.alert = now.Add(alertTime)
		err := w.hit(at, tid, now)
		w.goOn(th, 0)
		return err
	}
	if sig == syscall.SIGCONT && th.cont > 0 {
		th.cont--
		sig = 0
	}
	w.goOn(th, sig)
	return nil
}

// goOn resumes a thread that has stopped at a change.
func (w *watcher) goOn(th *thread, sig syscall.Signal) {
	if len(w.waiting) > 0 || w.mapped {
		now := time.Now()
		if w.mapped {
			w.reloc, w.mapped = now, false
		}
		for _, s := range w.waiting {
			s.began = now
		}
		w.waiting = w.waiting[:0]
	}
	w.resume(th, sig)
}

// fallBack stops threads at system calls where no breakpoints can be set.
func (w *watcher) fallBack(err error) error {
	if w.opt.Method == Breakpoints {
		return err
	}
	w.disarmAll()
	w.syscalls = true
	w.sites, w.sampled = nil, false
	w.interruptAll()
	return nil
}

// hit handles a breakpoint.
func (w *watcher) hit(b *breakpoint, tid int, now time.Time) error {
	if strings.HasPrefix(b.site.what, "probe reloc_") && time.Since(w.set) < time.Second {
		// What another thread has stopped for before may have had the same descriptor.
		if err := w.examine(tid, now, 0, false); err != nil {
			return err
		}
	}
	switch b.site.what {
	case "DT_DEBUG":
		return w.appear()
	case "probe reloc_start":
		w.reloc = time.Now()
	case "probe reloc_complete":
		w.relocated(tid, now)
	case "probe map_complete", "probe unmap_complete":
		t := w.turns
		w.turns = turns{}
		w.mapped = b.site.what == "probe map_complete"
		var took time.Duration
		if !t.end.IsZero() {
			now = t.end
		}
		if !t.begin.IsZero() {
			took = now.Sub(t.begin)
		}
		return w.examine(tid, now, took, false)
	default:
		return w.examine(tid, now, 0, false)
	}
	return nil
}

// appear looks for the list of a program that had none.
func (w *watcher) appear() error {
	at, err := w.t.locate()
	if err != nil || at.record == 0 {
		return err
	}
	w.at = at
	w.lists.record = at.record
	return w.plan()
}

// relocated reports that what was loaded last is relocated.
func (w *watcher) relocated(tid int, now time.Time) {
	var took time.Duration
	if !w.reloc.IsZero() {
		took = now.Sub(w.reloc)
	}
	w.reloc = time.Time{}
	for _, s := range w.lists.spaces {
		if len(s.loaded) > 0 {
			w.emit(Event{Kind: EventRelocation, Time: now, Duration: took, PID: w.t.pid, TID: tid, Namespace: s.ID, Objects: s.loaded})
			s.loaded = nil
		}
	}
}

// examine reports how the lists have changed, and how long that took if it is known.
func (w *watcher) examine(tid int, now time.Time, took time.Duration, late bool) error {
	if w.lists.record == 0 {
		return w.appear()
	}
	changes, err := w.lists.update(now, func(s *space) { w.waiting = append(w.waiting, s) })
	if err != nil {
		return w.t.failed(err)
	}
	for _, c := range changes {
		if took > 0 {
			c.took = took
		}
		w.emit(Event{Kind: c.kind, Time: now, Duration: c.took, PID: w.t.pid, TID: tid, Namespace: c.space.ID,
			Objects: slices.Clone(c.objects), Late: late})
		if c.kind == EventLoad {
			if err := w.seekProbes(c.objects); err != nil {
				return err
			}
		}
	}
	if w.sampled != w.samplable() {
		return w.choose()
	}
	return nil
}

// exec begins anew: the process has become another program, of one thread and without breakpoints.
func (w *watcher) exec(th *thread) error {
	for _, other := range w.threads {
		w.forget(other)
	}
	th = &thread{tid: th.tid}
	w.threads[th.tid] = th
	w.waiting, w.reloc, w.mapped, w.differs, w.sought = nil, time.Time{}, false, 0, 0
	w.syscalls, w.unsampled = false, false
	if err := w.t.reopen(); err != nil {
		return err
	}
	var err error
	if w.at, err = w.t.locate(); err != nil {
		return err
	}
	kind := EventExec
	if !w.begun {
		kind = EventAttached
	}
	if err := w.begin(kind); err != nil {
		return err
	}
	w.resume(th, 0)
	return nil
}

// exitStatus returns how the process has ended, which stays to be waited for.
func (w *watcher) exitStatus() (ws syscall.WaitStatus) {
	info, _ := pending(waitOne, w.t.pid, syscall.WEXITED)
	switch info.code {
	case 1: // CLD_EXITED
		return syscall.WaitStatus(info.status << 8)
	case 3: // CLD_DUMPED
		return syscall.WaitStatus(info.status | 0x80)
	}
	return syscall.WaitStatus(info.status)
}
