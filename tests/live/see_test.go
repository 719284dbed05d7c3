package live_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weld"
	"weld/internal/testenv"
	"weld/live"
	"weld/native"
)

// generated is an object whose symbols libraries of the namespace see.
func generated(t *testing.T, ns *weld.Namespace) (o *live.Object, gen *live.Block) {
	o = newObject(t, ns, live.Options{Global: true})
	gen = emit(t, o, "gen", returns(41))
	v, err := o.Alloc(4, 4, live.Data)
	check(t, err)
	check(t, v.Write(0, []byte{7, 0, 0, 0}))
	check(t, o.Bind("gen_value", v))
	check(t, o.Commit())
	return o, gen
}

// Native code finds generated code in all ways in which it finds libraries.
func TestNativeSees(t *testing.T) {
	for _, memory := range []bool{false, true} {
		d := testenv.NewDir(t)
		path := d.Shared("liblook.so", "look.c", "-O1", "-g")
		o := newObject(t, nil, live.Options{Global: true, Memory: memory})
		gen := emit(t, o, "gen", returns(41))
		v, err := o.Alloc(4, 4, live.Data)
		check(t, err)
		check(t, v.Write(0, []byte{7, 0, 0, 0}))
		check(t, o.Bind("gen_value", v))
		check(t, o.Commit())

		lib := open(t, nil, path)
		same(t, "by the PLT", function[func() int32](t, lib, "call_gen")(), 42)
		same(t, "by a pointer", function[func() int32](t, lib, "call_pointer")(), 42)
		same(t, "a variable", function[func() int32](t, lib, "read_value")(), 7)
		same(t, "a weak reference", function[func() int32](t, lib, "has_other")(), 0)

		// What comes after the library was opened.
		for i := range 1000 {
			emit(t, o, "many_"+string(rune('a'+i%26))+string(rune('a'+i/26)), returns(i))
		}
		late := emit(t, o, "late", returns(43))
		check(t, o.Bind("late", late, live.Version("V1")))
		emit(t, o, "late", returns(40), live.OldVersion("V0"))
		emit(t, o, "hidden", returns(1), live.Hidden)
		check(t, o.Commit())

		byDefault := function[func(string) int32](t, lib, "by_default")
		same(t, "RTLD_DEFAULT", byDefault("late"), 43)
		same(t, "RTLD_DEFAULT of nothing", byDefault("never"), -1)
		same(t, "RTLD_DEFAULT of what is hidden", byDefault("hidden"), -1)
		byHandle := function[func(uintptr, string, string) int32](t, lib, "by_handle")
		pc := gen.Addr() + 4
		same(t, "dlsym", byHandle(pc, "late", ""), 43)
		same(t, "dlvsym", byHandle(pc, "late", "V0"), 40)
		same(t, "dlvsym of no version that there is", byHandle(pc, "gen", "V9"), -1)
		same(t, "RTLD_NEXT", function[func(string) int32](t, lib, "by_next")("late"), -1)

		describe := function[func(uintptr) string](t, lib, "describe")
		contains(t, describe(pc), "gen at 4 of size 11 in ", o.Path()[1:5])
		contains(t, describe(late.Addr()), "late at 0 of size 11 in ")
		same(t, "dl_iterate_phdr", function[func(uintptr) int32](t, lib, "iterate")(late.Addr()), 1)
		same(t, "_dl_find_object", function[func(uintptr) int32](t, lib, "find_object")(late.Addr()), 1)
		check(t, lib.Close())
		check(t, o.Close())
		if _, ok := weld.FindAddr(pc); ok {
			t.Error("a closed object is found by address")
		}
	}
}

