package rtld

import (
	"errors"
	"os"
	"sync"
	"testing"

	"weld/internal/testenv"
	"weld/native"
)

// However often a library is opened while it stays, its references are looked up in the same lists.
func TestScopesDoNotGrow(t *testing.T) {
	d := testenv.NewDir(t)
	lib(d, "dep", "int dep(void) { return 1; }\n")
	a := mustOpen(t, lib(d, "a", "int dep(void);\nint a(void) { return dep(); }\n", "-ldep"), 0)
	b := mustOpen(t, lib(d, "b", "int dep(void);\nint b(void) { return dep(); }\n", "-ldep"), 0)
	dep := a.deps[0]
	before := len(*dep.scopes.Load())
	for range 10 {
		mustClose(t, mustOpen(t, b.Path, Global))
	}
	if n := len(*dep.scopes.Load()); n != before || n != 2 {
		t.Errorf("%d scopes, %d before", n, before)
	}
	mustClose(t, a)
	if n := len(*dep.scopes.Load()); n != 1 {
		t.Errorf("%d scopes are left, want that of libb", n)
	}
	mustClose(t, b)
}

func TestNoLoad(t *testing.T) {
	d := testenv.NewDir(t)
	path := lib(d, "here", "int here(void) { return 1; }\n")
	os.Symlink("libhere.so", d.Join("liblink.so"))
	asks := mustOpen(t, lib(d, "asks", `
#include <dlfcn.h>
int asks(const char *name) { void *h = dlopen(name, RTLD_LAZY | RTLD_NOLOAD); return h ? dlclose(h) == 0 : 0; }
`), 0)
	defer mustClose(t, asks)
	ask := func(name string) uintptr {
		p, err := native.NewString(name)
		if err != nil {
			t.Fatal(err)
		}
		defer native.FreeString(p, name)
		return call(t, asks, "asks", p)
	}
	if ask("liblink.so") != 0 {
		t.Error("found before it is loaded")
	}
	o := mustOpen(t, path, 0)
	if ask("liblink.so") != 1 || ask(d.Join("liblink.so")) != 1 {
		t.Error("not found by the name of a link to it")
	}
	mustClose(t, o)
	// What belongs to the C library is not loaded either.
	for _, name := range []string{"libBrokenLocale.so.1", "libnsl.so.1"} {
		n := len(linker.system)
		if _, err := Default.Open(Source{Name: name}, NoLoad, nil); !errors.Is(err, ErrNotFound) || len(linker.system) != n {
			t.Errorf("%s: %v; %d more system objects", name, err, len(linker.system)-n)
		}
	}
}

func TestCovering(t *testing.T) {
	d := testenv.NewDir(t)
	o := mustOpen(t, lib(d, "cover", `
asm(".globl outer, inner, inner2, after\n.text\n.type outer,@function\n.type inner,@function\n.type inner2,@function\n"
".type after,@function\n.p2align 8\nouter: .skip 16\ninner: .skip 8\ninner2: .skip 8\n.skip 32\n.size outer,64\n.size inner,8\n"
".size inner2,4\n.skip 64\nafter: ret\n.size after,0\n.globl number\nnumber = 77\n");
int data[4];
`), 0)
	outer, after := symbol(t, o, "outer"), symbol(t, o, "after")
	for _, c := range []struct {
		pc   uintptr
		want string
	}{
		{outer, "outer"}, {outer + 15, "outer"}, {outer + 16, "inner"}, {outer + 23, "inner"}, {outer + 24, "inner2"},
		{outer + 28, "outer"}, {outer + 63, "outer"}, {outer + 64, ""}, {after, "after"},
		{symbol(t, o, "data") + 9, "data"}, {o.Mapping.Bias + 77, ""}, {o.Mapping.Bias, ""}, {o.Mapping.Bias - 1, ""},
	} {
		name, addr := o.Covering(c.pc)
		if name != c.want || name != "" && addr != symbol(t, o, name) {
			t.Errorf("outer%+#x is in %q at %#x, want %q", int(c.pc-outer), name, addr, c.want)
		}
	}
	if p, ok := Locate(outer + 3); !ok || p.Object != o || p.Symbol != "outer" || p.FileOffset == 0 {
		t.Errorf("%+v %v", p, ok)
	}
	mustClose(t, o)
	if p, ok := Locate(outer + 3); ok {
		t.Errorf("after the close: %+v", p)
	}
}

