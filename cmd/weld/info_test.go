package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"weld/image/elf"
)

// hostLibraries are the files that weld info is compared on with readelf: the C library's, and what a compiler needs.
func hostLibraries(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, name := range []string{"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "crti.o"} {
		out, err := exec.Command("gcc", "-print-file-name="+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		path, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
		if err != nil {
			continue // gcc knows no such file
		}
		files = append(files, path)
	}
	if len(files) < 3 {
		t.Fatalf("gcc knows only %v (Debian: apt-get install libc6-dev)", files)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append(files, self)
}

func runJSON(t *testing.T, v any, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(args, nil, &out, &errs); status != 0 {
		t.Fatalf("weld %v: status %d: %s", args, status, &errs)
	}
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("weld %v: %v", args, err)
	}
}

// TestInfoAgainstReadelf compares what readelf says of each file.
func TestInfoAgainstReadelf(t *testing.T) {
	needTools(t, "gcc", "readelf")
	for _, path := range hostLibraries(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var info fileInfo
			runJSON(t, &info, "info", "--json", "--symbols", path)
			readelf := func(flag string) string {
				out, err := exec.Command("readelf", flag, "-W", path).Output()
				if err != nil {
					t.Fatal(err)
				}
				return string(out)
			}
			find := func(text, re string) []string {
				list := []string{}
				for _, m := range regexp.MustCompile(`(?m)`+re).FindAllStringSubmatch(text, -1) {
					list = append(list, m[1])
				}
				return list
			}
			same := func(what string, got, want []string) {
				t.Helper()
				counted := map[string]int{}
				for _, s := range got {
					counted[s]++
				}
				for _, s := range want {
					counted[s]--
				}
				for s, n := range counted {
					if n != 0 {
						t.Errorf("%s: %q is %d times more in weld's list than in readelf's", what, s, n)
					}
				}
			}

			var segments []string
			for _, s := range info.Segments {
				segments = append(segments, strings.TrimPrefix(strings.TrimPrefix(s.Type, "PT_"), "GNU_"))
			}
			same("segments", segments, find(readelf("-l"), `^  (?:GNU_)?([A-Z_]+) +0x[0-9a-f]+ 0x`))

			dynamic := readelf("-d")
			needed, soname, entries := []string{}, []string{}, 0
			if d := info.Dynamic; d != nil {
				needed, entries = d.Needed, len(d.Entries)
				if d.Soname != "" {
					soname = append(soname, d.Soname)
				}
			}
			same("needed", needed, find(dynamic, `\(NEEDED\) +Shared library: \[(.*)\]`))
			same("soname", soname, find(dynamic, `\(SONAME\) +Library soname: \[(.*)\]`))
			if want := len(find(dynamic, `^ 0x[0-9a-f]+ \(([A-Z0-9_<>: a-f]+)\)`)); entries != max(0, want-1) { // without DT_NULL
				t.Errorf("%d dynamic entries, readelf has %d", entries, want)
			}

			types := find(readelf("-r"), `^[0-9a-f]{16}  [0-9a-f]{16} (R_[A-Z0-9_]+)`)
			if info.Header.Type == elf.ET_DYN.String() || info.Header.Type == elf.ET_EXEC.String() {
				counted := map[string]int{}
				for _, name := range types {
					counted[regexp.MustCompile("^R_X86_64_JUMP_SLO.*").ReplaceAllString(name, "R_X86_64_JMP_SLOT")]++
				}
				for name, n := range info.Relocations.ByType {
					if counted[name] != n {
						t.Errorf("%d %s, readelf has %d", n, name, counted[name])
					}
					delete(counted, name)
				}
				if len(counted) > 0 {
					t.Errorf("readelf has also %v", counted)
				}
			}

			var symbols []string
			for _, s := range info.SymbolList {
				symbols = append(symbols, strings.TrimSuffix(s.fullName(), " ("+s.From+")"))
			}
			same("symbols", symbols, find(readelf("--dyn-syms"), `^ +[1-9][0-9]*: [0-9a-f]{16} .*? ([^ \n(]+)(?: \([0-9]+\))?$`))
			if info.Symbols.Dynamic != len(symbols) || info.Symbols.Defined+info.Symbols.Undefined != len(symbols) {
				t.Errorf("the counts are not those of %d symbols: %+v", len(symbols), info.Symbols)
			}

			if self, err := os.Executable(); err == nil && path == self {
				return // Go's linker leaves the note out of its PT_NOTE; readelf takes the section
			}
			same("build ID", slices.DeleteFunc([]string{info.BuildID}, func(s string) bool { return s == "" }), find(readelf("-n"), `Build ID: ([0-9a-f]+)`))
		})
	}
}