// Go code does too, and the object is in the list of libraries.
func TestGoSees(t *testing.T) {
	for _, in := range []string{"default", "own"} {
		t.Run(in, func(t *testing.T) {
			var ns *weld.Namespace
			libraries := weld.Libraries
			if in == "own" {
				var err error
				ns, err = weld.NewNamespace(weld.Config{})
				check(t, err)
				libraries = ns.Libraries
			}
			o, gen := generated(t, ns)
			lib := o.Library()
			if !slices.Contains(libraries(), lib) || lib.Path != o.Path() || lib.Base != o.Base() || lib.Soname != "jit" {
				t.Errorf("%+v is not in the list, or not as it should be", lib)
			}
			s, err := lib.Lookup("gen")
			check(t, err)
			same(t, "Lookup", s, weld.Symbol{Name: "gen", Addr: gen.Addr(), Size: 11, Type: s.Type})
			if _, err := lib.Lookup("nothing"); !errors.Is(err, weld.ErrNotFound) {
				t.Error(err)
			}
			n := 0
			for range lib.Symbols() {
				n++
			}
			same(t, "symbols", n, 2)
			at, ok := weld.FindAddr(gen.Addr() + 3)
			if !ok || at.Library != lib || at.Symbol != "gen" || at.Offset != 3 || at.FileOffset == 0 {
				t.Errorf("FindAddr: %+v, %v", at, ok)
			}
			again, err := func() (*weld.Library, error) {
				if ns != nil {
					return ns.Open(o.Path())
				}
				return weld.Open(o.Path())
			}()
			check(t, err)
			same(t, "opened by its path", again, lib)
			if err := o.Close(); !errors.Is(err, live.ErrInUse) {
				t.Errorf("closed while it is open: %v", err)
			}
			check(t, again.Close())
			if err := again.Close(); err != weld.ErrClosed {
				t.Error(err)
			}
			if ns != nil {
				check(t, ns.Close())
				same(t, "after its namespace is closed", function[func() int32](t, lib, "gen")(), 41)
			}
			f := function[func() int32](t, lib, "gen", weld.Leaf)
			same(t, "a call", f(), 41)
			check(t, o.Close())
			defer func() {
				if r := recover(); r != weld.ErrClosed {
					t.Errorf("a call of what is closed: %v", r)
				}
			}()
			f()
		})
	}
}

// A library that is there before the object is, and before the function in it, is bound to it by its first call.
func TestBoundLater(t *testing.T) {
	d := testenv.NewDir(t)
	source := d.Write("later.c", "int later(void);\nint never(void);\nint call_later(int no) { return (no ? never() : later()) + 1; }\n")
	lib := open(t, nil, d.Shared("liblater.so", source, "-O1", "-Wl,-z,lazy", "-fplt"), weld.Lazy)
	call := function[func(int32) int32](t, lib, "call_later")
	o := newObject(t, nil, live.Options{Global: true})
	for i := range 600 { // a table is made anew
		emit(t, o, fmt.Sprint("filler", i), returns(i))
	}
	check(t, o.Commit())
	b := emit(t, o, "later", returns(41))
	check(t, o.Commit())
	same(t, "the first call", call(0), 42)
	check(t, o.Bind("later", emit(t, o, "second", returns(50)), live.Replace))
	check(t, o.Commit())
	same(t, "replaced", call(0), 51)
	check(t, b.Free())
	check(t, o.Commit())
	check(t, lib.Close())
	check(t, o.Close())
}

// Generated code asks for the next definition of its own name, and gets that of a library that the object needs. As with dlopen,
// what others have opened does not come next.
func TestNext(t *testing.T) {
	lib := open(t, nil, testenv.NewDir(t).Shared("libthrow.so", "throw.cc"))
	emit(t, newObject(t, nil, live.Options{Global: true}), "thrower", returns(1))
	for _, needs := range [][]*weld.Library{nil, {lib}} {
		o := newObject(t, nil, live.Options{Global: true, Needs: needs})
		m, err := o.Import("dlsym")
		check(t, err)
		name, err := o.Alloc(len("thrower")+1, 1, live.ROData)
		check(t, err)
		check(t, name.Write(0, []byte("thrower\x00")))
		code := []byte{
			0x55,             // push %rbp
			0x48, 0x89, 0xe5, // mov %rsp, %rbp
			0x48, 0xc7, 0xc7, 0xff, 0xff, 0xff, 0xff, // mov $-1, %rdi: RTLD_NEXT
			0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, // movabs $name, %rsi
			0xe8, 0, 0, 0, 0, // call dlsym
			0x5d, // pop %rbp
			0xc3, // ret
		}
		b, err := o.Alloc(len(code), 16, live.Text)
		check(t, err)
		binary.LittleEndian.PutUint64(code[13:], uint64(name.Addr()))
		binary.LittleEndian.PutUint32(code[22:], uint32(m.PLT()-(b.Addr()+26)))
		check(t, b.Write(0, code))
		check(t, o.Bind("thrower", b))
		check(t, o.Commit())
		var want weld.Symbol
		if needs != nil {
			want, err = lib.Lookup("thrower")
			check(t, err)
		}
		same(t, "next", function[func() uintptr](t, o.Library(), "thrower")(), want.Addr)
	}
}

