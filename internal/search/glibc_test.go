package search

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// ldDebug runs a program with LD_DEBUG=libs and reads the searches out of what ld.so prints.
func ldDebug(t testing.TB, dir, libraryPath string, argv ...string) (steps []step, searchPath, out string) {
	t.Helper()
	env := []string{"LD_DEBUG=libs"}
	if libraryPath != "" {
		env = append(env, "LD_LIBRARY_PATH="+libraryPath)
	}
	out = output(t, dir, env, argv...)
	for _, line := range strings.Split(out, "\n") {
		if _, rest, ok := strings.Cut(line, "find library="); ok {
			name, _, _ := strings.Cut(rest, " [")
			steps = append(steps, step{name: name})
		} else if _, rest, ok := strings.Cut(line, "  trying file="); ok && len(steps) > 0 {
			last := &steps[len(steps)-1]
			last.tried = append(last.tried, rest)
		} else if _, rest, ok := strings.Cut(line, " search path="); ok && searchPath == "" {
			searchPath, _, _ = strings.Cut(rest, "\t\t(")
		}
	}
	return steps, searchPath, out
}

func rpath(path string) []string   { return []string{"-Wl,--disable-new-dtags,-rpath," + path} }
func runpath(path string) []string { return []string{"-Wl,--enable-new-dtags,-rpath," + path} }

// A scenario is a program whose libraries ld.so and this package look for. %D in texts is the directory.
type scenario struct {
	name    string
	libPath string
	objs    []object
	prepare func(t *testing.T, dir string)
	fails   bool // ld.so does not find all
}

