// Package link compares weld link with other linkers: small programs, one for a feature, are linked by GNU ld, lld, mold and weld, run,
// and looked at (TestFeatures; TestSoakFeatures has all options of each). TestSoakPackages builds packages of Debian and runs their own
// tests.
package link

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/link/ldcmd"
	"weld/link/plugin"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// The test binary is weld link.
func init() {
	testenv.Child("ld", func(args []string) {
		cmd := ldcmd.Command{Name: "ld", Stdout: os.Stdout, Stderr: os.Stderr, OpenPlugin: plugin.Open}
		os.Exit(cmd.Main(context.Background(), args))
	})
}

// A linker is a program that takes GNU ld's command line.
type linker struct {
	name string
	path string
	args []string
	env  []string
}

// linkers returns GNU ld, weld, lld and mold, in this order.
func linkers(t testing.TB) []linker {
	t.Helper()
	weld := testenv.ChildCommand(t, "ld")
	return []linker{
		{"gnu", find(t, "ld.bfd"), nil, nil},
		{"weld", weld.Path, nil, weld.Env[len(weld.Env)-1:]},
		{"lld", find(t, "ld.lld"), nil, nil},
		{"mold", find(t, "mold"), nil, nil},
	}
}

// find returns the path of a program, or of its newest version.
func find(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	found, _ := filepath.Glob("/usr/bin/" + name + "-[0-9]*")
	if len(found) == 0 {
		t.Fatalf("%s is not installed: .ci/setup does that", name)
	}
	return slices.Max(found)
}

func (l *linker) link(dir string, args ...string) error {
	cmd := exec.Command(l.path, append(slices.Clone(l.args), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), l.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %v\n%s", l.name, strings.Join(args, " "), err, out)
	}
	return nil
}

// A line is what a compiler driver passes to the linker before and after what it was given.
type line struct{ before, after []string }

// modes are the kinds of output, and what asks the driver for them.
var modes = map[string][]string{
	"pie": {"-pie"}, "no-pie": {"-no-pie"}, "static": {"-static"}, "static-pie": {"-static-pie"}, "shared": {"-shared"},
}

// lines asks the drivers for their lines, by driver and mode.
func lines(t testing.TB, d *testenv.Dir) map[string]line {
	t.Helper()
	d.Write("ld", "#!/bin/sh\nprintf '%s\\n' \"$@\" >$LD_ARGS\n")
	if err := os.Chmod(d.Join("ld"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.Write("placeholder.o", "")
	all := map[string]line{}
	for _, driver := range []string{"gcc", "g++"} {
		for mode, flags := range modes {
			file := d.Join("args-" + driver + mode)
			cmd := exec.Command(driver, append(flags, "-B"+d.Path, "placeholder.o", "-o", "out")...)
			cmd.Dir = d.Path
			cmd.Env = append(os.Environ(), "LD_ARGS="+file, "LC_ALL=C")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", driver, err, out)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var args []string
			for a := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
				if a != "-plugin" && !strings.HasSuffix(a, "/liblto_plugin.so") && !strings.HasPrefix(a, "-plugin-opt") {
					args = append(args, a)
				}
			}
			at, o := slices.Index(args, "placeholder.o"), slices.Index(args, "-o")
			if at < 0 || o < 0 || o > at {
				t.Fatalf("%s passes %q", driver, args)
			}
			all[driver+" "+mode] = line{slices.Delete(slices.Clone(args[:at]), o, o+2), args[at+1:]}
		}
	}
	return all
}
