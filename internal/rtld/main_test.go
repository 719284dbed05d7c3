package rtld

import (
	"slices"
	"strings"
	"testing"

	"weld/debug"
	"weld/internal/testenv"
	"weld/native"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// lib compiles a source to lib<name>.so in d.
func lib(d *testenv.Dir, name, src string, flags ...string) string {
	return d.Shared("lib"+name+".so", append([]string{d.Write(name+".c", src), "-Wl,--no-as-needed", "-Wl,-rpath," + d.Path}, flags...)...)
}

func mustOpen(t testing.TB, name string, flags Flags) *Object {
	t.Helper()
	o, err := Default.Open(Source{Name: name}, flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustClose(t testing.TB, o *Object) {
	t.Helper()
	if err := o.Close(); err != nil {
		t.Fatalf("close of %s: %v", o.Path, err)
	}
}

// symbol returns the address of a symbol.
func symbol(t testing.TB, o *Object, name string) uintptr {
	t.Helper()
	var s Symbol
	if err := o.Lookup(name, "", &s); err != nil {
		t.Fatal(err)
	}
	return s.Addr
}

func call(t testing.TB, o *Object, name string, args ...uintptr) uintptr {
	t.Helper()
	return native.Call(symbol(t, o, name), args...)
}

// setHook has the hook of the fixture hookSource call f.
func setHook(t testing.TB, hook *Object, f func()) {
	t.Helper()
	th, err := native.NewCallback(f)
	if err != nil {
		t.Fatal(err)
	}
	*(*uintptr)(native.Pointer(symbol(t, hook, "hook"))) = th.Addr()
	t.Cleanup(func() { th.Close() })
}

// hookSource calls Go where a fixture has no other way: in initialisers and resolvers.
const hookSource = "void (*hook)(void);\nvoid call_hook(void) { if (hook) hook(); }\n"

// state is what must be as before after an open that failed, or that was closed.
type state struct {
	maps, fds, objects, known, system int
	static                            []string
}

func stateOf(t testing.TB, dir string) (s state) {
	t.Helper()
	linker.mu.Lock()
	defer linker.mu.Unlock()
	debug.SetUpProbes(true) // which keeps a file open, as the reserve does beside a C library
	if host, _, _ := native.ProcessDebug(); host != 0 {
		if err := native.BringUp(native.Glibc, ""); err != nil {
			t.Fatal(err)
		}
	}
	if linker.plan != nil || linker.mu.depth != 0 || len(linker.dying) > 0 || len(linker.waits) > 0 || len(linker.collects) > 0 {
		t.Errorf("the linker is not at rest: plan %v, depth %d, dying %d, waits %d, collects %d", linker.plan,
			linker.mu.depth, len(linker.dying), len(linker.waits), len(linker.collects))
	}
	for _, m := range testenv.Maps(t) {
		if strings.HasPrefix(m.Path, dir) {
			s.maps++
		}
	}
	s.fds = testenv.FDs(t)
	s.objects = len(Default.objects)
	s.known = len(linker.byMap) - len(linker.system)
	if n := len(linker.known.Load().byAddr); n != len(linker.byMap) {
		t.Errorf("%d objects are known, %d are mapped", n, len(linker.byMap))
	}
	for _, o := range Default.objects {
		// Everything that failed opens could have changed in it.
		s.static = append(s.static, o.Path+":"+strings.Join(o.names, ",")+":"+paths(o.reldeps)+":"+strings.Repeat("s", len(*o.scopes.Load()))+
			strings.Repeat("o", o.opens)+strings.Repeat("b", o.busy)+map[bool]string{true: "p"}[o.pinned])
	}
	for name := range Default.unique {
		s.static = append(s.static, name)
	}
	slices.Sort(s.static)
	for _, o := range *Default.global.Load() {
		if !o.System { // the first open of a test may bring those
			s.static = append(s.static, o.Path)
		}
	}
	tlsPairs.mu.Lock()
	s.system = len(tlsPairs.of)
	tlsPairs.mu.Unlock()
	return s
}

func (s state) check(t testing.TB, dir string) {
	t.Helper()
	now := stateOf(t, dir)
	if now.maps != s.maps || now.fds != s.fds || now.objects != s.objects || now.known != s.known || now.system != s.system ||
		!slices.Equal(now.static, s.static) {
		t.Errorf("not as before:\n%+v\n%+v", s, now)
	}
}