// A library that names the object as needed finds it by its soname, and keeps it.
func TestNeeded(t *testing.T) {
	d := testenv.NewDir(t)
	o := newObject(t, nil, live.Options{})
	emit(t, o, "gen", returns(41))
	check(t, o.Bind("gen_value", emit(t, o, "code", returns(1)), live.Label))
	check(t, o.Save(d.Join("jit")))
	lib := open(t, nil, d.Shared("liblook.so", "look.c", "-O1", "-fno-plt", "-Wl,-z,now", d.Join("jit")))
	same(t, "a call", function[func() int32](t, lib, "call_gen")(), 42)
	same(t, "what it needs", lib.Needed()[0], o.Library())
	if err := o.Close(); !errors.Is(err, live.ErrInUse) {
		t.Errorf("closed while a library needs it: %v", err)
	}
	check(t, lib.Close())
	check(t, o.Close())
}

// Exceptions pass through generated frames, backtrace lists them, and a Go panic goes back through.
func TestUnwind(t *testing.T) {
	d := testenv.NewDir(t)
	generated(t, nil)
	look := open(t, nil, d.Shared("liblook.so", "look.c", "-O1"))
	frames, err := look.Lookup("frames")
	check(t, err)
	lib := open(t, nil, d.Shared("libthrow.so", "throw.cc"))
	o := newObject(t, nil, live.Options{Needs: []*weld.Library{lib}})
	for i := range 600 { // .eh_frame_hdr and the program headers move
		emit(t, o, "filler"+string(rune('0'+i%10))+string(rune('0'+i/10%10))+string(rune('0'+i/100)), returns(i))
		if i%50 == 0 {
			check(t, o.Commit())
		}
	}
	b := emit(t, o, "apply", apply)
	check(t, o.Commit())
	nest := function[func(f, arg uintptr) string](t, o.Library(), "apply")
	contains(t, nest(frames.Addr, 0), "(frames+", "(apply+0xc)")
	catcher := function[func(uintptr, int32) int32](t, lib, "catcher")
	same(t, "no exception", catcher(b.Addr(), 5), 5)
	same(t, "an exception", catcher(b.Addr(), -5), 105)

	run := function[func(*weld.Callback, int64) int64](t, o.Library(), "apply")
	cb, err := weld.NewCallback(func(n int64) int64 {
		if n == 0 {
			panic("through")
		}
		return n + 1
	})
	check(t, err)
	defer cb.Close()
	same(t, "a callback", run(cb, 41), 42)
	func() {
		defer func() { same(t, "a panic", recover(), any("through")) }()
		run(cb, 0)
	}()

}

// Generated code calls others by way of its PLT, which debuggers know.
func TestImport(t *testing.T) {
	d := testenv.NewDir(t)
	lib := open(t, nil, d.Shared("libthrow.so", "throw.cc"))
	o := newObject(t, nil, live.Options{Needs: []*weld.Library{lib}})
	m, err := o.Import("thrower")
	check(t, err)
	again, err := o.Import("thrower")
	check(t, err)
	same(t, "the same import", again, m)
	at, err := o.Alloc(11, 16, live.Text)
	check(t, err)
	check(t, at.Write(0, calls(at.Addr(), m.PLT())))
	check(t, o.Bind("call_thrower", at))
	check(t, o.Commit())
	same(t, "an import", function[func(int32) int32](t, o.Library(), "call_thrower")(17), 17)
	want, err := lib.Lookup("thrower")
	check(t, err)
	same(t, "its slot", *(*uintptr)(native.Pointer(m.Slot())), want.Addr)
	loc, _ := weld.FindAddr(m.PLT() + 4)
	same(t, "its stub", loc.Symbol, "thrower@plt")

	if _, err := o.Import("nowhere", live.Weak); err != nil {
		t.Error(err)
	}
	check(t, o.Commit())
	if _, err := o.Import("missing"); err != nil {
		t.Error(err)
	}
	var missing *weld.UndefinedError
	if err := o.Commit(); !errors.Is(err, live.ErrUndefined) || !errors.As(err, &missing) || len(missing.Symbols) != 1 {
		t.Errorf("an import that nothing defines: %v", err)
	}
	emit(t, o, "missing", returns(1))
	check(t, o.Commit())
}

