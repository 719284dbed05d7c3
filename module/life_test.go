package module_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weld/internal/testenv"
	"weld/module"
)

// TestReload loads a module a thousand times, each time another version of it, and leaves nothing behind.
func TestReload(t *testing.T) {
	var host module.Exports
	defer host.Close()
	if err := host.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	var versions [][]byte
	for i := range 2 {
		src := fmt.Sprintf("int host_add(int, int);\n__thread int calls; int version(int n) { calls++; return host_add(n, %d) + calls; }\n", 100*i)
		versions = append(versions, linkModule(t, linkNothing, d.Object(fmt.Sprintf("v%d.o", i), "-fPIC", d.Write(fmt.Sprintf("v%d.c", i), src))))
	}
	n := 1000
	if testing.Short() {
		n = 100
	}
	var before [2]int
	for i := range n {
		if i == 20 {
			before = [2]int{mappings(t), descriptors(t)}
		}
		m := load(t, versions[i%2], &host, nil)
		f := must[func(int32) int32](t, m, "version")
		if got, want := f(1), int32(100*(i%2)+2); got != want {
			t.Fatalf("round %d: %d, want %d", i, got, want)
		}
		if err := m.Free(); err != nil {
			t.Fatal(err)
		}
	}
	if after := [2]int{mappings(t), descriptors(t)}; after[0] > before[0]+20 || after[1] > before[1] {
		t.Errorf("mappings and descriptors: %v before, %v after %d loads", before, after, n)
	}
}

