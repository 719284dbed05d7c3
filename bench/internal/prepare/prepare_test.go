package prepare

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fixture builds a library with some exported names.
func fixture(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "names.c")
	code := `
int puts(const char *);
int two = 2;
static int three(void) { return puts("3"); }
int one(void) { return 1; }
int four(void) { return three(); }
`
	if err := os.WriteFile(source, []byte(code), 0o666); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "libnames.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc (Debian package gcc): %v\n%s", err, out)
	}
	return path
}

func TestFind(t *testing.T) {
	path := fixture(t)
	slot := Slot{Names: []string{"libgone.so.1", "libnames.so"}, Package: "names1", Large: true}
	l, err := Find(slot, func(soname string) (string, error) {
		if soname == "libnames.so" {
			return path, nil
		}
		return "", errors.New("not found")
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "libnames.so" || l.Size == 0 || !l.Large || !slices.Contains(l.Needed, "libc.so.6") {
		t.Errorf("found %+v", l)
	}
	names, err := l.Names(10)
	slices.Sort(names)
	if err != nil || strings.Join(without(names, "_init", "_fini"), " ") != "four one two" {
		t.Errorf("names are %v, %v", names, err)
	}
	if names, err := l.Names(2); err != nil || len(names) != 2 {
		t.Errorf("names are %v, %v; want 2 of them", names, err)
	}
}

func without(names []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return slices.Contains(drop, s) })
}

func TestFindNothing(t *testing.T) {
	slot := Slot{Names: []string{"liba.so", "libb.so"}, Package: "liba1"}
	_, err := Find(slot, func(string) (string, error) { return "", errors.New("not found") })
	if err == nil || err.Error() != "none of liba.so, libb.so is installed (Debian: apt-get install liba1)" {
		t.Errorf("error is %v", err)
	}
}

func TestSlots(t *testing.T) {
	for _, slot := range Slots {
		if len(slot.Names) == 0 || slot.Package == "" {
			t.Errorf("slot %+v", slot)
		}
	}
}

func TestBuildElsewhere(t *testing.T) {
	_, err := Paths(t.TempDir(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "not the folder of module weld/bench") {
		t.Errorf("error is %v", err)
	}
}

func TestBuildFailure(t *testing.T) {
	err := run(context.Background(), t.TempDir(), nil, "gcc", "missing.c")
	if err == nil || !strings.Contains(err.Error(), "gcc missing.c: exit status 1\n") {
		t.Errorf("error is %v", err)
	}
}
