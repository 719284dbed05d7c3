package tests

import (
	"sync"
	"testing"

	"weld"
	"weld/internal/testenv"
)

// Opens of one library at the same time run its initialiser once, and none
// returns before it has run.
func TestConcurrentOpens(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libslow.so", d.Write("slow.c", `
#include <unistd.h>
static int started, done;
__attribute__((constructor)) static void slow(void) { started++; usleep(50000); done = started; }
int state(void) { return done; }
`))
	d.Shared("libuser.so", d.Write("user.c", "int state(void); int user_state(void) { return state(); }\n"), "-lslow", "-Wl,-rpath,$ORIGIN")
	for round := range 3 {
		var wg sync.WaitGroup
		libs := make([]*weld.Library, 16)
		for i := range libs {
			wg.Go(func() {
				name, symbol := path, "state"
				if i%2 == 1 {
					name, symbol = d.Join("libuser.so"), "user_state"
				}
				lib, err := weld.Open(name)
				if err != nil {
					t.Error(err)
					return
				}
				libs[i] = lib
				if got := bind[func() int32](t, lib, symbol)(); got != 1 {
					t.Errorf("round %d: the initialiser has run %d times", round, got)
				}
			})
		}
		wg.Wait()
		for _, lib := range libs {
			if lib == nil {
				continue
			}
			if err := lib.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := len(testenv.MapsOf(t, "libslow.so")); n != 0 {
			t.Errorf("round %d: %d mappings are left", round, n)
		}
	}
}

// Opens that need each other's libraries in opposite orders do not wait for
// each other for ever.
func TestConcurrentOpposite(t *testing.T) {
	d := testenv.NewDir(t)
	orderQuiet(d, "b")
	orderQuiet(d, "a", "-lb")
	orderQuiet(d, "b", "-la")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 50 {
				lib, err := weld.Open(d.Join("lib" + string("ab"[i%2]) + ".so"))
				if err != nil {
					t.Error(err)
					return
				}
				if err := lib.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// orderQuiet makes a library with a constructor that says nothing.
func orderQuiet(d *testenv.Dir, name string, flags ...string) {
	src := d.Write(name+".c", "static int n; __attribute__((constructor)) static void start(void) { n++; } int value_"+name+"(void) { return n; }\n")
	d.Shared("lib"+name+".so", append([]string{src, "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN"}, flags...)...)
}
