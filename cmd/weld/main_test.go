package main

import (
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weld": main})
}

// TestScripts runs the command lines in testdata; some of them compile a library first.
func TestScripts(t *testing.T) {
	needTools(t, "gcc")
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true})
}

func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("this test needs %s (Debian: apt-get install gcc binutils libc6-dev)", name)
		}
	}
}
