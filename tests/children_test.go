package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"weld"
	"weld/internal/testenv"
)

func init() { testenv.Child("children", childrenChild) }

// children is testdata/children.c. A result below zero is a signal or an errno.
type children struct {
	Spawn        func(script string) int32                               `sym:"spawn"`
	SpawnTo      func(path, script string, buf *byte, size uint64) int32 `sym:"spawn_to"`
	Shell        func(script string) int32                               `sym:"shell"`
	PipeFrom     func(script string, buf *byte, size uint64) int32       `sym:"pipe_from"`
	PipeTo       func(script, text string) int32                         `sym:"pipe_to"`
	ForkExit     func(code int32) int32                                  `sym:"fork_exit"`
	ForkAbort    func() int32                                            `sym:"fork_abort"`
	ForkExec     func(script string) int32                               `sym:"fork_exec"`
	VforkExec    func(script string) int32                               `sym:"vfork_exec"`
	ForkWork     func() int32                                            `sym:"fork_work"`
	Handlers     func() int32                                            `sym:"handlers"`
	ForkHandlers func() int32                                            `sym:"fork_handlers"`
}

// Native code starts programs and child processes as in any C program, and
// learns how they ended. A copy that fork(2) makes has no Go scheduler, which
// lazy binding needs: what it calls has to be bound before.
func TestChildrenOfNativeCode(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libchildren.so", "children.c", "-pthread")
	for _, mode := range []string{"now", "lazy"} {
		for _, goroutines := range []string{"1", "8"} {
			t.Run(mode+" from "+goroutines, func(t *testing.T) {
				runChild(t, "children", path, mode, goroutines, t.TempDir())
			})
		}
	}
}

func childrenChild(args []string) {
	lib, err := weld.Open(args[0], scriptOptions(args[1])...)
	must(err)
	var c children
	must(weld.Bind(lib, &c))
	expect(c.Handlers() == 0, "pthread_atfork failed")
	var n int
	fmt.Sscan(args[2], &n)
	rounds := 3
	if n == 1 {
		rounds = 1
	}
	// Collections and preemption go on meanwhile.
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.GC()
			}
		}
	}()
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() {
			for r := range rounds {
				c.use(filepath.Join(args[3], fmt.Sprint("out", g)), int32(10*g+r), args[1] == "now")
			}
		})
	}
	wg.Wait()
	close(done)

	// Go's own children still work, and no child is left over.
	out, err := exec.Command("sh", "-c", "echo from Go; exit 7").Output()
	var exit *exec.ExitError
	expect(string(out) == "from Go\n" && errors.As(err, &exit) && exit.ExitCode() == 7, "a child of Go: %q, %v", out, err)
	must(lib.Close())
	left, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	expect(err != nil || strings.TrimSpace(string(left)) == "", "children are left: %s", left)
	fmt.Println("ok")
}

// use starts each kind of child; code tells the goroutines and rounds apart.
func (c *children) use(path string, code int32, forks bool) {
	exit := fmt.Sprintf("exit %d", code)
	hello := fmt.Sprintf("echo hi %d; ", code)
	want := fmt.Sprintf("hi %d\n", code)
	kill := "kill -TERM $$"
	buf := make([]byte, 200)
	text := func() string { s, _, _ := strings.Cut(string(buf), "\x00"); return s }
	same := func(what string, got, want int32) {
		expect(got == want, "%s: %d, want %d", what, got, want)
	}

	same("posix_spawnp", c.Spawn(exit), code)
	same("posix_spawnp true", c.Spawn("true"), 0)
	same("posix_spawnp of a child that is killed", c.Spawn(kill), -15)
	same("posix_spawn with attributes", c.SpawnTo(path, hello+exit, &buf[0], uint64(len(buf))), code)
	expect(text() == want, "posix_spawn writes %q, want %q", text(), want)

	same("system", c.Shell(exit), code)
	same("system of a child that is killed", c.Shell(kill), -15)

	same("popen for reading", c.PipeFrom(hello+exit, &buf[0], uint64(len(buf))), code)
	expect(text() == want, "popen reads %q, want %q", text(), want)
	same("popen for writing", c.PipeTo(fmt.Sprintf("read a b; test \"$a $b\" = 'hi %d' && exit %d; exit 255", code, code), want), code)

	if !forks {
		return
	}
	same("fork and _exit", c.ForkExit(code), code)
	same("fork and abort", c.ForkAbort(), -6)
	same("fork and exec", c.ForkExec(exit), code)
	same("fork and exec of a child that is killed", c.ForkExec(kill), -15)
	same("vfork and exec", c.VforkExec(exit), code)
	same("fork and work", c.ForkWork(), 0)
	same("fork with handlers", c.ForkHandlers(), 0)
	same("fork and exec of a pipeline", c.ForkExec("echo hi | cat | (read x; exit 4)"), 4)
}
