// Package live_test has native libraries and debuggers meet code that is made at run time.
//
//	main_test.go      how code is made
//	see_test.go       what lookups, unwinders and libraries see of it
//	rebind_test.go    what becomes of callers when it is replaced
//	debugger_test.go  gdb and a compiler in ../../examples
package live_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"weld"
	"weld/internal/testenv"
	"weld/live"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// returns is the code of a function that returns a number.
func returns(n int) []byte {
	code := []byte{0x55, 0x48, 0x89, 0xe5, 0xb8, 0, 0, 0, 0, 0x5d, 0xc3}
	binary.LittleEndian.PutUint32(code[5:], uint32(n))
	return code
}

// apply is the code of a function that calls its first argument with its second.
var apply = []byte{
	0x55,             // push %rbp
	0x48, 0x89, 0xe5, // mov %rsp, %rbp
	0x48, 0x89, 0xf8, // mov %rdi, %rax
	0x48, 0x89, 0xf7, // mov %rsi, %rdi
	0xff, 0xd0, // call *%rax
	0x5d, // pop %rbp
	0xc3, // ret
}

// calls is the code, at an address, of a function that calls another.
func calls(at, to uintptr) []byte {
	code := []byte{0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0, 0x5d, 0xc3}
	binary.LittleEndian.PutUint32(code[5:], uint32(to-(at+9)))
	return code
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newObject(t testing.TB, ns *weld.Namespace, opt live.Options) *live.Object {
	t.Helper()
	if opt.Folder == "" && !opt.Memory {
		opt.Folder = t.TempDir()
	}
	o, err := live.New(ns, "jit", opt)
	check(t, err)
	t.Cleanup(func() { o.Close() })
	return o
}

func emit(t testing.TB, o *live.Object, name string, code []byte, opts ...live.BindOption) *live.Block {
	t.Helper()
	b, err := o.Alloc(len(code), 16, live.Text)
	check(t, err)
	check(t, b.Write(0, code))
	check(t, o.Bind(name, b, opts...))
	return b
}

func open(t testing.TB, ns *weld.Namespace, path string, opts ...weld.Option) *weld.Library {
	t.Helper()
	var lib *weld.Library
	var err error
	if ns == nil {
		lib, err = weld.Open(path, opts...)
	} else {
		lib, err = ns.Open(path, opts...)
	}
	check(t, err)
	t.Cleanup(func() { lib.Close() })
	return lib
}

func function[F any](t testing.TB, lib *weld.Library, name string, opts ...weld.FuncOption) F {
	t.Helper()
	f, err := weld.Func[F](lib, name, opts...)
	check(t, err)
	return f
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, p := range parts {
		_, after, ok := strings.Cut(rest, p)
		if !ok {
			t.Errorf("no %q in the rest of %q", p, text)
			return
		}
		rest = after
	}
}
