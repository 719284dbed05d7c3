package search

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mapFS is a file system of texts by absolute path.
type mapFS map[string]string

type mapInfo struct {
	name string
	size int64
	dir  bool
}

func (i mapInfo) Name() string       { return i.name }
func (i mapInfo) Size() int64        { return i.size }
func (i mapInfo) ModTime() time.Time { return time.Unix(0, 0) }
func (i mapInfo) IsDir() bool        { return i.dir }
func (i mapInfo) Sys() any           { return nil }
func (i mapInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func (m mapFS) Stat(path string) (fs.FileInfo, error) {
	path = filepath.Clean(path)
	if text, ok := m[path]; ok {
		return mapInfo{name: filepath.Base(path), size: int64(len(text))}, nil
	}
	for p := range m {
		if strings.HasPrefix(p, strings.TrimSuffix(path, "/")+"/") {
			return mapInfo{name: filepath.Base(path), dir: true}, nil
		}
	}
	return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
}

// refuse makes a function for Find that refuses every file there is.
func (m mapFS) refuse(why error) func(string) error {
	return func(path string) error {
		if _, err := m.Stat(path); err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return why
	}
}

func (m mapFS) Lstat(path string) (fs.FileInfo, error) { return m.Stat(path) }

func (m mapFS) Map(path string) ([]byte, func(), error) {
	data, err := m.ReadFile(path)
	return data, nil, err
}

func (m mapFS) ReadFile(path string) ([]byte, error) {
	if text, ok := m[path]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func TestSplitLibraryPath(t *testing.T) {
	for _, tt := range []struct {
		f    Flavor
		in   string
		want string
	}{
		{Glibc, "", `[]`}, {Glibc, ":", `["" ""]`}, {Glibc, "/a:/b;/c\n", `["/a" "/b" "/c\n"]`}, {Musl, "/a:/b;/c\n/d", `["/a" "/b;/c" "/d"]`},
	} {
		if got := fmt.Sprintf("%q", SplitLibraryPath(tt.f, tt.in)); got != tt.want {
			t.Errorf("%v %q: %s", tt.f, tt.in, got)
		}
	}
}

func TestNotFound(t *testing.T) {
	fsys := mapFS{"/run/x": "", "/env/x": "", "/lib/x": ""}
	s := New(Config{FS: fsys, Defaults: []string{"/lib", "/usr/lib"}, LibraryPath: []string{"/env", "/none"}, ExtraPath: []string{"/extra"}, Minor: 37})
	from := &Requester{Path: "/bin/prog", Runpath: "$ORIGIN/../run", HasRunpath: true}
	_, err := s.Find("libq.so.1", from, nil)
	var nf *NotFoundError
	if !errors.As(err, &nf) || !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrWrongClass) {
		t.Fatal(err)
	}
	const all = `libq.so.1: shared library not found (needed by /bin/prog)
	/extra/libq.so.1 (namespace path): file does not exist
	/env/libq.so.1 (LD_LIBRARY_PATH): file does not exist
	/none/libq.so.1 (LD_LIBRARY_PATH): file does not exist
	/bin/../run/libq.so.1 (RUNPATH of /bin/prog): file does not exist
	/etc/ld.so.cache (ld.so.cache): file does not exist
	/lib/libq.so.1 (default directory): file does not exist
	/usr/lib/libq.so.1 (default directory): file does not exist`
	if got := fmt.Sprintf("%+v", err); got != all {
		t.Errorf("got\n%s\nwant\n%s", got, all)
	}
	const line = "libq.so.1: shared library not found (needed by /bin/prog); tried /extra/libq.so.1 (namespace path), " +
		"/env/libq.so.1 (LD_LIBRARY_PATH), /none/libq.so.1 (LD_LIBRARY_PATH), /bin/../run/libq.so.1 (RUNPATH of /bin/prog) and 3 more"
	if got := err.Error(); got != line {
		t.Errorf("got\n%s\nwant\n%s", got, line)
	}

	fsys["/usr/lib/libq.so.1"] = ""
	_, err = s.Find("libq.so.1", from, fsys.refuse(fmt.Errorf("%w: ELFCLASS32", ErrWrongClass)))
	if !errors.Is(err, ErrWrongClass) || !strings.Contains(err.Error(), "tried /usr/lib/libq.so.1 (default directory): wrong ELF class: ELFCLASS32, /extra") {
		t.Error(err)
	}
	broken := errors.New("broken")
	_, err = s.Find("libq.so.1", from, fsys.refuse(broken))
	var ce *CandidateError
	if !errors.As(err, &ce) || !errors.Is(err, broken) || err.Error() != "libq.so.1: /usr/lib/libq.so.1 (default directory): broken" {
		t.Error(err)
	}
	_, err = s.Find("/usr/lib/libq.so.1", from, func(p string) error { return &fs.PathError{Op: "open", Path: p, Err: syscall.EACCES} })
	if !errors.As(err, &nf) || err.Error() != "/usr/lib/libq.so.1: shared library not found (needed by /bin/prog); tried /usr/lib/libq.so.1 (path): permission denied" {
		t.Error(err)
	}
	for _, bad := range []string{"", "a\x00b", "$ORIGIN/x"} {
		var ne *NameError
		if _, err := s.Find(bad, nil, nil); !errors.As(err, &ne) || ne.Name != bad {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSecure(t *testing.T) {
	fsys := mapFS{"/lib/sub/liba.so": "", "/opt/liba.so": "", "/env/libe.so": "", "/opt/sub/liba.so": "", "/lib/sublib/liba.so": "", "/x/lib64/liba.so": ""}
	main := &Requester{Path: "/opt/prog", Rpath: "$ORIGIN:$ORIGIN/../lib/./sub"}
	s := New(Config{FS: fsys, Secure: true, Main: main, Defaults: []string{"/lib/"}, LibraryPath: []string{"/env"}, Lib: "lib64", NoCache: true})
	for _, tt := range []struct {
		name string
		from *Requester
		want string
	}{
		{"libe.so", main, ""}, // LD_LIBRARY_PATH
		{"liba.so", main, "/opt/../lib/./sub/liba.so"},
		{"liba.so", &Requester{Path: "/opt/l.so", Runpath: "$ORIGIN", HasRunpath: true, Loader: main}, "/opt/liba.so"},
		{"liba.so", &Requester{Path: "/opt/l.so", Runpath: "/.$ORIGIN", HasRunpath: true, Loader: main}, ""},
		{"liba.so", &Requester{Path: "/opt/l.so", Runpath: "${ORIGIN}x", HasRunpath: true, Loader: main}, ""},
		{"liba.so", &Requester{Path: "/opt/l.so", Runpath: "/x/$LIB", HasRunpath: true, Loader: main}, "/x/lib64/liba.so"},
		{"$ORIGIN/liba.so", main, ""},
	} {
		path, err := s.Find(tt.name, tt.from, nil)
		if path != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s for %+v: %q, %v", tt.name, tt.from, path, err)
		}
	}
	var ne *NameError
	if _, err := s.Find("$LIB/liba.so", main, nil); !errors.As(err, &ne) || !strings.Contains(ne.What, "privileged") {
		t.Error(err)
	}
	if path, err := s.FindDlopen("$ORIGIN/sub/liba.so", &Requester{Path: "/opt/l.so", Loader: main}, nil); err != nil || path != "/opt/sub/liba.so" {
		t.Error(path, err)
	}
	if _, err := s.FindDlopen("$ORIGIN/sub/liba.so", main, nil); !errors.As(err, &ne) {
		t.Error(err)
	}
}

func TestRoot(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/opt/lib/liba.so", "")
	write(t, root+"/lib64/libb.so", "")
	var asked []string
	s := New(Config{Root: root + "/"})
	if err := os.MkdirAll(root+"/opt/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	path, err := s.Find("liba.so", &Requester{Path: "/opt/bin/prog", Rpath: "$ORIGIN/../lib"}, func(p string) error {
		asked = append(asked, p)
		return nil
	})
	if err != nil || path != "/opt/bin/../lib/liba.so" || len(asked) != 1 || asked[0] != path {
		t.Error(path, err, asked)
	}
	if _, err := os.Stat(s.HostPath(path)); err != nil {
		t.Error(err)
	}
	if path, err := s.Find("libb.so", nil, nil); err != nil || path != "/lib64/libb.so" {
		t.Error(path, err)
	}
}

// TestChanges has libraries, folders and caches appear and change between searches.
func TestChanges(t *testing.T) {
	dir := realTempDir(t)
	cache := dir + "/cache"
	s := New(Config{LibraryPath: []string{dir + "/d"}, CacheFile: cache, Defaults: []string{dir + "/def"}, HWCaps: []string{"x86-64-v2"}, Minor: 36})
	// Searches happen long after what they see, so that what is remembered is trusted.
	s.now = func() time.Time { return time.Now().Add(time.Hour) }
	find := func(want string) {
		t.Helper()
		path, err := s.Find("liba.so.1", nil, nil)
		if want != "" {
			want = dir + "/" + want
		}
		if path != want {
			t.Fatalf("%q (%v), want %q", path, err, want)
		}
	}
	find("")
	write(t, dir+"/def/liba.so.1", "")
	find("def/liba.so.1")
	makeTree(t, dir)
	if err := os.Rename(makeCache(t, dir, "new"), cache); err != nil {
		t.Fatal(err)
	}
	find("lib/liba.so.1")
	find("lib/liba.so.1")
	c1, err1 := s.Cache()
	c2, err2 := s.Cache()
	if c1 != c2 || err1 != nil || err2 != nil {
		t.Error("the cache is read every time", err1, err2)
	}
	write(t, cache, "garbage")
	find("def/liba.so.1")
	if err := os.Rename(makeCache(t, dir, "old"), cache); err != nil {
		t.Fatal(err)
	}
	find("plain/liba.so.1")
	write(t, dir+"/d/liba.so.1", "")
	find("d/liba.so.1")
	find("d/liba.so.1")
	if len(s.dirs) == 0 {
		t.Error("directories are not remembered")
	}
	for tick(t, dir+"/d") {
	}
	write(t, dir+"/d/glibc-hwcaps/x86-64-v2/liba.so.1", "")
	find("d/glibc-hwcaps/x86-64-v2/liba.so.1")
	if err := os.RemoveAll(dir + "/d"); err != nil {
		t.Fatal(err)
	}
	find("plain/liba.so.1")
}

// tick waits, and reports whether what changes now would have the same time stamp as a folder that has changed before.
func tick(t *testing.T, dir string) bool {
	t.Helper()
	time.Sleep(time.Millisecond)
	f, err := os.CreateTemp(t.TempDir(), "now")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	now, err1 := f.Stat()
	then, err2 := os.Stat(dir)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return !now.ModTime().After(then.ModTime())
}

func TestConcurrent(t *testing.T) {
	s := New(Config{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := s.Find("libc.so.6", nil, nil); err != nil {
					t.Error(err)
				}
				if _, err := s.Find("libweldmissing.so", nil, nil); err == nil {
					t.Error("found")
				}
			}
		})
	}
	wg.Wait()
}

