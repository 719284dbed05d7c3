package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"weld"
	"weld/image/elf"
	"weld/native"
)

type tourCmd struct{}

// Help is the second part of weld tour --help.
func (*tourCmd) Help() string {
	return `It opens the C library and what else of some well-known libraries is there, calls functions of them and compares what they return with
Go's own, loads one from memory, has the C library call a Go function, shows what is where and which calls between libraries
were bound on the way, and makes a function at run time. Libraries that are not there are named and left out; it succeeds if all that is there works.`
}

// tour is the state that its steps share.
type tour struct {
	out  io.Writer
	find func(name string, opts ...weld.Option) (*weld.Library, error)
	libc *weld.Library
	open []opened

	binding sync.Mutex // calls may be bound in any thread
	bound   []boundCalls
}

// boundCalls are the functions that calls of a library were bound to when first made, in that order.
type boundCalls struct {
	lib   *weld.Library
	names []string
}

type opened struct {
	stop
	lib *weld.Library
}

// tourSteps are what weld tour does, in order.
var tourSteps = []struct {
	title string
	run   func(*tour) error
}{
	{"The machine", (*tour).machine},
	{"Open libraries by name", (*tour).openAll},
	{"Call them and compare with Go", (*tour).callAll},
	{"Load a library from memory", (*tour).fromMemory},
	{"Let C call Go: qsort with a Go comparison", (*tour).callback},
	{"The link map", (*tour).linkMap},
	{"What was bound when first called", (*tour).bindings},
	{"From an address to its symbol", (*tour).findAddress},
	{"Make code at run time", (*tour).generate},
}

// What ends the tour early; errNoLibc is no failure of it.
var (
	errNoLibc  = errors.New("there is no C library on this machine")
	errBadLibc = errors.New("the C library cannot be used")
)

func (*tourCmd) Run(s *streams) error {
	out := &checkedWriter{w: s.out}
	t := &tour{out: out, find: weld.Open}
	return errors.Join(t.walk(), t.close(), out.err)
}

// checkedWriter keeps the first error of its writes.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// walk makes the steps one after the other. One that fails does not keep the next from being made.
func (t *tour) walk() error {
	begin := time.Now()
	weld.TraceBindings(t.bindingMade)
	defer weld.TraceBindings(nil)
	var failed []string
	for i, step := range tourSteps {
		fmt.Fprintf(t.out, "%d. %s\n", i+1, step.title)
		start := time.Now()
		err := step.run(t)
		if errors.Is(err, errNoLibc) {
			fmt.Fprintf(t.out, "\n%v, neither glibc nor musl.\nweld still loads code that needs none; the rest of the tour does need one and is left out.\n", capital(err.Error()))
			return nil
		}
		if errors.Is(err, errBadLibc) {
			return err
		}
		if err != nil {
			t.say("FAILED: %v", err)
			failed = append(failed, step.title)
		}
		t.say("[%v]", rounded(time.Since(start)))
		fmt.Fprintln(t.out)
	}
	if failed != nil {
		return fmt.Errorf("%d of %d steps failed: %s", len(failed), len(tourSteps), strings.Join(failed, "; "))
	}
	fmt.Fprintf(t.out, "All %d steps done in %v.\n", len(tourSteps), rounded(time.Since(begin)))
	return nil
}

// say prints an indented line.
func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, "   "+format+"\n", args...) }

func (t *tour) close() error {
	var errs []error
	for _, o := range slices.Backward(t.open) {
		errs = append(errs, o.lib.Close())
	}
	t.open = nil
	return errors.Join(errs...)
}

// machine says where the tour takes place.
func (t *tour) machine() error {
	kernel := "kernel of unknown release"
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "kernel " + strings.TrimSpace(string(data))
	}
	t.say("%s/%s, %s, %d processors, pages of %d bytes; built with %s", runtime.GOOS, runtime.GOARCH, kernel, runtime.NumCPU(), os.Getpagesize(), runtime.Version())
	found := false
	for _, interp := range []struct{ path, name string }{
		{"/lib64/ld-linux-x86-64.so.2", "glibc"},
		{"/lib/ld-musl-x86_64.so.1", "musl"},
	} {
		if _, err := os.Stat(interp.path); err == nil {
			t.say("%s: the interpreter is %s", interp.name, interp.path)
			found = true
		}
	}
	if !found {
		t.say("neither the interpreter of glibc nor that of musl is in its place")
	}
	return nil
}

