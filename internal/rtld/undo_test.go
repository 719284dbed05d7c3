package rtld

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/native"
)

// A failed open leaves nothing: no mapping, no descriptor, no module of thread-local storage, nothing in the objects
// that were there before.
func TestFailedOpenLeavesNothing(t *testing.T) {
	d := testenv.NewDir(t)
	old := mustOpen(t, lib(d, "old", "int old(void) { return 1; }\nint other(void);\nint lazily(void) { return other(); }\n"), 0)
	defer mustClose(t, old)
	lib(d, "dep", "__thread int v[20] = {1};\nint *dep(void) { return v; }\nint other(void) { return 7; }\n", "-mtls-dialect=gnu2")
	lib(d, "unique", `
int value;
asm(".type value, @gnu_unique_object");
`)
	os.Symlink("libold.so", d.Join("libalias.so"))
	bad := lib(d, "bad", `
int *dep(void); int old(void); int not_there(void);
extern int value;
int bad(void) { return *dep() + old() + not_there() + value; }
`, "-L"+d.Path, "-ldep", "-l:libalias.so", "-lunique", "-Wl,--unresolved-symbols=ignore-all", "-Wl,-z,now")
	before := stateOf(t, d.Path)
	for range 3 {
		_, err := Default.Open(Source{Name: bad}, Now, nil)
		var u *UndefinedError
		if !errors.As(err, &u) || len(u.Symbols) != 1 || u.Symbols[0].Name != "not_there" {
			t.Fatalf("%v", err)
		}
		before.check(t, d.Path)
	}
	// The older library does not see what failed.
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(error).Error(), "other") {
			t.Errorf("call of a function that nothing defines: %v", r)
		}
	}()
	call(t, old, "lazily")
}

// interrupted runs f, which is to end by a panic or by ending its goroutine.
func interrupted(t *testing.T, f func()) {
	t.Helper()
	within(t, testenv.Patience, func() {
		defer func() { recover() }()
		f()
		t.Error("it was not interrupted")
	})
}

func TestInterruptedInitialiser(t *testing.T) {
	d := testenv.NewDir(t)
	hook := mustOpen(t, lib(d, "hook", hookSource), Global)
	defer mustClose(t, hook)
	lib(d, "below", "int below;\n__attribute__((constructor)) static void start(void) { below = 1; }\n")
	user := lib(d, "user", `
void call_hook(void);
__attribute__((constructor)) static void start(void) { call_hook(); }
`, "-lhook", "-lbelow")
	before := stateOf(t, d.Path)
	for name, f := range map[string]func(){"panic": func() { panic("on purpose") }, "Goexit": runtime.Goexit} {
		setHook(t, hook, f)
		interrupted(t, func() { Default.Open(Source{Name: user}, Global, nil) })
		t.Log(name)
		before.check(t, d.Path)
	}
	setHook(t, hook, func() {})
	within(t, testenv.Patience, func() { mustClose(t, mustOpen(t, user, 0)) })
	before.check(t, d.Path)
}

func TestInterruptedFinaliser(t *testing.T) {
	d := testenv.NewDir(t)
	hook := mustOpen(t, lib(d, "hook", hookSource+"int ended;\n"), Global)
	defer mustClose(t, hook)
	lib(d, "below", "extern int ended;\n__attribute__((destructor)) static void end(void) { ended++; }\n", "-lhook")
	user := lib(d, "user", `
void call_hook(void);
__attribute__((destructor)) static void end(void) { call_hook(); }
`, "-lhook", "-lbelow")
	before := stateOf(t, d.Path)
	for _, f := range []func(){func() { panic("on purpose") }, runtime.Goexit} {
		o := mustOpen(t, user, 0)
		setHook(t, hook, f)
		interrupted(t, func() { o.Close() })
		before.check(t, d.Path)
		if !o.Closed() {
			t.Error("it is not closed")
		}
	}
	if n := *(*int32)(native.Pointer(symbol(t, hook, "ended"))); n != 2 {
		t.Errorf("%d finalisers of what it needs have run, want 2", n)
	}
}