// What a library defines itself is interposed by an object that all see, not by one that is asked only, nor where the library
// does not let it be.
func TestInterposes(t *testing.T) {
	d := testenv.NewDir(t)
	source := d.Write("own.c", "int gen(void) { return 1; }\nint call_gen(void) { return gen(); }\nint (*pointer)(void) = gen;\nint call_pointer(void) { return pointer(); }\n")
	for i, c := range []struct {
		global bool
		flags  []string
		want   int32
	}{{true, nil, 2}, {false, nil, 1}, {true, []string{"-Wl,-Bsymbolic"}, 1}} {
		o := newObject(t, nil, live.Options{Global: c.global})
		emit(t, o, "gen", returns(2))
		check(t, o.Commit())
		lib := open(t, nil, d.Shared(fmt.Sprintf("libown%d.so", i), append([]string{source, "-O1", "-fno-inline", "-fsemantic-interposition"}, c.flags...)...))
		same(t, "a call", function[func() int32](t, lib, "call_gen")(), c.want)
		same(t, "by a pointer", function[func() int32](t, lib, "call_pointer")(), c.want)
		if c.want == 2 {
			check(t, o.Bind("gen", emit(t, o, "other", returns(3)), live.Replace))
			check(t, o.Commit())
			same(t, "a call, replaced", function[func() int32](t, lib, "call_gen")(), 3)
			same(t, "by a pointer, replaced", function[func() int32](t, lib, "call_pointer")(), 3)
		}
		check(t, lib.Close())
		check(t, o.Close())
	}
}

// An import leads to what all see, and to the object's own symbol of that name if that is protected, also once it is replaced.
func TestProtected(t *testing.T) {
	d := testenv.NewDir(t)
	lib := open(t, nil, d.Shared("libown.so", d.Write("own.c", "int gen(void) { return 1; }\n")), weld.Global)
	for _, c := range []struct {
		opt  live.BindOption
		want int32
	}{{live.Function, 1}, {live.Protected, 2}} {
		o := newObject(t, nil, live.Options{})
		emit(t, o, "gen", returns(2), c.opt)
		m, err := o.Import("gen")
		check(t, err)
		b, err := o.Alloc(11, 16, live.Text)
		check(t, err)
		check(t, b.Write(0, calls(b.Addr(), m.PLT())))
		check(t, o.Bind("call_gen", b))
		check(t, o.Commit())
		call := function[func() int32](t, o.Library(), "call_gen")
		same(t, "an import", call(), c.want)
		emit(t, o, "gen", returns(3), c.opt, live.Replace)
		check(t, o.Commit())
		same(t, "an import, replaced", call(), 2*c.want-1)
		check(t, o.Close())
	}
	check(t, lib.Close())
}

// An object near a library has its code reach that of the library by a direct call.
func TestReaches(t *testing.T) {
	lib := open(t, nil, testenv.NewDir(t).Shared("libthrow.so", "throw.cc"))
	there, err := lib.Lookup("thrower")
	check(t, err)
	o := newObject(t, nil, live.Options{Near: there.Addr})
	b, err := o.Alloc(11, 16, live.Text)
	check(t, err)
	check(t, b.Write(0, calls(b.Addr(), there.Addr)))
	check(t, o.Bind("direct", b))
	check(t, o.Commit())
	same(t, "a direct call", function[func(int32) int32](t, o.Library(), "direct")(17), 17)
	for _, at := range []uintptr{o.Base(), o.Base() + o.Size()} {
		if d := int64(at - there.Addr); d != int64(int32(d)) {
			t.Errorf("%#x is not within 2 GiB of %#x", at, there.Addr)
		}
	}
}

