package search

import (
	"errors"
	"os"
	"strings"
	"testing"
)

const muslLinker = "/lib/ld-musl-x86_64.so.1"

// TestAgainstMusl compares the choices with those of musl's linker, as its ldd prints them.
func TestAgainstMusl(t *testing.T) {
	gcc := tool(t, "musl-gcc", "musl-tools")
	if _, err := os.Stat(muslLinker); err != nil {
		t.Fatalf("this test needs %s: install the package musl", muslLinker)
	}
	for _, sc := range []scenario{
		{
			name: "RUNPATH is inherited",
			objs: []object{
				{file: "prog", needs: []string{"liba.so"}, flags: runpath("$ORIGIN/r:${ORIGIN}/r2/")},
				{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so", "libd.so"}, flags: runpath("$ORIGIN/../near")},
				{file: "r2/libb.so", soname: "libb.so"},
				{file: "near/libd.so", soname: "libd.so"},
				{file: "r/libd.so", soname: "libd.so"},
			},
		},
		{
			name:    "LD_LIBRARY_PATH first, empty elements left out",
			libPath: "::%D/none:%D/env;x:%D/env//\n%D/nl",
			objs: []object{
				{file: "prog", needs: []string{"liba.so", "libb.so", "libe.so"}, flags: rpath("$ORIGIN/r")},
				{file: "r/liba.so", soname: "liba.so"},
				{file: "r/libb.so", soname: "libb.so"},
				{file: "r/libe.so", soname: "libe.so"},
				{file: "libe.so", soname: "libe.so"},
				{file: "env/liba.so", soname: "liba.so"},
				{file: "nl/libb.so", soname: "libb.so"},
			},
		},
		{
			name: "another token spoils the path",
			objs: []object{
				{file: "prog", needs: []string{"liba.so"}, flags: rpath("$ORIGIN/r")},
				{file: "r/liba.so", soname: "liba.so", needs: []string{"libb.so"}, flags: rpath("$ORIGIN/p:$LIB")},
				{file: "r/libb.so", soname: "libb.so"},
				{file: "r/p/libb.so", soname: "libb.so"},
			},
		},
		{
			name: "reserved names",
			objs: []object{
				{file: "prog", needs: []string{"libpthread.so.0", "libm.so.6", "libmx.so"}, flags: rpath("$ORIGIN/r")},
				{file: "r/libpthread.so.0", soname: "libpthread.so.0"},
				{file: "r/libm.so.6", soname: "libm.so.6"},
				{file: "r/libmx.so", soname: "libmx.so"},
			},
		},
		{
			name: "missing",
			objs: []object{
				{file: "prog", needs: []string{"libb.so"}, flags: rpath("$ORIGIN/r")},
			},
			fails: true,
		},
	} {
		t.Run(sc.name, func(t *testing.T) {
			dir := realTempDir(t)
			build(t, dir, gcc, sc.objs...)
			libPath := strings.ReplaceAll(sc.libPath, "%D", dir)
			out := output(t, dir, []string{"LD_LIBRARY_PATH=" + libPath}, muslLinker, "--list", dir+"/prog")
			want := listed(out)
			t.Chdir(dir)
			got, err := closure(t, Config{Libc: Musl, LibraryPath: SplitLibraryPath(Musl, libPath)}, dir, dir+"/prog")
			if sc.fails != (err != nil) || sc.fails != strings.Contains(out, "Error loading shared library") {
				t.Errorf("fails %v, but: %v", sc.fails, err)
			}
			for _, st := range got {
				w := want[st.name]
				// libc.so is named as what it is linked to.
				if st.found == muslLinker && st.name == "libc.so" {
					continue
				}
				if st.found != w {
					t.Errorf("%v, musl has %q", st, w)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

func TestMuslRules(t *testing.T) {
	fsys := mapFS{"/lib/liba.so": "", "/etc/ld-musl-x86_64.path": "/opt/p:\n/opt/q\n", "/opt/q/libq.so": "", "/usr/lib/libu.so": "",
		"/x/lib/ld.so": "", "/x/etc/ld-musl-x86_64.path": "", "/env/liba.so": ""}
	s := New(Config{Libc: Musl, FS: fsys, LibraryPath: []string{"/env"}})
	if path, err := s.Find("libq.so", nil, nil); err != nil || path != "/opt/q/libq.so" {
		t.Error(path, err)
	}
	if _, err := s.Find("libu.so", nil, nil); err == nil {
		t.Error("own directories beside a path file")
	}
	s = New(Config{Libc: Musl, FS: fsys, Linker: "/x/lib/ld.so"})
	if d := s.Defaults(); len(d) != 0 {
		t.Errorf("empty path file: %q", d)
	}
	delete(fsys, "/x/etc/ld-musl-x86_64.path")
	if path, err := s.Find("libu.so", nil, nil); err != nil || path != "/usr/lib/libu.so" {
		t.Error(path, err)
	}
	if path, err := s.Find("libc.so.6", nil, nil); err != nil || path != "/x/lib/ld.so" {
		t.Error(path, err)
	}
	var nf *NotFoundError
	if _, err := s.Find(strings.Repeat("x", 256), nil, nil); !errors.As(err, &nf) {
		t.Error(err)
	}
	// The first file is final.
	s = New(Config{Libc: Musl, FS: fsys, LibraryPath: []string{"/env"}, Defaults: []string{"/lib"}})
	var ce *CandidateError
	if _, err := s.Find("liba.so", nil, func(string) error { return ErrWrongClass }); !errors.As(err, &ce) || ce.Path != "/env/liba.so" {
		t.Error(err)
	}
	s = New(Config{Libc: Musl, FS: fsys, LibraryPath: []string{"/env"}, Defaults: []string{"/lib"}, Secure: true})
	if path, err := s.Find("liba.so", &Requester{Path: "prog", Rpath: "$ORIGIN/env"}, nil); err != nil || path != "/lib/liba.so" {
		t.Error(path, err)
	}
	if dirs := s.Dirs(&Requester{Path: "/a/prog", Runpath: "$ORIGIN/b", HasRunpath: true}); len(dirs) != 2 || dirs[0] != (Dir{"/a/b", "RUNPATH of /a/prog"}) {
		t.Errorf("%q", dirs)
	}
}
