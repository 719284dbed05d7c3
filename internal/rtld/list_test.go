package rtld

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"weld/debug"
	"weld/internal/testenv"
	"weld/native"
)

// ownMemory is the memory of this process.
type ownMemory struct{}

func (ownMemory) ReadAt(b []byte, at int64) (int, error) {
	return copy(b, native.Bytes(uintptr(at), uintptr(len(b)))), nil
}

// listed returns the names in the debuggers' lists, which are to be at rest.
func listed() (string, error) {
	spaces, err := debug.ReadNamespaces(ownMemory{}, uint64(Default.rendezvous().Addr()))
	if err != nil {
		return "", err
	}
	var names []string
	for _, n := range spaces {
		if n.State != debug.Consistent {
			return "", fmt.Errorf("r_state of namespace %d is %d", n.ID, n.State)
		}
		for _, o := range n.Objects {
			names = append(names, o.Name)
		}
	}
	return strings.Join(names, " "), nil
}

// However an open fails, debuggers find the list as it was before, at rest.
func TestListAfterFailures(t *testing.T) {
	d := testenv.NewDir(t)
	hook := mustOpen(t, lib(d, "hook", hookSource), Global)
	defer mustClose(t, hook)
	lib(d, "a", "int a;")
	gone := lib(d, "gone", "int gone;")
	needs := lib(d, "needs", "extern int a, gone;\nint u(void) { return a + gone; }\n", "-L"+d.Path, "-la", "-lgone")
	os.Remove(gone)
	undefined := lib(d, "undefined", "int nope(void);\nint u(void) { return nope(); }\n", "-L"+d.Path, "-la", "-Wl,--unresolved-symbols=ignore-all")
	resolver := lib(d, "resolver", resolverSource, "-lhook")
	starter := lib(d, "starter", "void call_hook(void);\n__attribute__((constructor)) static void start(void) { call_hook(); }\n", "-lhook")
	plug := lib(d, "plug", "int plug;")
	ns := NewNamespace(Config{})
	defer ns.Close()
	want, err := listed()
	if err != nil || !strings.Contains(want, "libhook.so") {
		t.Fatalf("%q, %v", want, err)
	}
	check := func(when string) {
		t.Helper()
		if got, err := listed(); got != want || err != nil {
			t.Errorf("%s: %v\n%s\nwant\n%s", when, err, got, want)
		}
	}
	for _, name := range []string{"/no/such/file", "libnone.so", "/etc/passwd", needs, undefined} {
		for _, s := range []*Namespace{Default, ns} {
			if _, err := s.Open(Source{Name: name}, Now, nil); err == nil {
				t.Errorf("%s is opened", name)
			}
			check(name)
		}
	}
	for name, f := range map[string]func(){
		"panic":               func() { panic("on purpose") },
		"nested open":         func() { mustClose(t, mustOpen(t, plug, 0)) },
		"nested failure":      func() { Default.Open(Source{Name: undefined}, Now, nil); panic("on purpose") },
		"nested in namespace": func() { ns.Open(Source{Name: undefined}, Now, nil); panic("on purpose") },
	} {
		setHook(t, hook, f)
		for _, user := range []string{resolver, starter} {
			within(t, testenv.Patience, func() {
				defer func() { recover() }()
				mustClose(t, mustOpen(t, user, Now))
			})
			check(name)
		}
	}
}

func init() {
	testenv.Child("system file", func([]string) {
		o, err := Default.Open(Source{Name: "libgcc_s.so.1"}, Now, nil)
		if err == nil {
			var list string
			if list, err = listed(); err == nil {
				fmt.Print(o.System, " ", strings.Contains(list, "/libgcc_s.so.1"), " ", strings.Contains(list, "/libc.so.6"))
				return
			}
		}
		fmt.Print(err)
	})
}

// A file is mapped before it is known for one that the system's run-time linker has to load: then nothing new is left.
func TestSystemFileFirst(t *testing.T) {
	r := testenv.Run(t, testenv.ChildCommand(t, "system file"), testenv.Patience)
	_, _, adopted := native.Libc()
	want := fmt.Sprint("true ", !adopted, " ", !adopted) // else they are in the list of the system's
	if r.Code != 0 || string(r.Stdout) != want {
		t.Errorf("%v, %q, want %q\n%s", r, r.Stdout, want, r.Stderr)
	}
}

// Each namespace maps ld.so.cache, and gives it back.
func TestNamespacesGiveCacheBack(t *testing.T) {
	maps := func() (n int) {
		for _, m := range testenv.Maps(t) {
			if strings.HasSuffix(m.Path, "/ld.so.cache") {
				n++
			}
		}
		return n
	}
	before := maps()
	for range 5 {
		ns := NewNamespace(Config{})
		if _, err := ns.Open(Source{Name: "libnone.so.77"}, 0, nil); err == nil {
			t.Fatal("there is a libnone.so.77")
		}
		ns.Close()
	}
	if n := maps(); n > before {
		t.Errorf("ld.so.cache is mapped %d times, before it was %d", n, before)
	}
}
