//go:build linux && amd64

package debug

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"
)

const (
	pollInterval = 500 * time.Millisecond
	alertTime    = 20 * time.Millisecond // how long after a stop the next one is waited for on the kernel thread itself
	alertStep    = time.Millisecond
	relocPause   = time.Millisecond // until the end of a relocation is looked for, at first
	maxSites     = 4                // debug registers of x86
	maxSought    = 32               // objects of a static program that are searched for probes
)

// watcher follows the lists of a process.
type watcher struct {
	tracer
	opt     WatchOptions
	ctx     context.Context
	child   chan os.Signal
	emit    func(Event)
	flush   func(time.Duration) // has what was emitted told, if some of it is that old
	alert   time.Time           // until when to wait for the next stop without the help of package os/signal
	own     bool                // the process is our child
	begun   bool                // EventAttached has been told
	at      rendezvous
	lists   *lists
	program *segments
	waiting []*space  // changes that have begun while a thread is stopped
	reloc   time.Time // when a relocation has begun
	mapped  bool      // a relocation begins when a thread goes on
	brk     uint64    // r_brk, 0 if the program has no list yet
	probes  map[string][]uint64
	wanted  []site    // what was asked for; sites may be fewer
	set     time.Time // when it was asked for
	turns   turns
	// unsampled is set if breakpoints cannot be sampled.
	unsampled bool
	sought    int // objects that were searched for probes
	differs   int // how many looks in a row have shown something new
	status    syscall.WaitStatus
	gone      bool
}

// watch runs a watcher on a kernel thread of its own, which ends with it and so lets go of what is still traced.
func watch(ctx context.Context, opt WatchOptions, fn func(Event), begin func(*watcher) error) (ws syscall.WaitStatus, err error) {
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	defer signal.Stop(child)
	emit, flush, wait := queue(fn)
	w := &watcher{opt: opt, ctx: ctx, child: child, emit: emit, flush: flush}
	w.threads, w.fds = map[int]*thread{}, map[int]*breakpoint{}
	w.options = optSysGood | optClone | optExec
	done := make(chan error)
	go onOwnThread(func() { done <- w.run(begin) })
	err = <-done
	wait()
	return w.status, err
}

// onOwnThread calls fn on a kernel thread that ends afterwards. The first one of the process would not end.
func onOwnThread(fn func()) {
	runtime.LockOSThread()
	if syscall.Gettid() != syscall.Getpid() {
		fn()
		return
	}
	done := make(chan bool)
	go func() { defer close(done); onOwnThread(fn) }()
	<-done
	runtime.UnlockOSThread()
}

func (w *watcher) run(begin func(*watcher) error) error {
	err := begin(w)
	if err == nil {
		err = w.follow()
	}
	if !w.gone {
		w.merge()
		w.detachAll()
		if err == nil {
			w.emit(Event{Kind: EventDetached, Time: time.Now(), PID: w.t.pid})
		}
	}
	w.disarmAll()
	return err
}

// attach begins to watch a process that runs.
func (w *watcher) attach(pid int) (err error) {
	if w.t, err = openTarget(pid); err != nil {
		return err
	}
	if err := w.seizeAll(); err != nil {
		return err
	}
	w.know(&Snapshot{})
	if err = w.attached(); err != nil {
		if exec, _ := w.superseded(); exec {
			return nil // it begins there
		}
	}
	return err
}

func (w *watcher) attached() (err error) {
	if err := w.t.reopen(); err != nil { // it may have executed another program before it was attached to
		return err
	}
	if w.at, err = w.t.locate(); err != nil {
		return err
	}
	return w.begin(EventAttached)
}

// start starts a program and begins to watch it.
func (w *watcher) start(path string, argv []string, attr *os.ProcAttr) error {
	a := os.ProcAttr{}
	if attr != nil {
		a = *attr
	}
	sys := syscall.SysProcAttr{}
	if a.Sys != nil {
		sys = *a.Sys
	}
	sys.Ptrace = true
	a.Sys = &sys
	p, err := os.StartProcess(path, argv, &a)
	if err != nil {
		return err
	}
	pid := p.Pid
	p.Release()
	w.own = true
	w.t = &target{pid: pid}
	// It stands before its first instruction, attached by the older interface. That is exchanged for the newer one while
	// a stop holds it.
	if ws, ok := w.stand(); !ok {
		return w.ended(ws)
	}
	ptrace(ptraceDetach, pid, 0, uintptr(syscall.SIGSTOP))
	if err := ptrace(ptraceSeize, pid, 0, w.options); err != nil {
		syscall.Kill(pid, syscall.SIGCONT)
		return w.t.failed(err)
	}
	if ws, ok := w.stand(); !ok {
		return w.ended(ws)
	}
	th := &thread{tid: pid, cont: 1}
	w.threads[pid] = th
	syscall.Kill(pid, syscall.SIGCONT)
	if w.t, err = openTarget(pid); err != nil {
		w.t = &target{pid: pid}
		return err
	}
	if w.at, err = w.t.locate(); err != nil {
		return err
	}
	if err := w.begin(EventAttached); err != nil {
		return err
	}
	w.resume(th, 0)
	return nil
}

