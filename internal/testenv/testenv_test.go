package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func init() {
	Child("hello", func(args []string) { fmt.Println("hello", strings.Join(args, " ")) })
	Child("hang", func([]string) { time.Sleep(time.Hour) })
	Child("killed", func([]string) { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} })
}

func TestChild(t *testing.T) {
	r := Run(t, ChildCommand(t, "hello", "a", "b"), time.Minute)
	if string(r.Stdout) != "hello a b\n" || r.Code != 0 {
		t.Errorf("hello: %q, %v", r.Stdout, r)
	}
	if r := Run(t, ChildCommand(t, "hang"), 100*time.Millisecond); !r.TimedOut {
		t.Errorf("hang: %v", r)
	}
	if r := Run(t, ChildCommand(t, "killed"), time.Minute); r.Signal != syscall.SIGKILL || r.TimedOut {
		t.Errorf("killed: %v", r)
	}
}

func TestVersionLess(t *testing.T) {
	order := []string{"libx.so", "libx.so.1", "libx.so.2", "libx.so.10", "libx.so.10.1"}
	for i := range order {
		for j := range order {
			if got := versionLess(order[i], order[j]); got != (i < j) {
				t.Errorf("versionLess(%s, %s) = %v", order[i], order[j], got)
			}
		}
	}
}

func TestMaps(t *testing.T) {
	m, err := parseMapping("7f00-7fff r-xp 00001000 08:01 42                         /a b/libx.so (deleted)")
	want := Mapping{0x7f00, 0x7fff, "r-xp", 0x1000, 42, "/a b/libx.so (deleted)"}
	if err != nil || m != want {
		t.Errorf("parseMapping: %+v, %v", m, err)
	}
	if _, err := parseMapping("nonsense"); err == nil {
		t.Error("parseMapping accepts nonsense")
	}
	if FDs(t) < 3 || Threads(t) < 1 || len(Maps(t)) == 0 {
		t.Errorf("%d fds, %d threads, %d mappings", FDs(t), Threads(t), len(Maps(t)))
	}
}

func TestCompileCache(t *testing.T) {
	n := len(cache.fixtures)
	build := func(flags ...string) []byte {
		d := NewDir(t)
		src := d.Write("x.c", fmt.Sprintf("int f(void) { return VALUE; } int run%d;\n", n)) // as of no earlier -count
		data, err := os.ReadFile(d.Shared("libx.so", append(flags, src)...))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	one, again, two := build("-g0", "-DVALUE=1"), build("-g0", "-DVALUE=1"), build("-g0", "-DVALUE=2")
	if string(one) != string(again) || string(one) == string(two) {
		t.Error("the cache of fixtures mixes them up")
	}
	if got := len(cache.fixtures) - n; got != 2 {
		t.Errorf("%d compilations, want 2", got)
	}
}

// TestCompileParallel has parallel tests want the same fixtures, which they run right away.
func TestCompileParallel(t *testing.T) {
	n := len(cache.fixtures)
	const tests, fixtures = 8, 2
	t.Run("group", func(t *testing.T) {
		for i := range tests {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				d := NewDir(t)
				for status := range fixtures {
					src := d.Write(fmt.Sprintf("p%d.c", status), fmt.Sprintf("int main(void) { return STATUS; } int run%d;\n", n))
					prog := d.Program(fmt.Sprintf("p%d", status), "-g0", fmt.Sprintf("-DSTATUS=%d", status), src)
					if r := Run(t, exec.Command(prog), time.Minute); r.Code != status {
						t.Errorf("%v, want exit status %d", r, status)
					}
				}
			})
		}
	})
	if got := len(cache.fixtures) - n; got != fixtures {
		t.Errorf("%d compilations, want %d", got, fixtures)
	}
}
