package run_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"weld/internal/testenv"
)

// An exchange is one step of a conversation over a terminal: what is awaited, a regular expression that
// is looked for after the match before, and what is then typed.
type exchange struct {
	Expect, Send string
}

// typeAt runs the case's program as the leader of a session with a new terminal and has the dialog with
// it. All that appears on the terminal is the standard output of the outcome.
func (c *Case) typeAt(t *testing.T, dir string, prefix []string) outcome {
	t.Helper()
	master, slave, err := openTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd := c.command(dir, prefix, c.Argv)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if c.asUser() {
		slave.Chown(userID, -1)
	}
	err = cmd.Start()
	slave.Close()
	if err != nil {
		t.Fatalf("start of %s: %v", cmd.Path, err)
	}

	deadline := time.Now().Add(c.timeout())
	master.SetDeadline(deadline)
	screen, problem := c.talk(master)
	if problem != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	stop := time.AfterFunc(time.Until(deadline), func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	cmd.Wait()
	r := testenv.Result{TimedOut: !stop.Stop(), Code: cmd.ProcessState.ExitCode(), Signal: signalOf(cmd)}
	end := r.String()
	if problem != nil {
		end = problem.Error()
	}
	return outcome{stdout: strings.ReplaceAll(screen, "\r\n", "\n"), end: end}
}

// talk has the dialog and reads on until the terminal is hung up. It returns all that was read.
func (c *Case) talk(master *os.File) (string, error) {
	var screen strings.Builder
	buf := make([]byte, 4096)
	read := func() error {
		n, err := master.Read(buf)
		screen.Write(buf[:n])
		return err
	}
	at := 0
	for _, x := range c.Dialog {
		re := regexp.MustCompile(x.Expect)
		for {
			if m := re.FindStringIndex(screen.String()[at:]); m != nil {
				at += m[1]
				break
			}
			if err := read(); err != nil {
				return screen.String(), fmt.Errorf("waiting for %q on the terminal: %w, after %q", x.Expect, err, clip(screen.String()[at:]))
			}
		}
		if _, err := io.WriteString(master, x.Send); err != nil {
			return screen.String(), err
		}
	}
	for {
		// EIO is the end: no process has the terminal open.
		if err := read(); errors.Is(err, syscall.EIO) || errors.Is(err, io.EOF) {
			return screen.String(), nil
		} else if err != nil {
			return screen.String(), fmt.Errorf("waiting for the end of the program: %w", err)
		}
	}
}

func signalOf(cmd *exec.Cmd) syscall.Signal {
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}

// openTerminal returns both ends of a new pseudo-terminal of 80 by 24 characters.
func openTerminal() (master, slave *os.File, err error) {
	// Opened by number and non-blocking, so that deadlines work on it.
	fd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open /dev/ptmx: %w", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	var number, lock int32
	size := [4]uint16{24, 80}
	for _, call := range []struct {
		req uintptr
		arg unsafe.Pointer
	}{
		{syscall.TIOCSPTLCK, unsafe.Pointer(&lock)},
		{syscall.TIOCGPTN, unsafe.Pointer(&number)},
		{syscall.TIOCSWINSZ, unsafe.Pointer(&size)},
	} {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), call.req, uintptr(call.arg)); e != 0 {
			master.Close()
			return nil, nil, fmt.Errorf("ioctl of /dev/ptmx: %w", e)
		}
	}
	// The programs' end stays blocking.
	name := fmt.Sprintf("/dev/pts/%d", number)
	fd, err = syscall.Open(name, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		master.Close()
		return nil, nil, fmt.Errorf("open %s: %w", name, err)
	}
	return master, os.NewFile(uintptr(fd), name), nil
}
