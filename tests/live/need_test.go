package live_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"weld"
	"weld/internal/testenv"
	"weld/live"
)

// The file of an object wants the versions that its imports were bound to, of the libraries that have them: glibc binds a copy
// to the same.
func TestVersionedImports(t *testing.T) {
	testenv.Need(t, "gcc", "readelf")
	d := testenv.NewDir(t)
	script := d.Write("versions.map", "V1 { global: answer; plain; local: *; };\nV2 { global: answer; } V1;\nV3 { global: perhaps; } V2;\n")
	path := d.Shared("libversions.so", d.Write("versions.c", `
int old_answer(void) { return 1; }
int new_answer(void) { return 2; }
int getpid(void);
int plain(void) { return getpid() ? 3 : 0; }
int perhaps(void) { return 4; }
__asm__(".symver old_answer, answer@V1");
__asm__(".symver new_answer, answer@@V2");
`), "-Wl,--version-script="+script)
	lib := open(t, nil, path)
	o := newObject(t, nil, live.Options{Needs: []*weld.Library{lib}})
	caller := func(name, of string, opts ...live.BindOption) {
		t.Helper()
		m, err := o.Import(of, opts...)
		check(t, err)
		at, err := o.Alloc(11, 16, live.Text)
		check(t, err)
		check(t, at.Write(0, calls(at.Addr(), m.PLT())))
		check(t, o.Bind(name, at, live.Version("MINE")))
	}
	caller("now", "answer")
	caller("then", "answer", live.Version("V1"))
	check(t, o.Commit())
	// What comes later shifts the indices, and has them in tables that are made anew.
	caller("only", "plain")
	emit(t, o, "other", returns(9), live.Version("YOURS"))
	caller("id", "getpid")
	for _, name := range []string{"nothing", "perhaps"} {
		_, err := o.Import(name, live.Weak)
		check(t, err)
	}
	check(t, o.Commit())
	for name, want := range map[string]int32{"now": 2, "then": 1, "only": 3} {
		same(t, name, function[func() int32](t, o.Library(), name)(), want)
	}
	kept := d.Join("libkept.so")
	check(t, o.Save(kept))

	program := d.Program("asks", d.Write("asks.c", `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW);
	static const char *const names[] = {"now", "then", "only", "id", "other"};
	if (!h)
		return printf("%s\n", dlerror()), 1;
	for (int i = 0; i < 5; i++) {
		int (*f)(void) = (int (*)(void))dlvsym(h, names[i], i == 4 ? "YOURS" : "MINE");
		int n = f ? f() : -1;
		printf("%d ", n == getpid() ? 0 : n);
	}
	return 0;
}
`), "-ldl")
	for _, file := range []string{kept, o.Path()} {
		cmd := exec.Command(program, file)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+d.Path)
		out, err := cmd.CombinedOutput()
		check(t, err)
		same(t, file, string(out), "2 1 3 0 9 ")
	}
	own, err := weld.NewNamespace(weld.Config{Path: []string{d.Path}})
	check(t, err)
	defer own.Close()
	copied := open(t, own, kept)
	same(t, "in another namespace", function[func() int32](t, copied, "now")()*10+function[func() int32](t, copied, "then")(), 21)

	// It needs a library that has the versions.
	cmd := exec.Command(program, kept)
	d.Shared("libversions.so", d.Write("one.c", "int answer(void) { return 4; }\nint plain(void) { return 5; }\n"),
		"-Wl,--version-script="+d.Write("one.map", "V2 { answer; plain; };\n"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+d.Path)
	out, _ := cmd.CombinedOutput()
	contains(t, string(out), "libversions.so: version `V1' not found (required by "+kept)

	listed, err := exec.Command("readelf", "-WVds", kept).CombinedOutput()
	check(t, err)
	contains(t, string(listed), "(NEEDED)             Shared library: [libversions.so]", "Shared library: [libc.so.6]", "UND answer@V2", "UND answer@V1",
		"Version needs section '.gnu.version_r'", "File: libversions.so  Cnt: 3", "Name: V2  Flags: none", "Name: V1  Flags: none", "Name: V3  Flags: WEAK", "File: libc.so.6  Cnt: 1", "GLIBC_2.2.5")
	contains(t, string(listed), "UND nothing\n")
	if strings.Contains(string(listed), "arning") {
		t.Errorf("readelf: %s", listed)
	}
}