// A copy of the file has its imports bound where it is opened, by weld and by the system's run-time linker.
func TestKeptImports(t *testing.T) {
	d := testenv.NewDir(t)
	lib := open(t, nil, d.Shared("libthrow.so", "throw.cc"))
	o := newObject(t, nil, live.Options{Needs: []*weld.Library{lib}})
	m, err := o.Import("thrower")
	check(t, err)
	at, err := o.Alloc(11, 16, live.Text)
	check(t, err)
	check(t, at.Write(0, calls(at.Addr(), m.PLT())))
	check(t, o.Bind("call_thrower", at))
	check(t, o.Commit())
	for i := range 700 { // one table after the other
		emit(t, o, fmt.Sprint("filler", i), returns(i))
		if i%100 == 0 {
			weak, err := o.Import(fmt.Sprint("nothing", i), live.Weak)
			check(t, err)
			check(t, o.Commit())
			same(t, "a weak one", *(*uintptr)(native.Pointer(weak.Slot())), 0)
		}
	}
	check(t, o.Commit())
	kept := d.Join("libkept.so")
	check(t, o.Save(kept))
	other, err := weld.NewNamespace(weld.Config{Path: []string{d.Path}})
	check(t, err)
	defer other.Close()
	same(t, "in another namespace", function[func(int32) int32](t, open(t, other, kept), "call_thrower")(18), 18)

	program := d.Program("keeper", d.Write("keeper.c", `
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW);
	int (*f)(int) = h ? (int (*)(int))dlsym(h, "call_thrower") : 0;
	printf("%d %s", f ? f(19) : -1, f ? "" : dlerror());
	return 0;
}
`), "-ldl")
	cmd := exec.Command(program, kept)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+d.Path)
	out, err := cmd.CombinedOutput()
	check(t, err)
	same(t, "in another process", string(out), "19 ")
	listed, err := exec.Command("readelf", "-W", "-r", "-d", "-s", kept).CombinedOutput()
	check(t, err)
	contains(t, string(listed), "(NEEDED)             Shared library: [libthrow.so]", "R_X86_64_GLOB_DAT", "thrower + 0", "NOTYPE  GLOBAL DEFAULT  UND thrower")
	if strings.Contains(string(listed), "arning") {
		t.Errorf("readelf: %s", listed)
	}
}

// A library that is opened again and again is bound to what the object defines at that time, though neither its file nor
// the objects that it looks in are others.
func TestOpenedAgain(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("liblook.so", "look.c", "-O1")
	weak := d.Shared("libweak.so", d.Write("weak.c", "extern int other(void) __attribute__((weak));\nint has_other(void) { return other != 0; }\n"))
	o := newObject(t, nil, live.Options{Global: true})
	gen := emit(t, o, "gen", returns(0))
	check(t, o.Bind("gen_value", emit(t, o, "code", returns(0)), live.Label))
	check(t, o.Commit())
	var other *live.Block
	for i := range 12 {
		lib := open(t, nil, path, weld.Now)
		same(t, "by the PLT", function[func() int32](t, lib, "call_gen")(), int32(i)+1)
		same(t, "by a pointer", function[func() int32](t, lib, "call_pointer")(), int32(i)+1)
		check(t, lib.Close())
		lib = open(t, nil, weak, weld.Now)
		same(t, "a weak reference", function[func() int32](t, lib, "has_other")() != 0, other != nil)
		check(t, lib.Close())
		if i%4 == 3 {
			if other == nil {
				other = emit(t, o, "other", returns(1))
			} else {
				check(t, other.Free())
				other = nil
			}
		}
		old := gen
		gen, _ = o.Alloc(11, 16, live.Text)
		check(t, gen.Write(0, returns(i+1)))
		check(t, o.Bind("gen", gen, live.Replace))
		check(t, o.Commit())
		check(t, old.Free())
	}
	check(t, o.Close())
}
