package run_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// A session is one run of a case that is a conversation: programs started and stopped by Go code, and
// what that code says of them. The text written with Printf is compared as standard output.
type session struct {
	*testing.T
	dir    string
	prefix []string
	c      *Case
	log    strings.Builder
}

// converse runs the case's session.
func (c *Case) converse(t *testing.T, dir string, prefix []string) outcome {
	s := &session{T: t, dir: dir, prefix: prefix, c: c}
	c.Session(s)
	return outcome{stdout: s.log.String(), end: testenv.Result{}.String()}
}

// Printf adds to what is compared.
func (s *session) Printf(format string, args ...any) { fmt.Fprintf(&s.log, format, args...) }

// run runs a program to its end and adds its output and exit status to what is compared.
func (s *session) run(argv ...string) {
	s.Helper()
	s.runFor(`$^`, argv...)
}

// runFor is run for a program whose output is different each time: all matches of the regular
// expression are left out.
func (s *session) runFor(out string, argv ...string) {
	s.Helper()
	r := testenv.Run(s.T, s.c.command(s.dir, s.prefix, argv), s.c.timeout())
	text := regexp.MustCompile(out).ReplaceAllString(string(r.Stdout)+string(r.Stderr), "")
	s.Printf("$ %s\n%s[%v]\n", strings.Join(argv, " "), text, r)
}

// A server is a program that runs until it is stopped.
type server struct {
	s    *session
	cmd  *exec.Cmd
	done chan struct{}
	out  lockedBuffer
}

// lockedBuffer is a buffer that is written to and read at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts a server and waits until ready says true; ready may be nil.
func (s *session) start(ready func() bool, argv ...string) *server {
	s.Helper()
	v := &server{s: s, cmd: s.c.command(s.dir, s.prefix, argv), done: make(chan struct{})}
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	v.cmd.SysProcAttr.Setpgid = true
	v.cmd.WaitDelay = time.Second
	if err := v.cmd.Start(); err != nil {
		s.Fatalf("start of %s: %v", argv[0], err)
	}
	s.Cleanup(v.kill)
	go func() {
		v.cmd.Wait()
		close(v.done)
	}()
	for deadline := time.Now().Add(s.c.timeout()); ready != nil && !ready(); {
		select {
		case <-v.done:
			s.Fatalf("%s ended before it was ready: %v\n%s", argv[0], v.cmd.ProcessState, clip(v.out.String()))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s is not ready after %v\n%s", argv[0], s.c.timeout(), clip(v.out.String()))
		}
	}
	return v
}

// stop sends a signal to the server and adds how it ended to what is compared.
func (v *server) stop(sig syscall.Signal) {
	v.s.Helper()
	v.cmd.Process.Signal(sig)
	v.wait()
}

// wait waits for the server's end and adds it to what is compared.
func (v *server) wait() {
	v.s.Helper()
	select {
	case <-v.done:
		v.s.Printf("%s: %v\n", v.cmd.Args[len(v.s.prefix)], v.cmd.ProcessState)
	case <-time.After(v.s.c.timeout()):
		v.kill()
		v.s.Fatalf("%s does not end\n%s", v.cmd.Path, clip(v.out.String()))
	}
}

// kill ends the server's whole process group.
func (v *server) kill() {
	syscall.Kill(-v.cmd.Process.Pid, syscall.SIGKILL)
	<-v.done
}
