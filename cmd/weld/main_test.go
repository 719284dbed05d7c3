package main

import (
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"weld/internal/testenv"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"weld": main})
}

type tests struct{ *testing.M }

func (t tests) Run() int {
	defer testenv.Clean()
	return t.M.Run()
}

// TestScripts runs the command lines in testdata; some of them compile a library first. $WELD is the command as make
// builds it, which weld run wants: the weld that scripts have in their PATH is the test's own binary.
func TestScripts(t *testing.T) {
	needTools(t, "gcc")
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("WELD", testenv.GoProgram(t, "weld/cmd/weld"))
			return nil
		},
	})
}

func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("this test needs %s (Debian: apt-get install gcc binutils libc6-dev)", name)
		}
	}
}