func TestFamilies(t *testing.T) {
	for _, n := range []string{"libc.so.6", "libm.so.6", "libnss_dns.so.2", "ld-linux-x86-64.so.2", "libmvec.so.1"} {
		if !IsLibcFamily(n) {
			t.Error(n)
		}
	}
	for _, n := range []string{"", "libc.so", "libz.so.1", "libnss_systemd.so.2", "libcrypt.so.1", "/lib/libc.so.6"} {
		if IsLibcFamily(n) {
			t.Error(n)
		}
	}
	for _, tt := range []struct {
		needed string
		f      Flavor
		ok     bool
	}{
		{"libz.so.1 libc.so.6", Glibc, true}, {"ld-linux-x86-64.so.2", Glibc, true}, {"libc.so", Musl, true},
		{"libz.so.1 libc.musl-x86_64.so.1", Musl, true}, {"/lib/ld-musl-x86_64.so.1", Musl, true}, {"libz.so.1", Glibc, false}, {"", Glibc, false},
	} {
		if f, ok := LibcOf(strings.Fields(tt.needed)); f != tt.f || ok != tt.ok {
			t.Errorf("%q: %v %v", tt.needed, f, ok)
		}
	}
	if Glibc.String() != "glibc" || Musl.String() != "musl" {
		t.Error("names of flavors")
	}
}