// openAll opens the C library and each library of tourStops.
func (t *tour) openAll() error {
	var errs []error
	for _, s := range tourStops {
		lib, took, err := t.openFirst(s.names)
		switch {
		case err == nil:
			t.open = append(t.open, opened{s, lib})
			t.say("%-11s %-10v %s", s.label, rounded(took), lib.Path)
			if s.libc {
				t.libc = lib
			}
		case isAbsent(err) || s.family && t.missing(s.names):
			t.say("%-11s %-10s (%s)", s.label, "absent", strings.Join(s.names, ", "))
			if s.libc {
				return errNoLibc
			}
		case s.libc:
			return fmt.Errorf("%w: %w", errBadLibc, err)
		default:
			t.say("%-11s FAILED: %v", s.label, err)
			errs = append(errs, fmt.Errorf("%s: %w", s.label, err))
		}
	}
	return errors.Join(errs...)
}

// openFirst opens the first of names that is there.
func (t *tour) openFirst(names []string) (lib *weld.Library, took time.Duration, err error) {
	for _, name := range names {
		start := time.Now()
		lib, err = t.find(name)
		if err == nil || !isAbsent(err) {
			return lib, time.Since(start), err
		}
	}
	return nil, 0, err
}

// missing reports whether none of the C library's companions names is in its folder. Their errors are the C library's
// own, in words.
func (t *tour) missing(names []string) bool {
	return t.libc != nil && !slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(filepath.Dir(t.libc.Path), name))
		return err == nil
	})
}

// isAbsent reports whether the library that was to be opened is not there, as opposed to something that it needs.
func isAbsent(err error) bool {
	if errors.Is(err, native.ErrNoLibc) || errors.Is(err, native.ErrOtherLibc) {
		return true
	}
	var oe *weld.OpenError
	return errors.As(err, &oe) && oe.NeededBy == "" && (errors.Is(err, weld.ErrNotFound) || errors.Is(err, fs.ErrNotExist))
}

// callAll makes the calls of the libraries that are open.
func (t *tour) callAll() error {
	var errs []error
	for _, o := range t.open {
		for _, c := range o.calls {
			start := time.Now()
			text, err := c.check(o.lib)
			if err != nil {
				err = fmt.Errorf("%s of %s: %w", c.name, o.label, err)
				errs = append(errs, err)
				t.say("FAILED: %v", err)
				continue
			}
			t.say("%-21s %-10v %s", c.name, rounded(time.Since(start)), text)
		}
	}
	return errors.Join(errs...)
}

// fromMemory loads the first library that is not of the C library's family once more, from a buffer.
func (t *tour) fromMemory() error {
	for _, o := range t.open {
		if o.family {
			continue
		}
		data, err := os.ReadFile(o.lib.Path)
		if err != nil {
			return err
		}
		name := "tour-copy-of-" + o.lib.Soname
		lib, err := weld.Load(name, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return err
		}
		text, err := o.calls[0].check(lib)
		if err != nil {
			return errors.Join(err, lib.Close())
		}
		t.say("%d bytes of %s, loaded as %s", len(data), o.lib.Path, name)
		t.say("its base is %#x, that of the one opened by name %#x", lib.Base, o.lib.Base)
		t.say("%s: %s", o.calls[0].name, text)
		return lib.Close()
	}
	t.say("no library is there but the C library's own, which come with their interpreter: left out")
	return nil
}