const resolverSource = `
void call_hook(void);
static int chosen(void) { return 5; }
static void *choose(void) { call_hook(); return chosen; }
int f(void) __attribute__((ifunc("choose")));
int user(void) { return f(); }
`

// A resolver runs in the middle of an open, and may itself open and close.
func TestResolverOpens(t *testing.T) {
	d := testenv.NewDir(t)
	hook := mustOpen(t, lib(d, "hook", hookSource), Global)
	defer mustClose(t, hook)
	plug := lib(d, "plug", "int n;\n__attribute__((constructor)) static void start(void) { n = 3; }\nint plug(void) { return n; }\n")
	user := lib(d, "user", resolverSource, "-lhook")
	before := stateOf(t, d.Path)

	other := mustOpen(t, plug, 0)
	calls := 0
	setHook(t, hook, func() {
		calls++
		if calls == 1 {
			mustClose(t, other) // what the open relies on stays until it is done
			o := mustOpen(t, plug, 0)
			if n := call(t, o, "plug"); n != 3 {
				t.Errorf("plug() = %d in a resolver", n)
			}
			mustClose(t, o)
		}
	})
	within(t, testenv.Patience, func() {
		o := mustOpen(t, user, Now)
		if n := call(t, o, "user"); n != 5 || calls == 0 {
			t.Errorf("user() = %d after %d resolvers", n, calls)
		}
		mustClose(t, o)
	})
	before.check(t, d.Path)

	for _, f := range []func(){func() { panic("on purpose") }, runtime.Goexit} {
		setHook(t, hook, f)
		interrupted(t, func() { Default.Open(Source{Name: user}, Now, nil) })
		before.check(t, d.Path)
	}
	within(t, testenv.Patience, func() { mustClose(t, mustOpen(t, plug, 0)) }) // nobody holds the lock
}