var scenarios = []scenario{
	{
		name: "RPATH is inherited",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: rpath("$ORIGIN/r")},
			{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so"}},
			{file: "r/libb.so", soname: "libb.so"},
		},
	},
	{
		name: "RPATH chain, nearest first",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: rpath("${ORIGIN}/r:$ORIGIN/main//")},
			{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so", "libc1.so"}, flags: rpath("$ORIGIN/../near")},
			{file: "near/libb.so", soname: "libb.so", needs: []string{"libd.so"}},
			{file: "main/libb.so", soname: "libb.so"},
			{file: "main/libc1.so", soname: "libc1.so"},
			{file: "main/libd.so", soname: "libd.so"},
		},
	},
	{
		name: "RUNPATH is not inherited",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: runpath("$ORIGIN/r")},
			{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so"}},
			{file: "r/libb.so", soname: "libb.so"},
		},
		fails: true,
	},
	{
		name: "RPATH of a loader with RUNPATH above",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: rpath("$ORIGIN/r")},
			{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so"}, flags: runpath("$ORIGIN/a")},
			{file: "r/a/libb.so", soname: "libb.so", needs: []string{"libe.so"}},
			{file: "r/a/libe.so", soname: "libe.so"},
			{file: "r/libe.so", soname: "libe.so"},
		},
	},
	{
		name:    "LD_LIBRARY_PATH between RPATH and RUNPATH",
		libPath: "%D/env",
		objs: []object{
			{file: "prog", needs: []string{"liba.so", "libb.so"}, flags: rpath("$ORIGIN/r")},
			{file: "r/liba.so", soname: "liba.so", needs: []string{"libx.so", "liby.so"}, flags: runpath("$ORIGIN/run")},
			{file: "env/liba.so", soname: "liba.so"},
			{file: "env/libb.so", soname: "libb.so"},
			{file: "r/run/libx.so", soname: "libx.so"},
			{file: "env/libx.so", soname: "libx.so"},
			{file: "r/run/liby.so", soname: "liby.so"},
		},
	},
	{
		name:    "folders for hardware",
		libPath: "%D/d:%D/e",
		objs: []object{
			{file: "prog", needs: []string{"lib1.so", "lib2.so", "lib3.so", "lib4.so", "lib5.so", "lib6.so"}},
			{file: "d/glibc-hwcaps/x86-64-v3/lib1.so", soname: "lib1.so"},
			{file: "d/glibc-hwcaps/x86-64-v2/lib1.so", soname: "lib1.so"},
			{file: "d/glibc-hwcaps/x86-64-v2/lib2.so", soname: "lib2.so"},
			{file: "d/tls/lib3.so", soname: "lib3.so"},
			{file: "d/x86_64/lib4.so", soname: "lib4.so"},
			{file: "d/lib4.so", soname: "lib4.so"},
			{file: "e/tls/x86_64/lib5.so", soname: "lib5.so"},
			{file: "e/x86_64/x86_64/lib6.so", soname: "lib6.so"},
			{file: "e/lib6.so", soname: "lib6.so"},
		},
	},
	{
		name:    "elements of all kinds",
		libPath: "$LIB:${ORIGIN}/a///;/etc/passwd:%D/a:/nonexistent:rel/:rel::$PLATFORMx:${PLATFORM}:$NONE:$ORIGINAL:${LIB:/",
		objs: []object{
			{file: "prog", needs: []string{"lib1.so", "lib2.so", "lib3.so", "lib4.so", "lib5.so", "lib6.so"}},
			{file: "rel/lib1.so", soname: "lib1.so"},
			{file: "lib2.so", soname: "lib2.so"},
			{file: "x86_64/lib3.so", soname: "lib3.so"},
			{file: "${LIB/lib4.so", soname: "lib4.so"},
			{file: "lib/x86_64-linux-gnu/lib5.so", soname: "lib5.so"},
			{file: "$PLATFORMx/lib6.so", soname: "lib6.so"},
		},
	},
	{
		name:    "wrong class and machine are passed over",
		libPath: "%D/c:%D/m:%D/good",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}},
			{file: "c/liba.so", soname: "liba.so"},
			{file: "m/liba.so", soname: "liba.so"},
			{file: "good/liba.so", soname: "liba.so"},
		},
		prepare: func(t *testing.T, dir string) {
			patch(t, dir+"/c/liba.so", 4, 1)
			patch(t, dir+"/m/liba.so", 18, 183)
		},
	},
	{
		name:    "only the wrong class",
		libPath: "%D/c",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}},
			{file: "c/liba.so", soname: "liba.so"},
		},
		prepare: func(t *testing.T, dir string) { patch(t, dir+"/c/liba.so", 4, 1) },
		fails:   true,
	},
	{
		name:    "a loop of links ends the list",
		libPath: "%D/loop:%D/env",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: runpath("$ORIGIN/run")},
			{file: "env/liba.so", soname: "liba.so"},
			{file: "run/liba.so", soname: "liba.so"},
		},
		prepare: func(t *testing.T, dir string) {
			if err := os.Mkdir(dir+"/loop", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("liba.so", dir+"/loop/liba.so"); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name:    "a relative directory that is a file ends the list",
		libPath: "file:%D/env",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: runpath("$ORIGIN/run")},
			{file: "env/liba.so", soname: "liba.so"},
			{file: "run/liba.so", soname: "liba.so"},
		},
		prepare: func(t *testing.T, dir string) { write(t, dir+"/file", "") },
	},
	{
		name:    "no ELF file ends the search",
		libPath: "%D/text:%D/env",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}},
			{file: "env/liba.so", soname: "liba.so"},
		},
		prepare: func(t *testing.T, dir string) { write(t, dir+"/text/liba.so", strings.Repeat("text ", 500)) },
		fails:   true,
	},
	{
		name:    "a directory ends the search",
		libPath: "%D/d:%D/env",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}},
			{file: "env/liba.so", soname: "liba.so"},
		},
		prepare: func(t *testing.T, dir string) { write(t, dir+"/d/liba.so/file", "") },
		fails:   true,
	},
	{
		name: "NEEDED with tokens and a slash",
		objs: []object{
			{file: "prog", needs: []string{"$ORIGIN/x/liba.so", "rel/libb.so", "lib$PLATFORM.so"}, flags: runpath("$ORIGIN/x")},
			{file: "x/liba.so", soname: "liba.so"},
			{file: "rel/libb.so", soname: "libb.so"},
			{file: "x/libx86_64.so", soname: "libx86_64.so"},
		},
	},
	{
		name: "no default directories",
		objs: []object{
			{file: "prog", flags: []string{"-Wl,-z,nodefaultlib"}},
		},
		fails: true,
	},
	{
		name: "empty RUNPATH",
		objs: []object{
			{file: "prog", needs: []string{"liba.so"}, flags: rpath("$ORIGIN/r")},
			{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so"}, flags: runpath("$NONE:$ORIGIN/$NONE")},
			{file: "r/libb.so", soname: "libb.so"},
		},
		fails: true,
	},
	{
		name:    "missing everywhere",
		libPath: "%D/r:%D/none",
		objs: []object{
			{file: "prog", needs: []string{"libweldmissing.so.9"}, flags: runpath("$ORIGIN/r")},
			{file: "r/liba.so", soname: "liba.so"},
		},
		fails: true,
	},
}

func patch(t testing.TB, file string, off int64, b byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b}, off); err != nil {
		t.Fatal(err)
	}
}

// TestAgainstLdso compares every file tried, the order and the choice with what ld.so prints.
func TestAgainstLdso(t *testing.T) {
	gcc := tool(t, "gcc", "gcc")
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			dir := realTempDir(t)
			build(t, dir, gcc, sc.objs...)
			if sc.prepare != nil {
				sc.prepare(t, dir)
			}
			libPath := strings.ReplaceAll(sc.libPath, "%D", dir)
			want, searchPath, out := ldDebug(t, dir, libPath, dir+"/prog")
			t.Chdir(dir)
			cfg := Config{LibraryPath: SplitLibraryPath(Glibc, libPath)}
			got, err := closure(t, cfg, dir, dir+"/prog")
			if sc.fails != (err != nil) {
				t.Errorf("fails %v, but: %v", sc.fails, err)
			}
			if failed := strings.Contains(out, "error while loading shared libraries"); failed != sc.fails {
				t.Errorf("ld.so failed: %v", failed)
			}
			compareSteps(t, dir, got, want)
			if t.Failed() {
				t.Log(out)
			}
			if libPath != "" && len(sc.objs[0].flags) == 0 {
				cfg.Main = &Requester{Path: dir + "/prog"}
				var list []string
				for _, d := range New(cfg).Dirs(nil) {
					if d.Why == WhyLibraryPath {
						list = append(list, d.Path)
					}
				}
				if got := strings.Join(list, ":"); got != searchPath {
					t.Errorf("search path\n%s\nld.so has\n%s", got, searchPath)
				}
			}
		})
	}
}