// stand waits until the process that was started stands still.
func (w *watcher) stand() (ws syscall.WaitStatus, ok bool) {
	for {
		_, err := syscall.Wait4(w.t.pid, &ws, waitAll, nil)
		if err == syscall.EINTR {
			continue
		}
		return ws, err == nil && ws.Stopped()
	}
}

// ended takes note of the end of the process.
func (w *watcher) ended(ws syscall.WaitStatus) error {
	w.gone, w.status = true, ws
	w.emit(Event{Kind: EventExit, Time: time.Now(), PID: w.t.pid, Status: ws})
	return nil
}

// begin sets the breakpoints and reports what there is.
func (w *watcher) begin(kind EventKind) error {
	if err := w.plan(); err != nil {
		return err
	}
	snap, err := w.t.look(w.at)
	if err != nil {
		return err
	}
	w.know(snap)
	for i := range snap.Namespaces {
		if err := w.seekProbes(snap.Namespaces[i].Objects); err != nil {
			return err
		}
	}
	if err := w.choose(); err != nil {
		return err
	}
	w.begun = true
	w.emit(Event{Kind: kind, Time: snap.Time, PID: w.t.pid, Snapshot: snap, By: w.by()})
	return nil
}

// know makes a snapshot what is known.
func (w *watcher) know(snap *Snapshot) {
	w.program = nil
	if p, err := w.t.program(); err == nil {
		w.program = &p
	}
	w.lists = &lists{mem: w.t, record: w.at.record, describe: func(o *Object) { w.t.describe(o, w.program, w.t.maps) }}
	w.lists.set(snap.Namespaces)
}

// plan chooses where threads are to stop, and sets breakpoints there.
func (w *watcher) plan() error {
	w.disarmAll()
	w.sites, w.sampled, w.brk, w.probes = nil, false, 0, nil
	w.samples, w.lost, w.turns = nil, false, turns{}
	if w.at.record == 0 {
		w.sites = []site{{addr: w.at.slot, write: true, what: "DT_DEBUG"}}
	} else if brk, err := w.breakAddress(); err != nil {
		return err
	} else if brk != 0 {
		w.brk = brk
		w.addProbes(w.t.probes(brk, ""))
		w.sites = w.stops()
	}
	w.wanted = w.sites
	if w.opt.Method != SystemCalls && !w.syscalls {
		if len(w.sites) == 0 && w.opt.Method == Breakpoints {
			return w.t.fail(ErrBreakpoint, "r_brk is not set, and no file has the symbol _dl_debug_state: there is nothing to stop at")
		}
		err := error(nil)
		if len(w.sites) > 0 {
			if err = w.armAll(); err == nil {
				return nil
			}
		}
		if w.opt.Method == Breakpoints {
			return err
		}
		w.disarmAll()
	}
	w.sites, w.wanted = nil, nil
	w.syscalls = true
	for _, th := range w.threads {
		th.begun = true
	}
	w.interruptAll() // they go on to their next system call
	return nil
}

// addProbes takes note of probes if they tell of relocation.
func (w *watcher) addProbes(probes map[string][]uint64) {
	if len(probes["reloc_complete"]) > 0 {
		w.probes = probes
	}
}

// stops are the sites where threads are to stop if none is sampled.
func (w *watcher) stops() []site {
	sites := []site{{addr: w.brk, what: "r_brk", change: true}}
	for _, name := range []string{"reloc_complete", "reloc_start"} {
		for _, addr := range w.probes[name] {
			if len(sites) < maxSites {
				sites = append(sites, site{addr: addr, what: "probe " + name})
			}
		}
	}
	return sites
}

// choose sets the breakpoints anew if others are better: threads stop where the list was changed, and what else is of
// interest is sampled; or they stop at all.
func (w *watcher) choose() error {
	if w.syscalls || w.brk == 0 {
		return nil
	}
	sites, sampled := w.stops(), w.samplable()
	if sampled {
		start := site{addr: w.brk, what: "r_brk", sampled: true}
		if at := w.probes[changeSite]; at != nil {
			start = site{addr: at[0], what: changeSite, sampled: true}
		}
		sites = []site{
			{addr: w.probes["map_complete"][0], what: "probe map_complete", change: true},
			{addr: w.probes["unmap_complete"][0], what: "probe unmap_complete", change: true},
			start,
			{addr: w.probes["reloc_complete"][0], what: "probe reloc_complete", sampled: true},
		}
	}
	if slices.Equal(sites, w.wanted) {
		return nil
	}
	w.sites, w.wanted, w.sampled, w.turns, w.set = sites, sites, sampled, turns{}, time.Now()
	return w.armed(w.armAll())
}

// armed takes the result of setting breakpoints: where some cannot be sampled threads stop at all, where none can be set
// at system calls.
func (w *watcher) armed(err error) error {
	switch {
	case err == nil || w.syscalls:
		return nil
	case err == errUnsampled:
		w.unsampled = true
		return w.choose()
	}
	return w.fallBack(err)
}

