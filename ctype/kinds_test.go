package ctype

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// kinds are the signatures of what testdata/kinds.c defines.
var kinds = map[string]string{
	"f_void":         "fn()void",
	"f_char":         "fn(s8,s8,u8)s8",
	"f_short":        "fn(s16,u16)s16",
	"f_int":          "fn(s32,u32)s32",
	"f_long":         "fn(s64,u64)s64",
	"f_llong":        "fn(s64,u64)s64",
	"f_int128":       "fn(s128,u128)s128",
	"f_bool":         "fn(b8)b8",
	"f_float":        "fn(f32)f32",
	"f_double":       "fn(f64)f64",
	"f_ldouble":      "fn(f80x)f80x",
	"f_cfloat":       "fn(cf32)cf32",
	"f_cdouble":      "fn(cf64)cf64",
	"f_sizes":        "fn(u64,s64,s64,u64,s32)u64",
	"f_fixed":        "fn(s8,u8,s16,u16,s32,u32,s64,u64)s8",
	"f_enum":         "fn(e32)e32",
	"f_negative":     "fn(e32)e32",
	"f_wide":         "fn(e64)e64",
	"f_small":        "fn(e8)e8",
	"f_ptr":          "fn(*void,*void)*void",
	"f_str":          "fn(*s8,**s8)*s8",
	"f_ptrs":         "fn(*s32,**u32,***f64)s32",
	"f_struct":       "fn({@0 s32;@32 s32}8,#0)#0",
	"f_structptr":    "fn(*struct pt,*struct pt)s32",
	"f_opaque":       "fn(*struct opaque,**struct opaque)s32",
	"f_node":         "fn(*struct node)s32",
	"f_nodeval":      "fn({@0 *struct node;@64 *fn(*struct node,*void)s32;@128 s64}24)#0",
	"f_bits":         "fn({@0:3 u32;@3:7 s32;@10:40 u64;@56 u8}8)s32",
	"f_flex":         "fn(*struct flex)s32",
	"f_nested":       "fn({@0 {@0 s16;@32 |{@0 s32;@0 f32}4}8;@64 [2]{@0 s32;@32 s32}8;@192 *s8}32)s32",
	"f_holder":       "fn({@0 {@0 s32;@32 s32}8;@64 #1;@128 {@0 [3][4]f64}96}112)f64",
	"f_union":        "fn(|{@0 s32;@0 f64;@0 [12]s8}16)#0",
	"f_anon":         "fn({@0 f32;@32 f32}8,*struct <anon>,*struct <anon>)#0",
	"f_anonu":        "fn(|{@0 s64;@0 *void}8)#0",
	"f_sort":         "fn(*void,u64,u64,*fn(*void,*void)s32)void",
	"f_retfn":        "fn(*fn(*void,*void)s32,*fn()s32)*fn(*void,*void)s32",
	"f_calls":        "fn({@0 *fn(*s8,s32,...)s32;@64 *fn(s32)void}16)s32",
	"f_variadic":     "fn(*s8,...)s32",
	"f_valist":       "fn(*s8,*struct __va_list_tag)s32",
	"f_array":        "fn(*s32,*[8]s8,*[3]f64)s32",
	"f_ptrarray":     "fn(*[4]s32,*[2]struct pt)s32",
	"f_quals":        "fn(*s32,*s32,*s32,*s32)s32",
	"f_many":         "fn(s32,s32,s32,s32,s32,s32,s32,s32,f64)s32",
	"f_zero":         "fn({@0 s32;@32 []s32}4)s32",
	"f_pack":         "fn({@0 s8;@8 s32;@40 f64}13)f64",
	"f_over":         "fn({@0 s32}32/32)s32",
	"f_memberover":   "fn({@0 s8;@128 s32}32/16)s32",
	"f_empty":        "fn({}0,s32)s32",
	"f_vec":          "fn(vec(4,s32),vec(2,f64))vec(4,s32)",
	"f_vla":          "fn(s32,*[]s32)s32",
	"f_ms":           "fn(s32,f64)s32", // an alias
	"f_ms_impl":      "fn(s32,f64)s32",
	"v_int":          "s32",
	"v_const":        "f64",
	"v_array":        "[]s32",
	"v_names":        "[]*s8",
	"v_opaque_array": "[]{@0 s32;@32 s32}8",
	"v_fn":           "*fn(s32)s32",
	"v_node":         "{@0 *struct node;@64 *fn(*struct node,*void)s32;@128 s64}24",
	"v_tls":          "s64",
	"v_volatile":     "u32",
	"v_atomic":       "s32",
}

