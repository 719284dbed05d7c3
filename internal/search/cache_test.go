package search

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestCacheAgainstLdconfig compares the entries with what ldconfig -p prints.
func TestCacheAgainstLdconfig(t *testing.T) {
	ldconfig := tool(t, "ldconfig", "libc-bin")
	dir := realTempDir(t)
	makeTree(t, dir)
	files := []string{"/etc/ld.so.cache"}
	for _, format := range []string{"old", "compat", "new"} {
		files = append(files, makeCache(t, dir, format))
	}
	for _, file := range files {
		c, err := ReadCache(file)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, e := range entries(t, c) {
			got = append(got, e.Name+" "+e.Path)
		}
		for _, line := range strings.Split(must(t, "/", ldconfig, "-C", file, "-p"), "\n") {
			if name, path, ok := strings.Cut(line, " => "); ok && strings.HasPrefix(line, "\t") {
				name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
				want = append(want, name+" "+path)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d entries, ldconfig has %d\n%q\n%q", file, len(got), len(want), got, want)
		}
	}
}

// entries decodes all of them.
func entries(t *testing.T, c *Cache) []CacheEntry {
	t.Helper()
	list := make([]CacheEntry, c.Len())
	for i := range list {
		var err error
		if list[i], err = c.Entry(i); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// makeTree builds a folder of libraries, some for hardware levels.
func makeTree(t testing.TB, dir string) {
	gcc := tool(t, "gcc", "gcc")
	build(t, dir, gcc,
		object{file: "plain/liba.so.1", soname: "liba.so.1"},
		object{file: "plain/liba.so.10", soname: "liba.so.10"},
		object{file: "plain/libb.so.1", soname: "libb.so.1"},
		object{file: "lib/liba.so.1", soname: "liba.so.1"},
		object{file: "lib/liba.so.2", soname: "liba.so.2"},
		object{file: "lib/liba.so.10", soname: "liba.so.10"},
		object{file: "lib/libb.so.1", soname: "libb.so.1"},
		object{file: "lib/glibc-hwcaps/x86-64-v2/libb.so.1", soname: "libb.so.1"},
		object{file: "lib/glibc-hwcaps/x86-64-v3/libb.so.1", soname: "libb.so.1", flags: []string{"-Wl,-z,x86-64-v3"}},
		object{file: "lib/glibc-hwcaps/x86-64-v4/libb.so.1", soname: "libb.so.1"},
		object{file: "lib/glibc-hwcaps/x86-64-v2/libc1.so.1", soname: "libc1.so.1"},
		object{file: "lib/libd.so.1", soname: "libd.so.1"},
		object{file: "lib/glibc-hwcaps/x86-64-v2/libd.so.1", soname: "libd.so.1", flags: []string{"-Wl,-z,x86-64-v4"}},
		object{file: "lib/glibc-hwcaps/other/libe.so.1", soname: "libe.so.1"},
		object{file: "lib/libe.so.1", soname: "libe.so.1"},
		object{file: "lib/tls/x86_64/libf.so.1", soname: "libf.so.1"},
		object{file: "lib/libf.so.1", soname: "libf.so.1"},
		object{file: "lib/haswell/libg.so.1", soname: "libg.so.1"},
		object{file: "lib/libg.so.1", soname: "libg.so.1"},
		object{file: "prog", needs: treeNames},
	)
}

var treeNames = []string{"liba.so.1", "liba.so.2", "liba.so.10", "libb.so.1", "libc1.so.1", "libd.so.1", "libe.so.1",
	"libf.so.1", "libg.so.1"}

// cacheName is as long as /etc/ld.so.cache, so that it can take its place in a copy of ld.so.
const cacheName = "cache.0123456789"

// makeCache has ldconfig write a cache of the tree and of the system's libraries. It knows three formats, but that of
// glibc 2.36 mixes up the old ones if there are folders for hardware. So "old" is of a folder without such, and
// "compat" is "old" with "new" behind it, put together here.
func makeCache(t testing.TB, dir, format string) string {
	t.Helper()
	ldconfig := tool(t, "ldconfig", "libc-bin")
	file := filepath.Join(dir, format, cacheName)
	if format == "compat" {
		read := func(format string) []byte {
			data, err := os.ReadFile(makeCache(t, dir, format))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		u32, put := binary.LittleEndian.Uint32, binary.LittleEndian.PutUint32
		front, back := read("old"), read("new")
		front = front[:headerOld+u32(front[12:])*entryOld]
		front = append(front, make([]byte, -len(front)&7)...)
		move := func(at uint32) { put(back[at:], u32(back[at:])+uint32(len(front))) }
		ext := u32(back[32:])
		move(32)
		for i := range u32(back[ext+4:]) {
			sec := ext + 8 + i*sectionLen
			if u32(back[sec:]) == tagHWCaps {
				for n := range u32(back[sec+12:]) / 4 {
					move(u32(back[sec+8:]) + 4*n)
				}
			}
			move(sec + 8)
		}
		write(t, file, string(front)+string(back))
		return file
	}
	conf := filepath.Join(dir, format, "conf")
	write(t, conf, dir+"/"+map[string]string{"old": "plain", "new": "lib"}[format]+"\n")
	must(t, dir, ldconfig, "-X", "-c", format, "-C", file, "-f", conf)
	return file
}

// TestCacheAgainstLdso runs a copy of ld.so that reads another cache, in each of the formats.
func TestCacheAgainstLdso(t *testing.T) {
	dir := realTempDir(t)
	makeTree(t, dir)
	ldso, err := os.ReadFile(hostLinker)
	if err != nil {
		t.Fatal(err)
	}
	patched := bytes.ReplaceAll(ldso, []byte("/etc/ld.so.cache\x00"), []byte(cacheName+"\x00"))
	if bytes.Equal(patched, ldso) {
		t.Fatal("ld.so has no name of a cache")
	}
	if err := os.WriteFile(dir+"/ld.so", patched, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"old", "compat", "new"} {
		t.Run(format, func(t *testing.T) {
			cwd := filepath.Dir(makeCache(t, dir, format))
			want := listed(output(t, cwd, []string{"LD_TRACE_LOADED_OBJECTS=1"}, dir+"/ld.so", dir+"/prog"))
			s := New(Config{CacheFile: filepath.Join(cwd, cacheName)})
			for _, n := range treeNames {
				path, err := s.Find(n, &Requester{Path: dir + "/prog"}, acceptELF(""))
				if path != want[n] {
					t.Errorf("%s: %q (%v), ld.so has %q", n, path, err, want[n])
				}
			}
			if want["liba.so.10"] == "" || format != "old" && want["libb.so.1"] == dir+"/lib/libb.so.1" && len(HWCaps()) > 0 {
				t.Errorf("ld.so did not use the cache: %q", want)
			}
		})
	}
}

// listed reads ld.so --list.
func listed(out string) map[string]string {
	m := make(map[string]string)
	for _, line := range strings.Split(out, "\n") {
		if name, path, ok := strings.Cut(strings.TrimSpace(line), " => "); ok {
			path, _, _ = strings.Cut(path, " (0x")
			if path == "not found" {
				path = ""
			}
			m[name] = path
		}
	}
	return m
}

// TestEveryCachedName looks up all names of the system's cache and compares with ld.so --list of a program that needs
// them all.
func TestEveryCachedName(t *testing.T) {
	gcc := tool(t, "gcc", "gcc")
	c, err := ReadCache("/etc/ld.so.cache")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	seen := make(map[string]bool)
	dir := realTempDir(t)
	for _, e := range entries(t, c) {
		if seen[e.Name] || e.Flags != hostArch.cacheFlags {
			continue
		}
		seen[e.Name] = true
		names = append(names, e.Name)
	}
	write(t, dir+"/main.c", "int main(void) { return 0; }")
	argv := []string{gcc, "-o", dir + "/prog", dir + "/main.c", "-Wl,--no-as-needed", "-Wl,--unresolved-symbols=ignore-all"}
	for _, n := range names {
		file := filepath.Join(dir, "stubs", n)
		write(t, file, stub(t, n))
		argv = append(argv, file)
	}
	must(t, dir, argv...)
	want := listed(must(t, dir, hostLinker, "--list", dir+"/prog"))
	s := New(Config{})
	compared := 0
	for _, n := range names {
		path, err := s.Find(n, &Requester{Path: dir + "/prog"}, acceptELF(""))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		// A name that is another's file, or ld.so's own, ld.so does not search for.
		if w, ok := want[n]; ok {
			compared++
			if w != path {
				t.Errorf("%s: %s, ld.so has %s", n, path, w)
			}
		} else if !strings.HasPrefix(n, "ld-linux") {
			f, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			so, _ := f.DynString(elf.DT_SONAME)
			f.Close()
			if len(so) == 0 || so[0] == n {
				t.Errorf("%s is not in the list of ld.so", n)
			}
		}
	}
	if compared < len(names)/2 || compared == 0 {
		t.Errorf("compared %d of %d names", compared, len(names))
	}
	t.Logf("compared %d of %d names", compared, len(names))
}

func TestCompareNames(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		sign int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "a", -1}, {"", "1", -1}, {"1", "", 1}, {"a", "b", -1}, {"lib.so.2", "lib.so.10", -1},
		{"lib.so.01", "lib.so.1", 0}, {"lib.so.00", "lib.so.0", 0}, {"lib1", "liba", 1}, {"liba", "lib1", -1},
		{"x99999999999999999998", "x99999999999999999999", -1}, {"x1a", "x1b", -1}, {"\xff", "a", -1}, {"", "\xff", 1},
	} {
		got := compareNames(tt.a, tt.b)
		if got < 0 && tt.sign >= 0 || got > 0 && tt.sign <= 0 || got == 0 && tt.sign != 0 {
			t.Errorf("%q %q: %d, want %d", tt.a, tt.b, got, tt.sign)
		}
	}
}

func TestBadCache(t *testing.T) {
	good, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Fatal(err)
	}
	ext := binary.LittleEndian.Uint32(good[32:])
	change := func(off int, with ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[off:], with)
		return b
	}
	for name, tt := range map[string]struct {
		data []byte
		off  int64
		what string
	}{
		"empty":            {nil, 0, "no ld.so.cache"},
		"text":             {[]byte("text"), 0, "no ld.so.cache"},
		"header":           {good[:40], 0, "header cut short"},
		"old header":       {[]byte("ld.so-1.7.0\x00\x01"), 0, "header cut short"},
		"old entries":      {[]byte("ld.so-1.7.0\x00\xff\xff\xff\xff"), 12, "4294967295 entries do not fit"},
		"entries":          {change(20, 0xff, 0xff, 0xff, 0xff), 20, "4294967295 entries do not fit"},
		"byte order":       {change(28, 3), 28, "byte order"},
		"name":             {change(48+4, 0xff, 0xff, 0xff, 0xff), 52, "name string at 0xffffffff is beyond the end"},
		"path":             {change(48+8, 0xff, 0xff, 0xff, 0x7f), 56, "path string at 0x7fffffff is beyond the end"},
		"extension":        {change(32, 0xfc, 0xff, 0xff, 0xff), int64(len(good)), "misplaced"},
		"extension offset": {change(32, 1, 0, 0, 0), 1, "misplaced"},
		"extension magic":  {change(int(ext), 0), int64(ext), "extension has magic"},
		"extension none":   {change(32, 0, 0, 0, 0), -1, ""},
		"extension count":  {change(int(ext)+4, 0xff, 0xff, 0xff, 0xff), int64(ext) + 4, "4294967295 extension sections"},
	} {
		c, err := parseCache("c", tt.data)
		for i := 0; err == nil && i < c.Len(); i++ {
			_, err = c.Entry(i)
		}
		if strings.HasPrefix(name, "extension") {
			if err != nil || c.Len() == 0 {
				t.Errorf("%s: %v", name, err)
				continue
			}
			err = c.ExtensionErr
		}
		if tt.off < 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var ce *CacheError
		if !errors.As(err, &ce) || ce.File != "c" || ce.Off != tt.off || !strings.Contains(ce.What, tt.what) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadCache(t.TempDir() + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadCache(t.TempDir()); err == nil {
		t.Error("a directory was read as a cache")
	}

	// A bad cache is passed over, and said.
	fsys := mapFS{"/etc/ld.so.cache": "garbage", "/lib/liba.so": ""}
	s := New(Config{FS: fsys, Defaults: []string{"/lib"}})
	if path, err := s.Find("liba.so", nil, nil); err != nil || path != "/lib/liba.so" {
		t.Error(path, err)
	}
	_, err = s.Find("libb.so", nil, nil)
	var nf *NotFoundError
	var ce *CacheError
	if !errors.As(err, &nf) || !errors.As(nf.Tried[0].Err, &ce) || nf.Tried[0].Why != WhyCache {
		t.Errorf("%+v", err)
	}
}
