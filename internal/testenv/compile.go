package testenv

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A Dir is a folder of compiled fixtures, made by gcc, or what CC names, and g++. What is compiled later sees what was
// compiled earlier: the folder is on the linker's search path.
type Dir struct {
	Path string // absolute
	t    testing.TB
	src  string // folder of the sources
}

// NewDir makes an empty fixture folder that is removed with the test. Sources
// are looked for in the folder testdata of the test's package.
func NewDir(t testing.TB) *Dir {
	t.Helper()
	src, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return &Dir{Path: t.TempDir(), t: t, src: src}
}

// Join returns the path of a file in the folder.
func (d *Dir) Join(name string) string { return filepath.Join(d.Path, name) }

// Write puts a file with the given content into the folder and returns its path.
func (d *Dir) Write(name, content string) string {
	d.t.Helper()
	path := d.Join(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// Shared compiles sources to the shared object out and returns its path. An
// argument that ends in .c, .cc, .s or .S and has no slash is a source in testdata; the
// others go to the compiler as they are. The compiler is g++ if a source is
// C++, else gcc. The soname is the last element of out; -Wl,-soname in args
// overrides it.
func (d *Dir) Shared(out string, args ...string) string {
	d.t.Helper()
	return d.compile("", out, append([]string{"-shared", "-fPIC", "-Wl,-soname," + filepath.Base(out)}, args...))
}

// GlibcShared is Shared with gcc whatever CC says, and MuslShared with musl-gcc.
func (d *Dir) GlibcShared(out string, args ...string) string {
	d.t.Helper()
	return d.compile("gcc", out, append([]string{"-shared", "-fPIC", "-Wl,-soname," + filepath.Base(out)}, args...))
}

func (d *Dir) MuslShared(out string, args ...string) string {
	d.t.Helper()
	return d.compile("musl-gcc", out, append([]string{"-shared", "-fPIC", "-Wl,-soname," + filepath.Base(out)}, args...))
}

// Object compiles one source to the relocatable object out.
func (d *Dir) Object(out string, args ...string) string {
	d.t.Helper()
	return d.compile("", out, append([]string{"-c"}, args...))
}

// Program compiles sources to the executable out.
func (d *Dir) Program(out string, args ...string) string {
	d.t.Helper()
	return d.compile("", out, args)
}

// cache holds compiled fixtures of this run, by everything that went into them.
var cache = struct {
	sync.Mutex
	fixtures map[string]*fixture
}{fixtures: map[string]*fixture{}}

// A fixture is a compiled file. Its lock is held while it is compiled: parallel tests that want the same one wait.
type fixture struct {
	sync.Mutex
	path string // "" until it has been compiled
}

// cached returns the fixture for a key of Dir.key.
func cached(key string) *fixture {
	cache.Lock()
	defer cache.Unlock()
	f := cache.fixtures[key]
	if f == nil {
		f = new(fixture)
		cache.fixtures[key] = f
	}
	return f
}

func (d *Dir) compile(cc, out string, args []string) string {
	d.t.Helper()
	line := []string{"-O1", "-g", "-L" + d.Path}
	var sources []string
	for _, a := range args {
		switch filepath.Ext(a) {
		case ".cc":
			if cc == "" {
				cc = "g++"
			}
			fallthrough
		case ".c", ".s", ".S":
			if !strings.ContainsRune(a, '/') && !strings.HasPrefix(a, "-") {
				a = filepath.Join(d.src, a)
			}
			sources = append(sources, a)
		}
		line = append(line, a)
	}
	if cc == "" {
		cc = cmp.Or(os.Getenv("CC"), "gcc")
	}
	Need(d.t, cc)

	key := d.key(cc, out, line, sources)
	path := d.Join(out)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	f := cached(key)
	f.Lock()
	defer f.Unlock() // also when a test fails here: the next one tries again and says why itself
	if f.path == "" {
		line = append(line, "-o", path)
		cmd := exec.Command(cc, line...)
		cmd.Dir = d.Path
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if msg, err := cmd.CombinedOutput(); err != nil {
			d.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, msg)
		}
		done := filepath.Join(RunDir(d.t), key)
		if err := copyFile(done, path); err != nil {
			d.t.Fatal(err)
		}
		f.path = done
		return path
	}
	if err := copyFile(path, f.path); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// key digests all that a compilation depends on: the command with the folder's
// name taken out, the sources and what they include from testdata, and the
// files that are in the folder already and that the linker may read.
func (d *Dir) key(cc, out string, line, sources []string) string {
	d.t.Helper()
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", cc, out)
	for _, a := range line {
		fmt.Fprintf(h, "%s\x00", strings.ReplaceAll(a, d.Path, "."))
	}
	headers, _ := filepath.Glob(filepath.Join(d.src, "*.h"))
	files := append(headers, sources...)
	filepath.WalkDir(d.Path, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	sort.Strings(files)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			d.t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(h, "%s\x00%x\x00", strings.ReplaceAll(f, d.Path, "."), sum)
	}
	// A run path that names the folder makes the result depend on it.
	for _, a := range line {
		if strings.Contains(a, "rpath") && strings.Contains(a, d.Path) {
			fmt.Fprintf(h, "%s\x00", d.Path)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// copyFile copies a file that may be executed right after. A process that another test starts meanwhile would inherit
// the open copy for a moment, and executing it would fail with ETXTBSY.
func copyFile(dst, src string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	os.Remove(dst)
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// A GoBuild is a Go program to be built: the main package Pkg (an import path such as weld/cmd/weld), static without cgo unless
// Cgo is set, with further arguments of go build. A file named ldflags in the package's folder holds what the linker is to be
// told where Args are not given.
type GoBuild struct {
	Pkg  string
	Cgo  bool
	Args []string
}

// Path builds the program, once per run of the test binary, and returns its path.
func (b GoBuild) Path(t testing.TB) string {
	t.Helper()
	Need(t, "go")
	goBuilds.Lock()
	defer goBuilds.Unlock()
	cgo := "0"
	if b.Cgo {
		Need(t, "gcc")
		cgo = "1"
	}
	key := fmt.Sprintf("%s %s %q", b.Pkg, cgo, b.Args)
	if path := goBuilds.path[key]; path != "" {
		return path
	}
	path := filepath.Join(RunDir(t), fmt.Sprintf("%s-%d", filepath.Base(b.Pkg), len(goBuilds.path)))
	args := append([]string{"build", "-o", path}, b.Args...)
	if flags, err := os.ReadFile(filepath.Join(Root(t), strings.TrimPrefix(b.Pkg, "weld/"), "ldflags")); err == nil && b.Args == nil {
		args = append(args, "-ldflags="+strings.TrimSpace(string(flags)))
	}
	cmd := exec.Command("go", append(args, b.Pkg)...)
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "CC=gcc", "GOFLAGS=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("CGO_ENABLED=%s %v: %v\n%s", cgo, cmd.Args, err, msg)
	}
	goBuilds.path[key] = path
	return path
}

// GoProgram builds a static program without cgo; see [GoBuild].
func GoProgram(t testing.TB, pkg string) string {
	t.Helper()
	return GoBuild{Pkg: pkg}.Path(t)
}

var goBuilds = struct {
	sync.Mutex
	path map[string]string
}{path: map[string]string{}}