func mappings(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestInUse frees modules that are in use: by a call, by somebody who holds them, by another module.
func TestInUse(t *testing.T) {
	in, out := make(chan bool), make(chan bool)
	var host module.Exports
	for _, err := range []error{
		host.Func("host_add", func(a, b int32) int32 { in <- true; <-out; return a + b }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := testenv.NewDir(t)
	first := load(t, linkModule(t, linkNothing, d.Object("first.o", "-fPIC", d.Write("first.c", "int host_add(int, int);\nint waits(int n) { return host_add(n, 1); }\nint plain(int n) { return n + 7; }\n"))), &host, &module.Options{Name: "first"})
	waits := must[func(int32) int32](t, first, "waits")
	users := func(what string, want int64) {
		t.Helper()
		var e *module.InUseError
		if err := first.Free(); !errors.As(err, &e) || !errors.Is(err, module.ErrInUse) || e.Users != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	done := make(chan int32)
	go func() { done <- waits(1) }()
	<-in
	users("during a call", 1)
	out <- true
	if got := <-done; got != 2 {
		t.Error(got)
	}
	release, err := first.Hold()
	if err != nil {
		t.Fatal(err)
	}
	users("held", 1)
	release()
	release()

	var both module.Exports
	if err := both.Module(first, "nothing"); !errors.Is(err, module.ErrNotFound) {
		t.Error(err)
	}
	if err := both.Module(first, "plain"); err != nil {
		t.Fatal(err)
	}
	users("exported", 1)
	second := load(t, linkModule(t, linkNothing, d.Object("second.o", "-fPIC", d.Write("second.c", "int plain(int);\nint through(int n) { return plain(n) * 2; }\n"))), &both, nil)
	if got := must[func(int32) int32](t, second, "through")(1); got != 16 {
		t.Errorf("through another module: %d", got)
	}
	if err := both.Close(); !errors.Is(err, module.ErrInUse) {
		t.Error(err)
	}
	if err := second.Free(); err != nil {
		t.Error(err)
	}
	users("exported", 1)
	if err := both.Close(); err != nil {
		t.Error(err)
	}
	if err := first.Free(); err != nil {
		t.Error(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestPanic has a host function panic in an initialiser and in a call: nothing is left behind, and the module can be freed.
func TestPanic(t *testing.T) {
	var host module.Exports
	fail := true
	if err := host.Func("host_add", func(a, b int32) int32 {
		if fail {
			panic("host")
		}
		return a + b
	}); err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	data := linkModule(t, linkNothing, d.Object("init.o", "-fPIC", d.Write("init.c", "int host_add(int, int);\nint n;\n__attribute__((constructor)) static void init(void) { n = host_add(1, 2); }\nint again(void) { return host_add(n, 1); }\n")))
	recovered := func(f func()) (r any) {
		defer func() { r = recover() }()
		f()
		return nil
	}
	before := mappings(t)
	for range 40 {
		if r := recovered(func() { module.Load(bytes.NewReader(data), int64(len(data)), &host, nil) }); r != "host" {
			t.Errorf("an initialiser that panics: %v", r)
		}
	}
	if n := mappings(t); n > before+20 { // some are those of the Go heap and of Go's threads
		t.Errorf("%d mappings, %d before", n, before)
	}
	fail = false
	m := load(t, data, &host, nil)
	fail = true
	again := must[func() int32](t, m, "again")
	if r := recovered(func() { again() }); r != "host" {
		t.Errorf("a call that panics: %v", r)
	}
	if err := m.Free(); err != nil {
		t.Error(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestConcurrent calls a module from several goroutines, and reloads it meanwhile: no call is lost, and none is made to what is gone.
func TestConcurrent(t *testing.T) {
	var host module.Exports
	if err := host.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	data := linkModule(t, linkNothing, d.Object("calls.o", "-fPIC", d.Write("calls.c", "int host_add(int, int);\nint call(int n) { return host_add(n, 1); }\n")))
	type version struct {
		m    *module.Module
		call func(int32) int32
	}
	var now atomic.Pointer[version]
	next := func() *version {
		m := load(t, data, &host, nil)
		return now.Swap(&version{m, must[func(int32) int32](t, m, "call")})
	}
	next()
	var wg sync.WaitGroup
	var stop atomic.Bool
	var good, freed atomic.Int64
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				func() {
					defer func() {
						if r := recover(); r != nil {
							if r != module.ErrFreed {
								t.Errorf("%v", r)
							}
							freed.Add(1)
						}
					}()
					if got := now.Load().call(1); got != 2 {
						t.Errorf("%d", got)
					}
					good.Add(1)
				}()
			}
		})
	}
	for i := 0; i < 8 || good.Load() < 100; i++ {
		old := next()
		for errors.Is(old.m.Free(), module.ErrInUse) {
			time.Sleep(50 * time.Microsecond)
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d calls, %d of them of what was freed", good.Load()+freed.Load(), freed.Load())
	if err := now.Load().m.Free(); err != nil {
		t.Error(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestExample runs examples/plugins: the module is replaced while it runs, by a new version and by one that does not fit.
func TestExample(t *testing.T) {
	d := testenv.NewDir(t)
	src, err := os.ReadFile(filepath.Join(testenv.Root(t), "examples/plugins/testdata/count.c"))
	if err != nil {
		t.Fatal(err)
	}
	path := d.Join("count.so")
	versions := 0
	put := func(old, now string) {
		t.Helper()
		versions++
		name := fmt.Sprintf("count%d", versions)
		data := linkModule(t, linkNothing, d.Object(name+".o", "-fPIC", d.Write(name+".c", strings.ReplaceAll(string(src), old, now))))
		if err := os.WriteFile(path+".new", data, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("", "")
	cmd := exec.Command(testenv.GoProgram(t, "weld/examples/plugins"), path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(out)
	ask := func(line, want string) {
		t.Helper()
		fmt.Fprintln(in, line)
		if got, err := answers.ReadString('\n'); err != nil || got != want+"\n" {
			t.Fatalf("%q %v, want %s", got, err, want)
		}
	}
	ask("a", "a 1")
	put("+ 1", "+ 100")
	ask("b", "b 101")
	put("long host_get", "int host_get")
	ask("c", "module "+path+": 1 import cannot be bound:")
	for _, want := range []string{"host_get: of another type: result: the module has int, the host long", "\tmodule: int host_get(const char *)", "\thost:   long host_get(const char *)", "c 201"} {
		if got, err := answers.ReadString('\n'); err != nil || got != want+"\n" {
			t.Errorf("%q %v, want %s", got, err, want)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