// A namespace that is closed while a library in it is initialised goes when that is over.
func TestCloseWhileInitialising(t *testing.T) {
	d := testenv.NewDir(t)
	lib(d, "hook", hookSource)
	user := lib(d, "user", "void call_hook(void);\n__attribute__((constructor)) static void start(void) { call_hook(); }\n", "-lhook")
	before := stateOf(t, d.Path)
	ns := NewNamespace(Config{})
	hook, err := ns.Open(Source{Name: d.Join("libhook.so")}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	setHook(t, hook, func() {
		if err := ns.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := ns.Open(Source{Name: user}, 0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("open: %v", err)
	}
	if err := hook.Close(); err != ErrClosed {
		t.Errorf("close of a library of a namespace that is closed: %v", err)
	}
	before.check(t, d.Path)
	if spaceByID(ns.ID) == ns {
		t.Error("the namespace is still listed")
	}
}

// Two initialisers that open each other's library, in two goroutines, both end.
func TestOppositeInitialisers(t *testing.T) {
	d := testenv.NewDir(t)
	hooks := map[string]*Object{}
	for _, n := range []string{"x", "y"} {
		hooks[n] = mustOpen(t, lib(d, "hook"+n, hookSource), 0)
		defer mustClose(t, hooks[n])
	}
	source := "void call_hook(void);\n__attribute__((constructor)) static void start(void) { call_hook(); }\n"
	x, y := lib(d, "x", source, "-lhookx"), lib(d, "y", source, "-lhooky")
	before := stateOf(t, d.Path)
	for range 20 {
		var both sync.WaitGroup
		both.Add(2)
		other := func(path string) func() {
			return func() {
				both.Done()
				both.Wait()
				mustClose(t, mustOpen(t, path, 0))
			}
		}
		setHook(t, hooks["x"], other(y))
		setHook(t, hooks["y"], other(x))
		within(t, testenv.Patience, func() {
			var wg sync.WaitGroup
			for _, path := range []string{x, y} {
				wg.Go(func() { mustClose(t, mustOpen(t, path, 0)) })
			}
			wg.Wait()
		})
	}
	before.check(t, d.Path)
}

// What a library needs stays while its finaliser runs, whoever closes it meanwhile.
func TestCloseWhileFinalising(t *testing.T) {
	d := testenv.NewDir(t)
	hook := mustOpen(t, lib(d, "hook", hookSource), 0)
	defer mustClose(t, hook)
	below := lib(d, "below", "int n = 4;\nint below(void) { return n; }\n__attribute__((destructor)) static void end(void) { n = 0; }\n")
	user := lib(d, "user", `
void call_hook(void); int below(void);
int seen;
__attribute__((destructor)) static void end(void) { call_hook(); seen = below(); }
`, "-lhook", "-lbelow")
	before := stateOf(t, d.Path)
	b, o := mustOpen(t, below, 0), mustOpen(t, user, 0)
	seen := symbol(t, o, "seen")
	o.AtClose(func() {
		if n := *(*int32)(native.Pointer(seen)); n != 4 {
			t.Errorf("below() = %d in the finaliser of what needs it", n)
		}
	})
	setHook(t, hook, func() {
		within(t, testenv.Patience, func() { mustClose(t, b) })
	})
	mustClose(t, o)
	before.check(t, d.Path)
}

// A namespace that loaded code makes goes with the last library in it.
func TestDlmopen(t *testing.T) {
	d := testenv.NewDir(t)
	lib(d, "plug", "int plug(void) { return 6; }\n")
	asks := mustOpen(t, lib(d, "asks", `
#define _GNU_SOURCE
#include <dlfcn.h>
int apart(void) {
	void *h = dlmopen(LM_ID_NEWLM, "libplug.so", RTLD_NOW);
	if (!h) return -1;
	Lmid_t id = 0;
	dlinfo(h, RTLD_DI_LMID, &id);
	void *again = dlmopen(id, "libplug.so", RTLD_NOW | RTLD_NOLOAD);
	int (*f)(void) = (int (*)(void))dlsym(h, "plug");
	int v = f ? f() : -2;
	if (id == 0 || again != h) v = -3;
	return dlclose(h) || dlclose(again) ? -4 : v;
}
int none(void) { return !dlmopen(LM_ID_NEWLM, "libnone.so", RTLD_NOW) && !dlmopen(LM_ID_NEWLM, 0, RTLD_NOW); }
int self(void) { return dlopen(0, RTLD_LAZY) == dlopen("", RTLD_LAZY); }
int next(void) { return dlsym(RTLD_NEXT, "malloc") != 0; }
`), Global)
	defer mustClose(t, asks)
	n := len(linker.spaces)
	for range 5 {
		if v := int32(call(t, asks, "apart")); v != 6 {
			t.Errorf("in a namespace of its own: %d", v)
		}
	}
	for _, f := range []string{"none", "self", "next"} {
		if call(t, asks, f) != 1 {
			t.Errorf("%s fails", f)
		}
	}
	if len(linker.spaces) != n {
		t.Errorf("%d namespaces, %d before", len(linker.spaces), n)
	}
}

// What loaded code finds by RTLD_DEFAULT stays as long as that code.
func TestDefaultKeeps(t *testing.T) {
	d := testenv.NewDir(t)
	asks := mustOpen(t, lib(d, "asks", "#define _GNU_SOURCE\n#include <dlfcn.h>\nvoid *asks(void) { return dlsym(RTLD_DEFAULT, \"plug\"); }\n"), 0)
	plug := mustOpen(t, lib(d, "plug", "int plug(void) { return 6; }\n"), Global)
	f := call(t, asks, "asks")
	mustClose(t, plug)
	if FindObject(f) != plug || native.Call(f) != 6 {
		t.Error("what was found is gone")
	}
	mustClose(t, asks)
	if FindObject(f) != nil {
		t.Error("it stays without anybody who uses it")
	}
}