// compilers are gcc, clang-19 and, unless the tests are to be short, all other versions of both that the machine has.
func compilers(t *testing.T) []string {
	list := []string{"gcc", "clang-19"}
	var have []string
	for _, cc := range list {
		testenv.Need(t, cc)
		path, _ := exec.LookPath(cc)
		path, _ = filepath.EvalSymlinks(path)
		have = append(have, path)
	}
	if testing.Short() {
		return list
	}
	version := regexp.MustCompile(`^(gcc|clang)-[0-9]+$`)
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		files, _ := os.ReadDir(dir) // one that is not there has none
		for _, f := range files {
			if !version.MatchString(f.Name()) {
				continue
			}
			path, err := filepath.EvalSymlinks(filepath.Join(dir, f.Name()))
			if err == nil && !slices.Contains(have, path) {
				list, have = append(list, f.Name()), append(have, path)
			}
		}
	}
	return list
}

// run runs a command in a folder.
func run(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	testenv.Need(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

// source copies a source of testdata into a folder, so that nothing of it is found through another.
func source(t testing.TB, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// sigText is the signature of a symbol, or what is wrong with it.
func sigText(in *Info, q Query) string {
	k, err := in.Lookup(q)
	if err != nil {
		return err.Error()
	}
	s, err := SignatureOf(k.Type)
	if err != nil {
		return err.Error()
	}
	if s.Hash != HashOf(s.Text) || s.Hash == 0 {
		return "the hash does not fit the text"
	}
	return s.Text
}

// checkKinds looks up all symbols of kinds.
func checkKinds(t *testing.T, in *Info, list []Query, from Source) {
	t.Helper()
	n := 0
	for _, q := range list {
		want, ok := kinds[q.Name]
		if !ok {
			continue
		}
		n++
		if got := sigText(in, q); got != want {
			t.Errorf("%s: %s, want %s", q.Name, got, want)
		}
	}
	if n != len(kinds) {
		t.Errorf("%d symbols of %d", n, len(kinds))
	}
	if s, file, err := in.Source(); s != from || err != nil {
		t.Errorf("from %v, %s: %v, want %v", s, file, err, from)
	}
}

func openInfo(t testing.TB, path string, o *Options) *Info {
	t.Helper()
	in, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestKinds is the experiment: the same source gives the same signatures whatever compiled it, and however the debugging information is
// stored.
func TestKinds(t *testing.T) {
	for _, cc := range compilers(t) {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			src := source(t, dir, "kinds.c")
			for _, v := range []string{"4", "5"} {
				for _, level := range []string{"-O0", "-O2"} {
					t.Run("dwarf"+v+level, func(t *testing.T) {
						run(t, dir, cc, "-shared", "-fPIC", "-w", "-gdwarf-"+v, level, src, "-o", "lib.so")
						lib := filepath.Join(dir, "lib.so")
						checkKinds(t, openInfo(t, lib, nil), exports(t, lib), FromDWARF)
					})
				}
			}
		})
	}
}

// TestLayouts is the ways in which compilers lay out debugging information.
func TestLayouts(t *testing.T) {
	for _, cc := range []string{"gcc", "clang-19"} {
		for _, v := range []string{"4", "5"} {
			if testing.Short() && v == "4" {
				continue
			}
			t.Run(cc+"-dwarf"+v, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				src := source(t, dir, "kinds.c")
				lib := filepath.Join(dir, "lib.so")
				for _, option := range []string{"-fdebug-types-section", "-gz=zlib", "-gdwarf64"} {
					run(t, dir, cc, "-shared", "-fPIC", "-w", "-gdwarf-"+v, option, src, "-o", lib)
					checkKinds(t, openInfo(t, lib, nil), exports(t, lib), FromDWARF)
				}
				run(t, dir, cc, "-c", "-fPIC", "-w", "-gsplit-dwarf", "-gdwarf-"+v, src, "-fdebug-types-section")
				run(t, dir, cc, "-shared", "kinds.o", "-o", lib)
				list := exports(t, lib)
				checkKinds(t, openInfo(t, lib, nil), list, FromDWARF)

				dwp := "dwp" // of binutils, which does not know DWARF 5
				if v == "5" {
					dwp = "llvm-dwp"
				}
				if cc == "gcc" && v == "5" {
					return // llvm-dwp does not end on what gcc writes
				}
				run(t, dir, dwp, "-e", "lib.so", "-o", "lib.so.dwp")
				if err := os.Remove(filepath.Join(dir, "kinds.dwo")); err != nil {
					t.Fatal(err)
				}
				checkKinds(t, openInfo(t, lib, nil), list, FromDWARF)

				if err := os.Remove(lib + ".dwp"); err != nil {
					t.Fatal(err)
				}
				if _, err := openInfo(t, lib, nil).Lookup(Query{Name: "f_int"}); !errors.Is(err, ErrNotFound) {
					t.Errorf("without its .dwo: %v", err)
				}
			})
		}
	}
}

// TestStored is what tools do to debugging information afterwards.
func TestStored(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	in := func(name string) string { return filepath.Join(dir, name) }
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", "-O2", src, "-o", "lib.so", "-Wl,--build-id=sha1")
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", "-O2", src, "-o", "noid.so", "-Wl,--build-id=none")
	list := exports(t, in("lib.so"))

	ways := []string{"zstd", "zlib-gnu", "zlib", "zlib-gabi"}
	if testing.Short() {
		ways = ways[:1]
	}
	for _, how := range ways {
		t.Run(how, func(t *testing.T) {
			run(t, dir, "objcopy", "--compress-debug-sections="+how, "lib.so", how+".so")
			checkKinds(t, openInfo(t, in(how+".so"), nil), list, FromDWARF)
		})
	}
	versions := []string{"-gdwarf-5", "-gdwarf-4"}
	if testing.Short() {
		versions = versions[:1]
	}
	t.Run("dwz", func(t *testing.T) {
		run(t, dir, "dwz", "-o", "dwz.so", "lib.so")
		checkKinds(t, openInfo(t, in("dwz.so"), nil), list, FromDWARF)
	})
	t.Run("dwz-m", func(t *testing.T) {
		for _, dw := range versions {
			for _, name := range []string{"a.so", "b.so"} {
				run(t, dir, "gcc", "-shared", "-fPIC", "-w", dw, "-O1", src, "-o", name)
			}
			args := []string{"-m", "alt.debug", "a.so", "b.so"}
			if dw == "-gdwarf-5" {
				args = append([]string{"-5"}, args...)
			}
			run(t, dir, "dwz", args...)
			checkKinds(t, openInfo(t, in("a.so"), nil), exports(t, in("a.so")), FromDWARF)
			if err := os.Remove(in("alt.debug")); err != nil {
				t.Fatal(err)
			}
			_, err := openInfo(t, in("a.so"), nil).Lookup(Query{Name: "f_node"})
			if err == nil {
				t.Error("a type was found without the supplementary file")
			}
		}
	})
	t.Run("build-id", func(t *testing.T) {
		f, err := elf.Open(in("lib.so"))
		if err != nil {
			t.Fatal(err)
		}
		path := buildIDPath(in("debug"), f.BuildID())
		f.Close()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "objcopy", "--only-keep-debug", "lib.so", path)
		run(t, dir, "strip", "-g", "-o", "stripped.so", "lib.so")
		o := &Options{DebugDirs: []string{in("debug")}}
		checkKinds(t, openInfo(t, in("stripped.so"), o), list, FromDebugFile)
		_, err = openInfo(t, in("stripped.so"), &Options{NoSeparate: true}).Lookup(list[0])
		if !errors.Is(err, ErrNoDebugInfo) {
			t.Errorf("without separate files: %v", err)
		}
		// A file of another build-id under this name is passed over.
		run(t, dir, "objcopy", "--only-keep-debug", "noid.so", path)
		_, err = openInfo(t, in("stripped.so"), o).Lookup(list[0])
		if !errors.Is(err, ErrNoDebugInfo) {
			t.Errorf("with the file of another build-id: %v", err)
		}
	})
	t.Run("debuglink", func(t *testing.T) {
		run(t, dir, "objcopy", "--only-keep-debug", "noid.so", "noid.debug")
		run(t, dir, "objcopy", "-g", "--add-gnu-debuglink=noid.debug", "noid.so", "linked.so")
		checkKinds(t, openInfo(t, in("linked.so"), nil), exports(t, in("linked.so")), FromDebugFile)
		if err := os.Mkdir(in(".debug"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(in("noid.debug"), in(".debug/noid.debug")); err != nil {
			t.Fatal(err)
		}
		checkKinds(t, openInfo(t, in("linked.so"), nil), exports(t, in("linked.so")), FromDebugFile)
		// One byte more, and the checksum is another.
		file, err := os.OpenFile(in(".debug/noid.debug"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		file.Write([]byte{0})
		file.Close()
		if _, err := openInfo(t, in("linked.so"), nil).Lookup(list[0]); !errors.Is(err, ErrNoDebugInfo) {
			t.Errorf("with the wrong checksum: %v", err)
		}
	})
	t.Run("relocatable", func(t *testing.T) {
		for _, cc := range []string{"gcc", "clang-19"} {
			for _, v := range versions {
				run(t, dir, cc, "-c", "-w", "-O1", v, "-ffunction-sections", "-fdata-sections", src, "-o", "kinds.o")
				info := openInfo(t, in("kinds.o"), nil)
				symbols, err := info.Symbols()
				if err != nil {
					t.Fatal(err)
				}
				checkKinds(t, info, symbols, FromDWARF)
			}
		}
	})
	t.Run("lto", func(t *testing.T) {
		run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", "-O2", "-flto", src, "-o", "lto.so")
		checkKinds(t, openInfo(t, in("lto.so"), nil), exports(t, in("lto.so")), FromDWARF)
	})
	t.Run("folded", func(t *testing.T) {
		text := "long same(long n) { return n + 1; }\nvoid *alike(char *p) { return p + 1; }\n"
		if err := os.WriteFile(in("icf.c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, ld := range []string{"lld-19", "mold"} {
			run(t, dir, "clang-19", "-shared", "-fPIC", "-g", "-O2", "-ffunction-sections", "-fuse-ld="+ld, "-Wl,--icf=all", "icf.c", "-o", "icf.so")
			info := openInfo(t, in("icf.so"), nil)
			list := exports(t, in("icf.so"))
			if len(list) != 2 || list[0].Addr != list[1].Addr {
				t.Fatalf("%s did not fold: %v", ld, list)
			}
			want := map[string]string{"same": "fn(s64)s64", "alike": "fn(*s8)*void"}
			for _, q := range list {
				if got := sigText(info, q); got != want[q.Name] {
					t.Errorf("%s, %s: %s, want %s", ld, q.Name, got, want[q.Name])
				}
			}
		}
	})
	t.Run("memory", func(t *testing.T) {
		data, err := os.ReadFile(in("lib.so"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := New("memory", data, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkKinds(t, info, list, FromDWARF)
	})
}