// Files that ask for what would fault in Go code, or run what is no code.
func TestHostileImages(t *testing.T) {
	d := testenv.NewDir(t)
	good, err := os.ReadFile(lib(d, "good", `
__thread int v[4] = {1, 2};
int *g(void) { return v; }
static void *choose(void) { return 0; }
int f(void) __attribute__((ifunc("choose")));
int user(void) { return f(); }
void start(void) {}
`, "-Wl,-init,start", "-nostdlib"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.New("good", good)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte, off, v uint64) {
		for i := range uint64(8) {
			b[off+i] = byte(v >> (8 * i))
		}
	}
	dyn := func(b []byte, tag elf.DynTag, v uint64) {
		for i, e := range f.DynEntries() {
			if e.Tag == tag {
				off, _ := f.Offset(f.Dynamic.Addr + uint64(i)*16 + 8)
				put(b, off, v)
				return
			}
		}
		t.Fatalf("the fixture has no %v", tag)
	}
	phdr := func(typ elf.ProgType) uint64 {
		for i, p := range f.Progs {
			if p.Type == typ {
				return f.Phoff + uint64(i)*phdrSize
			}
		}
		t.Fatalf("the fixture has no %v", typ)
		return 0
	}
	before := stateOf(t, d.Path)
	for name, c := range map[string]struct {
		change func(b []byte)
		want   string
	}{
		"DT_INIT in data":      {func(b []byte) { dyn(b, elf.DT_INIT, f.Dynamic.Addr) }, "DT_INIT"},
		"DT_INIT outside":      {func(b []byte) { dyn(b, elf.DT_INIT, 1<<40) }, "DT_INIT"},
		"TLS alignment":        {func(b []byte) { put(b, phdr(elf.PT_TLS)+48, 1<<62) }, "PT_TLS"},
		"TLS size":             {func(b []byte) { put(b, phdr(elf.PT_TLS)+40, 1<<62) }, "PT_TLS"},
		"no segment readable":  {func(b []byte) { eachLoad(f, func(off uint64) { b[off+4] &^= 4 }) }, ""},
		"no segment to run in": {func(b []byte) { eachLoad(f, func(off uint64) { b[off+4] &^= 1 }) }, "DT_INIT"},
	} {
		b := append([]byte(nil), good...)
		c.change(b)
		o, err := Default.Open(Source{Name: "bad.so", R: strings.NewReader(string(b)), Size: int64(len(b))}, Now|NoInit, nil)
		if err == nil {
			o.Close()
			t.Errorf("%s: it is opened", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		before.check(t, d.Path)
	}
	// A resolver outside of what may run.
	b := append([]byte(nil), good...)
	for i, s := range f.DynSymbols().All() {
		if f.SymName(s) == "f" {
			off, _ := f.Offset(f.Dynamic.Symtab + uint64(i)*24)
			put(b, off+8, f.Dynamic.Addr)
		}
	}
	_, err = Default.Open(Source{Name: "bad.so", R: strings.NewReader(string(b)), Size: int64(len(b))}, Now|NoInit, nil)
	if !errors.Is(err, errResolver) {
		t.Errorf("resolver in data: %v", err)
	}
	before.check(t, d.Path)
}

// Pages are made present before an object is relocated: none that is not to be written to, and not as many as a header says.
func TestHostilePages(t *testing.T) {
	d := testenv.NewDir(t)
	good, err := os.ReadFile(lib(d, "pages", "int a = 5;\nint *p = &a;\nint f(void) { return *p; }\n", "-nostdlib", "-Wl,-z,norelro"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.New("pages", good)
	if err != nil {
		t.Fatal(err)
	}
	set := func(b []byte, i int, words ...uint64) {
		for k, w := range words {
			binary.LittleEndian.PutUint64(b[f.Phoff+uint64(i)*phdrSize+8*uint64(k):], w)
		}
	}
	data, dynamic, note := -1, -1, -1
	for i, p := range f.Progs {
		switch {
		case p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0:
			data = i
		case p.Type == elf.PT_DYNAMIC:
			dynamic = i
		case p.Type == elf.PT_NOTE && i > data:
			note = i
		}
	}
	if data < 0 || dynamic < 0 || note < 0 {
		t.Fatalf("the fixture has other program headers: %v", f.Progs)
	}
	p := f.Progs[data]
	before := stateOf(t, d.Path)
	for want, change := range map[string]func(b []byte){
		"last page of a writable one": func(b []byte) {
			end := p.Vaddr + p.Memsz
			set(b, note, uint64(elf.PT_LOAD)|uint64(elf.PF_R)<<32, p.Off+p.Memsz, end, end, 8, 8, native.PageSize)
		},
		"PT_DYNAMIC": func(b []byte) {
			const huge = 1 << 30
			set(b, data, uint64(elf.PT_LOAD)|uint64(p.Flags)<<32, p.Off, p.Vaddr, p.Vaddr, p.Filesz, huge+native.PageSize)
			q := f.Progs[dynamic]
			set(b, dynamic, uint64(elf.PT_DYNAMIC)|uint64(q.Flags)<<32, q.Off, q.Vaddr, q.Vaddr, q.Filesz, huge)
		},
	} {
		b := append([]byte(nil), good...)
		change(b)
		o, err := Default.Open(Source{Name: "bad.so", R: bytes.NewReader(b), Size: int64(len(b))}, Now|NoInit, nil)
		if err == nil {
			o.Close()
			t.Errorf("%s: it is opened", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		// Not ru_maxrss, in which what the process was before its execve counts too.
		status, _ := os.ReadFile("/proc/self/status")
		_, most, _ := strings.Cut(string(status), "\nVmHWM:")
		if n := 0; most == "" {
			t.Error("the kernel does not say how much memory the process has had")
		} else if fmt.Sscan(most, &n); n > 512<<10 {
			t.Errorf("%s: the process has had %d KiB of memory", want, n)
		}
		before.check(t, d.Path)
	}
}

// eachLoad calls f with the file offset of each PT_LOAD's program header.
func eachLoad(f *elf.File, do func(off uint64)) {
	for i, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			do(f.Phoff + uint64(i)*phdrSize)
		}
	}
}
