package rtld

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"weld/internal/testenv"
)

// Opens, closes, lookups and lazy bindings of libraries that share what they need, all at once.
func TestConcurrent(t *testing.T) {
	d := testenv.NewDir(t)
	lib(d, "base", "int base(void) { return 100; }\nint common = 1;\nasm(\".type common, @gnu_unique_object\");\n")
	var libs []string
	for i := range 4 {
		flags := []string{"-lbase"}
		if i > 0 {
			flags = append(flags, fmt.Sprintf("-lc%d", i-1))
		}
		libs = append(libs, lib(d, fmt.Sprintf("c%d", i), fmt.Sprintf(`
int base(void);
int f(void) { return base() + %d; }
`, i), flags...))
	}
	before := stateOf(t, d.Path)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 40 {
				k := (g + i) % len(libs)
				o, err := Default.Open(Source{Name: libs[k]}, map[bool]Flags{true: Global}[g%3 == 0]|map[bool]Flags{true: Now}[g%2 == 0], nil)
				if err != nil {
					t.Error(err)
					return
				}
				pc := symbol(t, o, "f")
				if n := call(t, o, "f"); n < 100 || n > 103 {
					t.Errorf("f() = %d", n)
				}
				if p, ok := Locate(pc); !ok || p.Symbol != "f" {
					t.Errorf("%#x is %+v %v", pc, p, ok)
				}
				for _, x := range Default.Objects() {
					if x.Path == "" && !x.System {
						t.Error("an object without a name")
					}
				}
				o.Symbols(func(Symbol) bool { return true })
				if err := o.Close(); err != nil {
					t.Error(err)
				}
				Locate(pc) // mapped or not
			}
		})
	}
	wg.Wait()
	before.check(t, d.Path)
}

// Calls are bound, while a library that defines what they need comes and goes: to one that stays.
func TestLazyBindingWhileClosing(t *testing.T) {
	d := testenv.NewDir(t)
	plugs := []string{lib(d, "p0", "int target(void) { return 7; }\n"), lib(d, "p1", "int target(void) { return 7; }\n")}
	keep := mustOpen(t, lib(d, "keep", "int target(void) { return 7; }\n"), Global)
	defer mustClose(t, keep)
	user := lib(d, "user", "int target(void);\nint user(void) { return target(); }\n")
	before := stateOf(t, d.Path)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for _, path := range plugs {
		wg.Go(func() {
			for !stop.Load() {
				o := mustOpen(t, path, Global)
				mustClose(t, o)
			}
		})
	}
	for range 100 {
		o := mustOpen(t, user, 0)
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				if n := call(t, o, "user"); n != 7 {
					t.Errorf("user() = %d", n)
				}
			})
		}
		calls.Wait()
		mustClose(t, o)
	}
	stop.Store(true)
	wg.Wait()
	before.check(t, d.Path)
}
