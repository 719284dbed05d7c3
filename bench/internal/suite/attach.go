package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"weld/bench/internal/wire"
)

const (
	attachLimit = time.Minute
	detachLimit = 20 * time.Second
	attachLook  = 5 * time.Millisecond

	// attachWord is in what a debugger prints when it has attached.
	attachWord = "attached"

	// settled is how many operations are made before the measure when a debugger has attached: it reads symbols at first.
	settled = 10
	// workExpected is the least processor time that a debugger needs for an open and a close: to stop the process for each, to
	// look at it and to let it go on.
	workExpected = 10 * time.Microsecond
)

// GdbCommand is how gdb is attached to the process whose id comes last: without anybody's settings, going on at once.
func GdbCommand(path string) []string {
	return []string{path, "-nx", "-q", "-batch", "-iex", "set auto-load off",
		"-ex", "echo " + attachWord + `\n`, "-ex", "continue", "-p"}
}

// debugger is a program that is attached to a worker.
type debugger struct {
	cmd    *exec.Cmd
	output *os.File // what it prints
	ended  chan struct{}
}

// attached is a request to a member of a case with the debugger attached. The process must answer once more when it has
// gone. A debugger that has nothing to do meanwhile does not see the opens: that is an error.
func (r *runner) attached(ctx context.Context, p *process, c, m int, do func(n int) (wire.Values, error)) (wire.Values, error) {
	what, pid := r.results[c].Case.Attach, p.cmd.Process.Pid
	d, err := attach(ctx, r.cfg.Commands[what], pid)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	v, err := r.watched(d, c, m, do)
	if gone := d.detach(pid); err == nil {
		err = gone
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if r.results[c].Case.Once {
		return v, nil
	}
	if _, err := do(1); err != nil {
		return nil, fmt.Errorf("after %s: %w", what, err)
	}
	return v, nil
}

func (r *runner) watched(d *debugger, c, m int, do func(n int) (wire.Values, error)) (wire.Values, error) {
	before, err := cpuTime(d.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if _, err := do(settled); err != nil {
		return nil, err
	}
	after, err := cpuTime(d.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if work := after - before; work < workExpected*settled {
		return nil, fmt.Errorf("has used %v of processor time while a library was opened and closed %d times: it does not see it",
			work, settled)
	}
	return r.repeat(c, m, do)
}

// cpuTime returns the processor time that all threads of a process have used.
func cpuTime(pid int) (time.Duration, error) {
	const ofProcess = 2                   // CPUCLOCK_SCHED of the kernel, of a whole process
	clock := uintptr(^pid<<3 | ofProcess) // as clock_getcpuclockid(3) makes it
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// attach starts a debugger and waits until it has attached to the process and has let it go on.
func attach(ctx context.Context, command []string, pid int) (*debugger, error) {
	output, err := os.CreateTemp("", "weldbench")
	if err != nil {
		return nil, err
	}
	os.Remove(output.Name()) // it lives as long as it is open
	args := append(command[1:len(command):len(command)], strconv.Itoa(pid))
	d := &debugger{cmd: exec.Command(command[0], args...), output: output, ended: make(chan struct{})}
	d.cmd.Env = append(environment(), "DEBUGINFOD_URLS=") // gdb would ask servers for symbols
	d.cmd.Stdout, d.cmd.Stderr = output, output
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the driver alone
	if err := d.cmd.Start(); err != nil {
		output.Close()
		return nil, err
	}
	go func() {
		defer close(d.ended)
		d.cmd.Wait()
	}()
	if err := d.wait(ctx, pid); err != nil {
		return nil, errors.Join(err, d.detach(pid))
	}
	return d, nil
}

// wait waits until the debugger says that it has attached, and all threads of the process are traced and go on.
func (d *debugger) wait(ctx context.Context, pid int) error {
	limit := time.Now().Add(attachLimit)
	for {
		if strings.Contains(d.text(), attachWord) {
			l, err := lookAt(pid)
			if err != nil || l.threads == l.traced && l.stopped == 0 {
				return err
			}
		}
		if time.Now().After(limit) {
			return fmt.Errorf("has not attached in %v: %s", attachLimit, d.said())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ended:
			return fmt.Errorf("ended with %v: %s", d.cmd.ProcessState, d.said())
		case <-time.After(attachLook):
		}
	}
}

// text is what the debugger has printed so far, or the beginning of it.
func (d *debugger) text() string {
	b := make([]byte, 1<<16)
	n, _ := d.output.ReadAt(b, 0)
	return string(b[:n])
}

// said is the text for an error.
func (d *debugger) said() string {
	var h head
	h.Write([]byte(d.text()))
	return strings.TrimSpace(h.String())
}

// idle waits until the debugger has nothing to do. One that is ended just when it has a thread step over a breakpoint leaves the
// process with a SIGSTOP now and then.
func (d *debugger) idle() {
	const still = 50 * time.Millisecond
	used := time.Duration(-1)
	for limit := time.Now().Add(detachLimit); time.Now().Before(limit); {
		now, err := cpuTime(d.cmd.Process.Pid)
		if err != nil || now == used {
			return
		}
		used = now
		time.Sleep(still)
	}
}

// detach ends the debugger, which has to let the process go on.
func (d *debugger) detach(pid int) error {
	defer d.output.Close()
	d.idle()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(detachLimit):
		d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("has not ended %v after SIGTERM: %s", detachLimit, d.said())
	}
	l, err := lookAt(pid)
	if err == nil && (l.traced > 0 || l.stopped > 0) {
		err = fmt.Errorf("has ended, but %d threads of the process are still traced and %d stopped", l.traced, l.stopped)
	}
	return err
}

// look is what the kernel says of the threads of a process.
type look struct {
	threads int
	traced  int // by a debugger
	stopped int // by it or by a signal
}

func lookAt(pid int) (l look, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		return look{}, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return look{}, err
		}
		l.add(string(text))
	}
	if l.threads == 0 {
		return look{}, fmt.Errorf("process %d has ended", pid)
	}
	return l, nil
}

// add counts a thread by its file status (proc(5)).
func (l *look) add(status string) {
	l.threads++
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "State":
			if strings.HasPrefix(value, "t") || strings.HasPrefix(value, "T") {
				l.stopped++
			}
		case "TracerPid":
			if value != "0" {
				l.traced++
			}
		}
	}
}