// seekProbes looks for probes in objects that a static program has loaded: its run-time linker is in its own file, and may
// keep them in an object of theirs.
func (w *watcher) seekProbes(objects []Object) error {
	if w.syscalls || w.brk == 0 || w.probes != nil || w.t.aux[atBase] != 0 {
		return nil
	}
	for i := range objects {
		if w.sought >= maxSought {
			return nil
		}
		w.sought++
		if o := &objects[i]; o.Start != 0 && o.Name != "" {
			if w.addProbes(w.t.probes(o.Start, o.Path)); w.probes != nil {
				return w.choose()
			}
		}
	}
	return nil
}

// breakAddress returns r_brk, or the state function by name.
func (w *watcher) breakAddress() (uint64, error) {
	if w.at.record != 0 {
		r := listReader{mem: w.t}
		n, err := r.record(w.at.record, 0, fmt.Sprintf("struct r_debug %#x", w.at.record))
		if err != nil {
			return 0, w.t.failed(err)
		}
		if n.Version != 0 && n.Break != 0 {
			return n.Break, nil
		}
	}
	if w.at.brk == 0 {
		w.at.brk = w.t.stateFunction()
	}
	return w.at.brk, nil
}

func (w *watcher) by() (by []string) {
	if w.syscalls {
		return []string{"system calls"}
	}
	for _, s := range w.sites {
		by = append(by, fmt.Sprintf("%s %#x", s.what, s.addr))
	}
	return by
}

// follow handles what threads report until the process ends or the context is done.
func (w *watcher) follow() error {
	blockChild() // not before: a program that is started has the signal mask of who starts it
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	pause := relocPause
	for !w.gone {
		if w.ctx.Err() != nil {
			return nil
		}
		tid, ended, err := w.peek()
		switch {
		case errors.Is(err, syscall.ECHILD):
			return w.t.ended()
		case err != nil:
			return w.t.failed(err)
		case tid == w.t.pid && ended:
			w.merge()
			return w.end()
		case tid != 0:
			if err := w.unless(w.handle(tid)); err != nil {
				return err
			}
			// A process that stops all the time is not to keep the watcher from what else there is to do.
			select {
			case <-tick.C:
				if err := w.unless(w.poll()); err != nil {
					return err
				}
			default:
			}
			w.flush(maxWait)
			continue
		case time.Now().Before(w.alert):
			if awaitChild(alertStep) {
				continue
			}
		}
		if err := w.unless(w.merge()); err != nil {
			return err
		}
		w.flush(0)
		if time.Now().Before(w.alert) {
			runtime.Gosched()
			continue
		}
		var soon <-chan time.Time
		if w.sampled && !w.reloc.IsZero() { // it ends without a stop
			soon = time.After(pause)
			pause = min(2*pause, pollInterval)
		} else {
			pause = relocPause
		}
		select {
		case <-soon:
		case <-w.child:
		case <-w.ctx.Done():
		case <-tick.C:
			if err := w.unless(w.poll()); err != nil {
				return err
			}
		}
	}
	return nil
}

// unless returns an error of reading the process, unless it is due to what the process is about to report.
func (w *watcher) unless(err error) error {
	if err != nil {
		if exec, ended := w.superseded(); exec || ended {
			return nil
		}
	}
	return err
}

// end takes note of the end of the process. Whoever has started it is to have its status.
func (w *watcher) end() error {
	if w.own {
		ws, _ := w.take(w.t.pid)
		return w.ended(ws)
	}
	return w.ended(w.exitStatus())
}

// poll looks for changes that no thread has stopped for.
func (w *watcher) poll() error {
	if w.lists.record == 0 || w.syscalls {
		return nil
	}
	if err := w.merge(); err != nil {
		return err
	}
	r := listReader{mem: w.t, left: maxObjects, known: map[uint64]*Object{}}
	for _, s := range w.lists.spaces {
		for i := range s.Objects {
			r.known[s.Objects[i].LinkMap] = &s.Objects[i]
		}
	}
	spaces, err := r.namespaces(w.lists.record)
	if err != nil {
		return nil // it may be due to a change that is going on
	}
	known := make([]Namespace, 0, len(spaces))
	for _, n := range spaces {
		if s := w.lists.spaces[n.Record]; s != nil {
			n.Objects = s.Objects
			n.First = s.First
		} else {
			n.Objects, n.First = nil, 0
		}
		known = append(known, n)
	}
	if atRest(spaces, known) {
		w.differs = 0
		return nil
	}
	for _, n := range spaces {
		if n.State != Consistent {
			return nil
		}
	}
	if w.differs++; w.differs < 2 {
		return nil
	}
	if tid, _, _ := w.peek(); tid != 0 {
		return nil
	}
	w.differs = 0
	w.turns = turns{}
	if err := w.examine(0, time.Now(), 0, true); !errors.Is(err, ErrCorrupt) {
		return err
	}
	return nil // as above
}