// callback sorts numbers with the C library's qsort and a comparison in Go.
func (t *tour) callback() error {
	qsort, err := weld.Func[func([]int32, uint64, uint64, *weld.Callback)](t.libc, "qsort")
	if err != nil {
		return err
	}
	calls := 0
	compare, err := weld.NewCallback(func(a, b *int32) int32 {
		calls++
		switch {
		case *a < *b:
			return -1
		case *a > *b:
			return 1
		}
		return 0
	})
	if err != nil {
		return err
	}
	numbers := make([]int32, 1000)
	for i := range numbers {
		numbers[i] = rand.Int32()
	}
	want := slices.Sorted(slices.Values(numbers))
	start := time.Now()
	qsort(numbers, uint64(len(numbers)), 4, compare)
	took := time.Since(start)
	if err := compare.Close(); err != nil {
		return err
	}
	if !slices.Equal(numbers, want) {
		return errors.New("the numbers are not sorted")
	}
	t.say("%d numbers sorted with %d calls back to Go, %v each", len(numbers), calls, took/time.Duration(max(1, calls)))
	return nil
}

// linkMap lists all that is loaded.
func (t *tour) linkMap() error {
	libs := weld.Libraries()
	if len(libs) == 0 {
		return errors.New("it is empty")
	}
	for _, lib := range libs {
		t.say("%#-16x %9d  %s", lib.Base, lib.Size, cmp.Or(lib.Path, lib.Soname, "(without a name)"))
	}
	return nil
}

// bindingMade notes a call that is bound.
func (t *tour) bindingMade(lib *weld.Library, symbol string) {
	t.binding.Lock()
	defer t.binding.Unlock()
	for i := range t.bound {
		if b := &t.bound[i]; b.lib == lib {
			b.names = append(b.names, symbol)
			return
		}
	}
	t.bound = append(t.bound, boundCalls{lib, []string{symbol}})
}

// bindingsMade returns how many calls have been bound.
func (t *tour) bindingsMade() (n int) {
	t.binding.Lock()
	defer t.binding.Unlock()
	for _, b := range t.bound {
		n += len(b.names)
	}
	return n
}

// bindings shows which calls between libraries have been bound so far, and that calling the same again binds nothing
// new.
func (t *tour) bindings() error {
	total := t.bindingsMade()
	if total == 0 {
		t.say("none: the libraries ask for all to be bound when they are opened, or LD_BIND_NOW is set")
		return nil
	}
	t.binding.Lock()
	bound := slices.Clone(t.bound)
	t.binding.Unlock()
	for _, b := range bound {
		const show = 5
		first := strings.Join(b.names[:min(show, len(b.names))], ", ")
		if len(b.names) > show {
			first += ", ..."
		}
		t.say("%-25s %5d: %s", filepath.Base(b.lib.Path), len(b.names), first)
	}
	t.say("%d calls between libraries bound by the first call of each", total)
	for _, o := range t.open {
		for _, c := range o.calls {
			if _, err := c.check(o.lib); err != nil {
				return fmt.Errorf("%s of %s, called once more: %w", c.name, o.label, err)
			}
		}
	}
	t.say("the functions of step 3 called once more: %d more", t.bindingsMade()-total)
	return nil
}

// findAddress looks up an address a few bytes into a function.
func (t *tour) findAddress() error {
	for _, o := range t.open {
		if o.symbol == "" {
			continue
		}
		sym, err := o.lib.Lookup(o.symbol)
		if err != nil {
			return err
		}
		if sym.Type == elf.STT_GNU_IFUNC {
			continue // its code has a local name
		}
		pc := sym.Addr + 1
		at, ok := weld.FindAddr(pc)
		if !ok {
			return fmt.Errorf("nothing is known of %#x, one byte into %s", pc, o.symbol)
		}
		name := at.Symbol
		if name != o.symbol && at.SymbolAddr == sym.Addr {
			name += " (or " + o.symbol + ")" // one function of several names
		}
		t.say("%#x is %s+%d in %s, at offset %#x of the file", pc, name, at.Offset, at.Library.Path, at.FileOffset)
		if pc-at.SymbolAddr != at.Offset {
			return fmt.Errorf("%s is at %#x, which is not %d bytes before", at.Symbol, at.SymbolAddr, at.Offset)
		}
	}
	return nil
}

// rounded keeps three digits or so of a duration.
func rounded(d time.Duration) time.Duration {
	switch {
	case d > 100*time.Millisecond:
		return d.Round(time.Millisecond)
	case d > 100*time.Microsecond:
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Nanosecond)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
