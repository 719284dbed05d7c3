package symbols

import (
	"os"
	"os/exec"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const source = `
__attribute__((noinline)) static int hidden(int n) { return n * n; }
int shown(int n) { return hidden(n) + 1; }
int shown_alias(int) __attribute__((alias("shown")));
`

func TestRead(t *testing.T) {
	d := testenv.NewDir(t)
	lib := d.Shared("libnames.so", d.Write("names.c", source), "-O1", "-Wl,--build-id=sha1")
	data, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.New(lib, data)
	if err != nil {
		t.Fatal(err)
	}
	id := f.BuildID()
	if len(id) != 20 {
		t.Fatalf("the build-id is %x", id)
	}
	table := Read(lib, id)
	byName := map[string]Function{}
	for _, fn := range table {
		byName[fn.Name] = fn
	}
	for _, name := range []string{"hidden", "shown"} {
		fn, ok := byName[name]
		if !ok || fn.Size == 0 {
			t.Fatalf("%s is not in %v", name, table)
		}
		for _, addr := range []uint64{fn.Addr, fn.Addr + fn.Size - 1} {
			if got, ok := table.Find(addr); !ok || got.Name != name {
				t.Errorf("%#x is in %v, wanted %s", addr, got, name)
			}
		}
	}
	if fn, ok := byName["shown_alias"]; ok {
		t.Errorf("the alias is listed too: %v", fn)
	}
	if fn, ok := table.Find(0); ok {
		t.Errorf("address 0 is in %v", fn)
	}
	if t2 := Read(lib, []byte{1, 2, 3}); len(t2) != 0 {
		t.Errorf("a file of another build-id names %v", t2)
	}
	if t2 := Read(d.Join("none"), nil); len(t2) != 0 {
		t.Errorf("a file that is not there names %v", t2)
	}
	testenv.Need(t, "strip")
	if msg, err := exec.Command("strip", "-g", "-x", lib).CombinedOutput(); err != nil {
		t.Fatalf("strip: %v\n%s", err, msg)
	}
	if _, ok := Read(lib, id).Find(byName["hidden"].Addr); ok {
		t.Error("a stripped file names a static function")
	}
}