func realTempDir(t testing.TB) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// compareSteps compares with what ld.so prints, which says nothing of names with a slash.
func compareSteps(t testing.TB, dir string, got, want []step) {
	t.Helper()
	for i := 0; i < len(got); {
		if strings.ContainsRune(got[i].name, '/') {
			got = append(got[:i], got[i+1:]...)
		} else {
			i++
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d searches, ld.so made %d\n%v\n%v", len(got), len(want), got, want)
		return
	}
	for i := range got {
		g, w := existing(dir, got[i].tried), existing(dir, want[i].tried)
		if !strings.ContainsRune(got[i].name, '$') && got[i].name != want[i].name {
			t.Errorf("search %d is for %s, ld.so's for %s", i, got[i].name, want[i].name)
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: tried\n\t%s\nld.so tried\n\t%s", got[i].name, strings.Join(g, "\n\t"), strings.Join(w, "\n\t"))
		}
		if f := got[i].found; f != "" && (len(w) == 0 || w[len(w)-1] != f) {
			t.Errorf("%s: found %s, ld.so tried last %q", got[i].name, f, w)
		}
	}
}

// TestDlopen compares FindDlopen with dlopen called by a library.
func TestDlopen(t *testing.T) {
	gcc := tool(t, "gcc", "gcc")
	dir := realTempDir(t)
	build(t, dir, gcc,
		object{file: "prog", needs: []string{"libcaller.so"}, flags: rpath("$ORIGIN/lib")},
		object{file: "lib/libcaller.so", soname: "libcaller.so", flags: runpath("$ORIGIN/plug"), source: `
			#define _GNU_SOURCE
			#include <dlfcn.h>
			#include <stdio.h>
			__attribute__((constructor)) static void call(int n, char **v) {
				for (int i = 1; i < n; i++) {
					void *h = dlopen(v[i], RTLD_LAZY);
					char origin[4096] = "";
					if (h && !dlinfo(h, RTLD_DI_ORIGIN, origin)) printf("@%s\n", origin); else printf("@\n");
					fflush(stdout);
				}
			}`},
		object{file: "lib/plug/libp.so", soname: "libp.so"},
		object{file: "lib/plug/libx86_64.so", soname: "libx86_64.so"},
		object{file: "lib/plug/lib${PLATFORM}.so", soname: "libdollar.so"},
		object{file: "lib/libr.so", soname: "libr.so"},
	)
	names := []string{"libp.so", "lib${PLATFORM}.so", "libr.so", "$ORIGIN/libr.so", "${ORIGIN}/plug/lib$PLATFORM.so", "$ORIGIN/none.so"}
	want, _, out := ldDebug(t, dir, "", append([]string{dir + "/prog"}, names...)...)
	var origins []string
	for _, line := range strings.Split(out, "\n") {
		if o, ok := strings.CutPrefix(line, "@"); ok {
			origins = append(origins, o)
		}
	}
	prog := &Requester{Path: dir + "/prog", Rpath: "$ORIGIN/lib"}
	caller := &Requester{Path: dir + "/lib/libcaller.so", Runpath: "$ORIGIN/plug", HasRunpath: true, Loader: prog}
	var steps []step
	var st *step
	s := New(Config{Main: prog, Trace: func(a Attempt) {
		if a.Path != "/etc/ld.so.cache" {
			st.tried = append(st.tried, a.Path)
		}
	}})
	for i, n := range names {
		st = &step{name: n}
		path, err := s.FindDlopen(n, caller, acceptELF(""))
		st.found = path
		steps = append(steps, *st)
		if err != nil {
			path = ""
		} else {
			path = filepath.Dir(path)
		}
		if i >= len(origins) || origins[i] != path {
			t.Errorf("%s: found in %q, %v; dlopen's: %q", n, path, err, origins)
		}
	}
	// The searches for the program's own libraries come before.
	for len(want) > 0 && want[0].name != "libp.so" {
		want = want[1:]
	}
	compareSteps(t, dir, steps, want)
	var nf *NotFoundError
	if _, err := s.FindDlopen("libr.so", caller, nil); !errors.As(err, &nf) || nf.NeededBy != caller.Path {
		t.Errorf("no RPATH beside a RUNPATH: %v", err)
	}
}
