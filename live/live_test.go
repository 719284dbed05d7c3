package live

import (
	"encoding/binary"
	"os/exec"
	"testing"

	"weld/internal/testenv"
	"weld/native"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// returns is a function that returns a number.
func returns(n uint32) []byte {
	code := []byte{0x55, 0x48, 0x89, 0xe5, 0xb8, 0, 0, 0, 0, 0x5d, 0xc3}
	binary.LittleEndian.PutUint32(code[5:], n)
	return code
}

func newObject(t testing.TB, opt Options) *Object {
	t.Helper()
	if opt.Folder == "" && !opt.Memory {
		opt.Folder = t.TempDir()
	}
	o, err := New(nil, "test", opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func emit(t testing.TB, o *Object, name string, code []byte, opts ...BindOption) *Block {
	t.Helper()
	b, err := o.Alloc(len(code), 16, Text)
	check(t, err)
	check(t, b.Write(0, code))
	check(t, o.Bind(name, b, opts...))
	return b
}

func TestCall(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "seven", returns(7))
	check(t, o.Commit())
	if n := native.Call(b.Addr()); n != 7 {
		t.Errorf("it returns %d", n)
	}
	out, err := exec.Command("readelf", "-aW", o.Path()).CombinedOutput()
	t.Logf("%s %v", out, err)
}