// TestInfoJSONNames pins the names of the JSON object, which other programs read.
func TestInfoJSONNames(t *testing.T) {
	needTools(t, "gcc")
	dir := t.TempDir()
	src, lib := filepath.Join(dir, "a.c"), filepath.Join(dir, "liba.so")
	if err := os.WriteFile(src, []byte("__thread int a; int *f(void) { return &a; }"), 0o600); err != nil {
		t.Fatal(err)
	}
	versions := filepath.Join(dir, "a.map")
	if err := os.WriteFile(versions, []byte("A_1 { a; }; A_2 { f; } A_1;"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-Wl,-z,relro,--build-id,--version-script="+versions, "-o", lib, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var info map[string]any
	runJSON(t, &info, "info", "--json", "--symbols", lib)
	var names []string
	var collect func(prefix string, v any)
	collect = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if prefix == "relocations.by_type." || prefix == "symbols.by_type." || prefix == "symbols.by_bind." {
				return
			}
			for k, w := range v {
				names = append(names, prefix+k)
				collect(prefix+k+".", w)
			}
		case []any:
			for _, w := range v {
				collect(prefix, w)
			}
		}
	}
	collect("", info)
	slices.Sort(names)
	got := strings.Join(slices.Compact(names), "\n")
	const want = `build_id
dynamic
dynamic.bind_now
dynamic.entries
dynamic.entries.tag
dynamic.entries.value
dynamic.flags
dynamic.flags_1
dynamic.hash
dynamic.needed
dynamic.symbolic
dynamic.textrel
eh_frame_hdr
eh_frame_hdr.eh_frame
eh_frame_hdr.fde_count
eh_frame_hdr.search_table
eh_frame_hdr.vaddr
file
header
header.abi_version
header.arch
header.class
header.data
header.entry
header.flags
header.machine
header.osabi
header.phnum
header.shnum
header.type
init_fini
init_fini.fini
init_fini.fini_array
init_fini.init
init_fini.init_array
init_fini.preinit_array
relocations
relocations.by_type
relocations.plt
relocations.rel
relocations.rela
relocations.relr
relro
relro.full
relro.memsz
relro.vaddr
segments
segments.align
segments.filesz
segments.flags
segments.memsz
segments.offset
segments.paddr
segments.type
segments.vaddr
size
stack
stack.executable
stack.present
symbol_list
symbol_list.bind
symbol_list.default_version
symbol_list.defined
symbol_list.from
symbol_list.index
symbol_list.name
symbol_list.size
symbol_list.type
symbol_list.value
symbol_list.version
symbol_list.visibility
symbols
symbols.by_bind
symbols.by_type
symbols.defined
symbols.dynamic
symbols.exported
symbols.symtab
symbols.undefined
tls
tls.align
tls.filesz
tls.memsz
tls.static_tls
tls.vaddr
version_defs
version_defs.base
version_defs.index
version_defs.name
version_defs.parents
version_defs.weak
version_needs
version_needs.file
version_needs.versions
version_needs.versions.index
version_needs.versions.name
version_needs.versions.weak
write_exec`
	if got != want {
		t.Errorf("the names are now:\n%s", got)
	}
}
