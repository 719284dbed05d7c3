package prepare

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programs makes a folder with a script and one with a dynamic executable of the same name, which are PATH then.
func programs(t *testing.T) (executable string) {
	t.Helper()
	dir := t.TempDir()
	script, binary := filepath.Join(dir, "script"), filepath.Join(dir, "binary")
	for _, d := range []string{script, binary} {
		if err := os.Mkdir(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(script, "prog"), []byte("#!/bin/sh\nexec prog\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "prog.c")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	executable = filepath.Join(binary, "prog")
	if out, err := exec.Command("gcc", "-o", executable, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc (Debian package gcc): %v\n%s", err, out)
	}
	t.Setenv("PATH", script+string(filepath.ListSeparator)+binary)
	return executable
}

func TestFindProgram(t *testing.T) {
	want := programs(t)
	p, err := FindProgram(context.Background(), ProgramSlot{Name: "prog", Libraries: 2})
	if err != nil {
		t.Fatal(err)
	}
	if p.Path != want || p.Needed != 2 {
		t.Errorf("found %+v, want %s with libc and ld.so", p, want)
	}
}

func TestFindProgramNot(t *testing.T) {
	programs(t)
	for _, test := range []struct {
		slot ProgramSlot
		want string
	}{
		{ProgramSlot{Name: "gone", Package: "gone1"}, "gone is not installed (Debian: apt-get install gone1)"},
		{ProgramSlot{Name: "prog", Libraries: 150}, "needs 2 libraries, and 150 are wanted"},
	} {
		_, err := FindProgram(context.Background(), test.slot)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v, want %q", err, test.want)
		}
	}
}
