package search

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tool gives the path of a program the tests need.
func tool(t testing.TB, name, install string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
			if _, err := os.Stat(dir + name); err == nil {
				return dir + name
			}
		}
		t.Fatalf("this test needs %s: install the package %s", name, install)
	}
	return p
}

// output runs a program and gives what it prints, both streams; a failing exit status is no failure of the test.
func output(t testing.TB, dir string, env []string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", argv, err)
	}
	return string(out)
}

func must(t testing.TB, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%.2000s", argv[0], err, out)
	}
	return string(out)
}

// An object is a shared object or, without a soname, a program to build.
type object struct {
	file   string
	soname string
	needs  []string // sonames
	flags  []string
	source string // "" is empty, or an empty main
}

// build compiles the objects into dir. What one needs is recorded by soname only, and need not exist.
func build(t testing.TB, dir, gcc string, objs ...object) {
	t.Helper()
	for i, o := range objs {
		if o.soname != "" && len(o.needs)+len(o.flags)+len(o.source) == 0 {
			write(t, filepath.Join(dir, o.file), stub(t, o.soname))
			continue
		}
		src := filepath.Join(dir, fmt.Sprintf("src%d.c", i))
		text := o.source
		if text == "" && o.soname == "" {
			text = "int main(void) { return 0; }"
		}
		write(t, src, text)
		file := filepath.Join(dir, o.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		argv := []string{gcc, "-o", file, src}
		if o.soname != "" {
			argv = append(argv, "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,"+o.soname)
		}
		argv = append(argv, o.flags...)
		argv = append(argv, "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-Wl,--unresolved-symbols=ignore-all")
		for j, n := range o.needs {
			file := filepath.Join(dir, fmt.Sprintf("stub%d_%d.so", i, j))
			write(t, file, stub(t, n))
			argv = append(argv, file)
		}
		must(t, dir, argv...)
	}
}

var stubImage struct {
	sync.Mutex
	data []byte
}

// stub gives an empty shared object of the soname. One is compiled, with the longest soname; the others are patched
// copies, as a run of gcc for each would take long.
func stub(t testing.TB, soname string) string {
	t.Helper()
	long := strings.Repeat("x", 250)
	stubImage.Lock()
	defer stubImage.Unlock()
	if stubImage.data == nil {
		file := filepath.Join(t.TempDir(), "stub.so")
		must(t, "/", tool(t, "gcc", "gcc"), "-shared", "-nostdlib", "-o", file, "-Wl,-soname,"+long, "-x", "c", os.DevNull)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stubImage.data = data
	}
	name := append([]byte(soname), make([]byte, len(long)-len(soname))...)
	return string(bytes.ReplaceAll(stubImage.data, []byte(long), name))
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// acceptELF is what a loader on x86-64 asks of a file before it maps it.
func acceptELF(root string) func(string) error {
	return func(path string) error {
		f, err := os.Open(root + path)
		if err != nil {
			return err
		}
		defer f.Close()
		var head [64]byte
		if _, err := io.ReadFull(f, head[:]); err != nil {
			return err
		}
		switch {
		case !bytes.HasPrefix(head[:], []byte(elf.ELFMAG)):
			return errors.New("invalid ELF header")
		case elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64:
			return ErrWrongClass
		case elf.Machine(head[18])|elf.Machine(head[19])<<8 != elf.EM_X86_64:
			return ErrWrongMachine
		}
		return nil
	}
}

// A step is the search for one library: the files tried where there is a directory, and the one found.
type step struct {
	name  string
	tried []string
	found string
}

func (s step) String() string {
	return fmt.Sprintf("%s => %q tried %q", s.name, s.found, s.tried)
}

// closure loads what an object needs breadth first, as ld.so does, and stops at the first failure.
func closure(t testing.TB, cfg Config, dir, program string) (steps []step, err error) {
	t.Helper()
	abs := func(p string) string {
		if !filepath.IsAbs(p) {
			p = dir + "/" + p
		}
		return p
	}
	type loaded struct {
		req    *Requester
		needed []string
	}
	known := make(map[string]bool)
	load := func(path string, by *Requester) loaded {
		f, err := elf.Open(abs(path))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l := loaded{req: &Requester{Path: abs(path), Loader: by}}
		dyn := func(tag elf.DynTag) (string, bool) {
			v, err := f.DynString(tag)
			if err != nil {
				t.Fatal(err)
			}
			if len(v) == 0 {
				return "", false
			}
			return v[0], true
		}
		l.req.Rpath, _ = dyn(elf.DT_RPATH)
		l.req.Runpath, l.req.HasRunpath = dyn(elf.DT_RUNPATH)
		if l.needed, err = f.DynString(elf.DT_NEEDED); err != nil {
			t.Fatal(err)
		}
		if v, err := f.DynValue(elf.DT_FLAGS_1); err == nil && len(v) > 0 {
			l.req.NoDefLib = elf.DynFlag1(v[0])&elf.DF_1_NODEFLIB != 0
		}
		if s, ok := dyn(elf.DT_SONAME); ok {
			known[s] = true
		}
		return l
	}
	queue := []loaded{load(program, nil)}
	cfg.Main = queue[0].req
	var st *step
	cfg.Trace = func(a Attempt) {
		if a.Path != "/etc/ld.so.cache" {
			st.tried = append(st.tried, a.Path)
		}
	}
	s := New(cfg)
	for ; len(queue) > 0; queue = queue[1:] {
		for _, n := range queue[0].needed {
			if known[n] || n == "ld-linux-x86-64.so.2" {
				continue
			}
			known[n] = true
			st = &step{name: n}
			path, err := s.Find(n, queue[0].req, acceptELF(""))
			st.found = path
			steps = append(steps, *st)
			if err != nil {
				return steps, err
			}
			queue = append(queue, load(path, queue[0].req))
		}
	}
	return steps, nil
}

// existing leaves out the files in directories that do not exist: ld.so asks for those once, and then no more.
func existing(dir string, paths []string) []string {
	var list []string
	for _, p := range paths {
		abs := p
		if !strings.HasPrefix(p, "/") {
			abs = dir + "/" + p
		}
		if fi, err := os.Stat(filepath.Dir(abs)); err == nil && fi.IsDir() {
			list = append(list, p)
		}
	}
	return list
}
