package live_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// A child of fork has the objects as they were: what the parent writes, frees, uses again and commits does not reach it, nor
// the parent what it does. It cannot change them, and says why; where it has Go it makes others.
func TestCFork(t *testing.T) {
	cWays(t, "forks.c", func(t *testing.T, command func(string) *exec.Cmd) {
		ways := []string{"main", "thread"}
		if strings.HasSuffix(t.Name(), "/library") {
			ways = []string{"library", "thread"}
		}
		for _, how := range ways {
			child := "1 -1"
			if how == "main" {
				child = "first 0 -1 1 1 -1 -1 5 0"
			}
			r := testenv.Run(t, command(how), testenv.Patience)
			if want := fmt.Sprintf("child: 1 2 10 10 0 %s\nparent: 21 22 30 30, child 0\n", child); string(r.Stdout) != want {
				t.Errorf("%s: %v\n%s%s\nwanted:\n%s", how, r, r.Stdout, r.Stderr, want)
			}
		}
	})
}

// It forks while threads make code.
func TestCForkStorm(t *testing.T) {
	cWays(t, "forks.c", func(t *testing.T, command func(string) *exec.Cmd) {
		how := "storm"
		if strings.HasSuffix(t.Name(), "/library") {
			how = "storm without Go"
		}
		r := testenv.Run(t, command(how), testenv.Patience)
		if string(r.Stdout) != "storm: 0\n" {
			t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
		}
	})
}

// The first object is made while others fork.
func TestCForkFirst(t *testing.T) {
	cWays(t, "forks.c", func(t *testing.T, command func(string) *exec.Cmd) {
		hows := []string{"first", "first main", "first main", "first main"}
		if strings.HasSuffix(t.Name(), "/library") {
			hows = []string{"first", "first without Go"}
		}
		for _, how := range hows {
			r := testenv.Run(t, command(how), testenv.Patience)
			if string(r.Stdout) != "first: 0\n" {
				t.Errorf("%s: %v\n%s%s", how, r, r.Stdout, r.Stderr)
			}
		}
	})
}
