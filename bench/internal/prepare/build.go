// Package prepare makes what a run needs: the worker programs, the C fixtures, and the list of installed libraries
// with their symbols.
package prepare

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Files are the paths of what Build made.
type Files struct {
	WeldWorker, CgoWorker, PuregoWorker, DlWorker, StartWorker string

	Weld  string // the weld command
	Calls string // shared object of testdata/calls.c
	Lazy  string // shared object of testdata/lazy.c
	Tiny  string // shared object of testdata/tiny.c

	Generated string // shared object of testdata/generated.c

	Typed, TypedStripped string // shared objects of TypedSource, with and without debugging information
}

// Paths checks that source is the module's folder and that there are compilers, and returns where Build puts things in dir.
func Paths(source, dir string) (Files, error) {
	if err := checkTools(source); err != nil {
		return Files{}, err
	}
	out := func(name string) string { return filepath.Join(dir, name) }
	return Files{
		WeldWorker:   out("weldworker"),
		CgoWorker:    out("cgoworker"),
		PuregoWorker: out("puregoworker"),
		DlWorker:     out("dlworker"),
		StartWorker:  out("startworker"),
		Weld:         out("weld"),
		Calls:        out("libcalls.so"),
		Lazy:         out("liblazy.so"),
		Tiny:         out("libtiny.so"),
		Generated:    out("libgenerated_00000000.so"),

		Typed:         out("libtyped.so"),
		TypedStripped: out("libtypedstripped.so"),
	}, nil
}

// Build compiles those files that are wanted, from the module folder source: workers and fixtures, and the weld command.
func (f Files) Build(ctx context.Context, source string, want func(path string) bool) error {
	dir := filepath.Dir(f.DlWorker)
	out := func(name string) string { return filepath.Join(dir, name) }
	src := func(name string) string { return filepath.Join(source, "testdata", name) }
	// cgo does not see a change of calls.c, which the worker's own C file includes: the flag makes it look.
	text, err := os.ReadFile(src("calls.c"))
	if err != nil {
		return err
	}
	cflags := fmt.Sprintf("CGO_CFLAGS=-O2 -DCALLS_SHA256=0x%x", sha256.Sum256(text))
	ldflags, err := os.ReadFile(filepath.Join(source, "..", "cmd", "weld", "ldflags"))
	if err != nil {
		return err
	}

	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	build := func(output string, how func() error) {
		if want(output) {
			g.Go(how)
		}
	}
	goBuild := func(pkg, output string, env ...string) {
		build(output, func() error {
			return run(ctx, source, env, "go", "build", "-o", output, "./cmd/"+pkg)
		})
	}
	gcc := func(args ...string) error {
		return run(ctx, dir, nil, "gcc", append([]string{"-O2", "-Wall"}, args...)...)
	}
	goBuild("weldworker", f.WeldWorker, "CGO_ENABLED=0")
	build(f.Weld, func() error {
		flags := "-ldflags=" + strings.TrimSpace(string(ldflags))
		return run(ctx, filepath.Dir(source), []string{"CGO_ENABLED=0"}, "go", "build", flags, "-o", f.Weld, "./cmd/weld")
	})
	goBuild("cgoworker", f.CgoWorker, "CGO_ENABLED=1", cflags)
	goBuild("puregoworker", f.PuregoWorker, "CGO_ENABLED=0")
	goBuild("startworker", f.StartWorker, "CGO_ENABLED=0")
	build(f.DlWorker, func() error {
		if err := gcc("-shared", "-fPIC", "-o", out("libgdbjit.so"), src("gdbjit.c")); err != nil { // it opens that
			return err
		}
		return gcc("-o", f.DlWorker, src("dlworker.c"), "-ldl", "-Wl,-rpath,$ORIGIN")
	})
	build(f.Calls, func() error { return gcc("-shared", "-fPIC", "-o", f.Calls, src("calls.c")) })
	build(f.Tiny, func() error { return gcc("-shared", "-fPIC", "-o", f.Tiny, src("tiny.c")) })
	build(f.Generated, func() error { // one bucket: the name can be changed
		return gcc("-shared", "-fPIC", "-nostdlib", "-Wl,--hash-style=sysv,--build-id=none,-soname,libgenerated_00000000.so", "-o", f.Generated, src("generated.c"))
	})
	for _, x := range []struct{ path, debug string }{{f.Typed, "-g"}, {f.TypedStripped, "-g0"}} {
		build(x.path, func() error {
			src := x.path + ".c"
			if err := os.WriteFile(src, []byte(TypedSource()), 0o666); err != nil {
				return err
			}
			return gcc("-O0", x.debug, "-shared", "-fPIC", "-o", x.path, src)
		})
	}
	build(f.Lazy, func() error {
		target := out("liblazytarget.so")
		if err := gcc("-shared", "-fPIC", "-o", target, src("lazytarget.c")); err != nil {
			return err
		}
		return gcc("-shared", "-fPIC", "-fplt", "-Wl,-z,lazy", "-Wl,-rpath,$ORIGIN", "-o", f.Lazy, src("lazy.c"), target)
	})
	return g.Wait()
}

// checkTools says what is missing before anything is built.
func checkTools(source string) error {
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module weld/bench\n") {
		return fmt.Errorf("%s: not the folder of module weld/bench: run from there, or name it with -C", source)
	}
	var missing []error
	for _, tool := range []struct{ name, from string }{
		{"go", "https://go.dev/dl"},
		{"gcc", "Debian package gcc"},
	} {
		if _, err := exec.LookPath(tool.name); err != nil {
			missing = append(missing, fmt.Errorf("%s is not installed: it is in %s", tool.name, tool.from))
		}
	}
	return errors.Join(missing...)
}

func run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
