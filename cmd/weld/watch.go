package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"weld/debug"
)

// watchCmd is weld watch.
type watchCmd struct {
	Target string   `arg:"" name:"pid|prog" help:"A process id, or a program: a path, or a name that is looked up in PATH. What follows are its arguments."`
	Args   []string `kong:"-"`
	Once   bool     `help:"Look once, without stopping the process: only its memory is read."`
	JSON   bool     `help:"JSON objects, one a line."`
	Output string   `placeholder:"FILE" help:"Write to FILE instead of standard output or, with PROG, standard error."`
	By     string   `enum:"auto,breakpoints,syscalls" default:"auto" help:"How changes are seen: by ${enum}."`

	isProgram bool // there is a -- before it
}

func (c *watchCmd) Help() string {
	return `Prints the objects that a process has loaded, in each namespace with address, size, build ID and path, and then each load,
relocation and unload with the time when it was complete and how long it took the process. The process may be static or
dynamic, of glibc, musl or weld. What is a number is a process id, unless -- stands before it.

  weld watch 1234
  weld watch --once --json 1234
  weld watch -- python3 -c 'import ssl'

The process is stopped for some tens of microseconds where its run-time linker says that its list changes: at r_brk, and at the
probes rtld:reloc_start and rtld:reloc_complete of the file that has r_brk, if there are any; without them relocation is not
told of. A process of weld's is stopped at rtld:map_complete and rtld:unmap_complete only, as long as it has one namespace: the
kernel notes when it reaches the start of a change and rtld:reloc_complete. Nothing is written into the process. The breakpoints are debug
registers that the kernel clears when weld ends, so also after kill -9 none stays behind, and the process goes on. Where the
kernel permits none (kernel.perf_event_paranoid above 2, containers), the process stops at all its system calls instead
(--by=syscalls), and times are less exact. "late" marks what was seen by looking, twice a second: a thread that blocks
SIGWINCH, SIGURG and SIGCONT is not stopped.

Children are not followed, another program that the process executes is. Ctrl-C, SIGTERM and SIGHUP end the watch, and the
process goes on. The exit status is 0 when the watch or the process has ended, and 1 if the process cannot be watched.

With --json each line has the fields event, time, time_ns, pid and, as they apply: tid, namespace, duration_ns, late,
objects (name, path, address, size, build_id, l_ld, link_map), exe, threads, found, by, namespaces (namespace, r_debug,
r_version, r_state, r_brk, objects), exit_status, signal. Addresses are numbers, times are nanoseconds.`
}

func (c *watchCmd) Run(s *streams) error {
	pid, err := strconv.Atoi(c.Target)
	number := err == nil && !c.isProgram
	switch {
	case number && len(c.Args) > 0:
		return usageError{fmt.Errorf("%q follows the process id %d (a program whose name is a number needs -- before it)", c.Args[0], pid)}
	case number && pid <= 0:
		return usageError{fmt.Errorf("%d is no process id", pid)}
	case !number && c.Once:
		return usageError{errors.New("--once needs a process id")}
	}
	out := s.out
	if !number {
		out = s.err
	}
	if c.Output != "" {
		f, err := os.Create(c.Output)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	p := watchPrinter{out: out, json: c.JSON}
	if c.Once {
		snap, err := debug.Look(pid)
		if err != nil {
			return err
		}
		return p.snapshot("snapshot", snap, nil)
	}
	return errors.Join(c.watch(s, pid, number, &p), p.err)
}

func (c *watchCmd) watch(s *streams, pid int, number bool, p *watchPrinter) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options := debug.WatchOptions{Method: map[string]debug.Method{
		"auto": debug.Auto, "breakpoints": debug.Breakpoints, "syscalls": debug.SystemCalls}[c.By]}
	print := func(e debug.Event) {
		if p.event(&e) != nil {
			cancel()
		}
	}
	if number {
		return debug.Watch(ctx, pid, options, print)
	}
	path, err := exec.LookPath(c.Target)
	if err != nil {
		return err
	}
	attr := &os.ProcAttr{Files: []*os.File{fileOf(s.in), fileOf(s.out), fileOf(s.err)}}
	_, err = debug.WatchProgram(ctx, path, append([]string{c.Target}, c.Args...), attr, options, print)
	if e := new(debug.ProcessError); errors.As(err, &e) && e.PID != 0 {
		fmt.Fprintf(s.err, "weld: watch: %v; the program goes on\n", strings.ReplaceAll(err.Error(), "\n", " "))
		var ws syscall.WaitStatus
		for {
			if _, err := syscall.Wait4(e.PID, &ws, 0, nil); err != syscall.EINTR {
				break
			}
		}
		return statusError{statusFailed, fmt.Errorf("%s was not watched", c.Target)}
	}
	return err
}

// fileOf returns the file that a program is to have for a stream of this one.
func fileOf(stream any) *os.File {
	f, _ := stream.(*os.File)
	return f
}

// watchPrinter prints events. After an error it prints nothing.
type watchPrinter struct {
	out  io.Writer
	json bool
	err  error
}
