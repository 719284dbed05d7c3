package link

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// A feature is a source in testdata, whose comment says how it is compiled and linked, a directive to a line:
//
//	parts: A B      one object for each word, which is defined in it; without it there is one object
//	archive: C      an object in an archive of its own, linked after the others
//	lib: D          an object that is made a shared library, libNAME.so, which the program is linked with
//	nolib: yes      the library is not linked: the program gets its path as argument
//	cflags: x | y   flags of the compiler, -O1 without it
//	libflags: x | y flags of the linker for the library
//	link: m f | n   the mode (see modes) and flags of the linker
//	norun: x+m      what cannot be: objects compiled with x in mode m
//	mode: bare      without the driver's objects and libraries
type feature struct {
	name, file             string
	cxx, bare, nolib       bool
	parts, archives        []string
	lib                    string
	cflags, libflags, link []string
	never                  []string
}

// A variant is one way to compile and link a feature.
type variant struct {
	*feature
	cflags, libflags string
	mode             string
	flags            []string
}

func (v *variant) String() string {
	s := []string{v.name}
	for _, p := range append([]string{v.cflags, v.libflags, v.mode}, v.flags...) {
		if p != "" {
			s = append(s, p)
		}
	}
	return strings.Join(s, " ")
}

// features reads the sources.
func features(t testing.TB) []*feature {
	t.Helper()
	files, err := filepath.Glob("testdata/*.[cS]*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	var list []*feature
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		f := &feature{
			name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), file: path, cxx: filepath.Ext(file) == ".cc",
			cflags: []string{"-O1"}, libflags: []string{""}, link: []string{"pie", "no-pie", "static"},
		}
		for l := range strings.Lines(string(text)) {
			l, ok := strings.CutPrefix(l, "// ")
			if !ok {
				break
			}
			key, val, _ := strings.Cut(strings.TrimSpace(l), ":")
			list := strings.Split(val, "|")
			for i := range list {
				list[i] = strings.TrimSpace(list[i])
			}
			switch key {
			case "parts":
				f.parts = strings.Fields(val)
			case "archive":
				f.archives = append(f.archives, strings.TrimSpace(val))
			case "lib":
				f.lib = strings.TrimSpace(val)
				f.link = []string{"pie", "no-pie"}
			case "nolib":
				f.nolib = true
			case "cflags":
				f.cflags = list
			case "libflags":
				f.libflags = list
			case "link":
				f.link = list
			case "norun":
				f.never = strings.Fields(val)
			case "mode":
				f.bare = true
			}
		}
		if f.parts == nil {
			f.parts = []string{"ONLY"}
		}
		list = append(list, f)
	}
	return list
}

// variants returns all of them, or few: each link once, with the flags in turn.
func (f *feature) variants(all bool) []*variant {
	var list []*variant
	for ci, cflags := range f.cflags {
		for li, libflags := range f.libflags {
			for i, link := range f.link {
				if !all && (i+ci)%max(len(f.cflags), 2) != li%max(len(f.cflags), 2) {
					continue
				}
				words := strings.Fields(link)
				v := &variant{f, cflags, libflags, words[0], words[1:]}
				if !slices.ContainsFunc(f.never, func(n string) bool {
					flag, mode, _ := strings.Cut(n, "+")
					return slices.Contains(strings.Fields(cflags), flag) && mode == v.mode
				}) {
					list = append(list, v)
				}
			}
		}
	}
	return list
}

// object returns the path of a compiled part.
func (v *variant) object(dir, part string) string {
	flags := v.cflags
	if part == v.lib {
		flags += " -fPIC"
	}
	return filepath.Join(dir, strings.NewReplacer(" ", "", "/", "").Replace(v.name+"-"+part+flags)+".o")
}

// compile compiles a part, once for each set of flags.
func (v *variant) compile(t testing.TB, dir, part string) {
	t.Helper()
	cc := "gcc"
	if v.cxx {
		cc = "g++"
	}
	args := append([]string{"-w", "-c", v.file, "-D" + part, "-o", v.object(dir, part)}, strings.Fields(v.cflags)...)
	if part == v.lib {
		args = append(args, "-fPIC")
	}
	cmd := exec.Command(cc, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v\n%s", cc, args, err, out)
	}
}

// link links the variant by a linker into a folder, and returns the paths of the program and of the library, if there is one.
func (v *variant) link(t testing.TB, l *linker, lines map[string]line, objs, dir string) (prog, lib string, ok bool) {
	t.Helper()
	driver := "gcc"
	if v.cxx {
		driver = "g++"
	}
	abs, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	do := func(out string, before, objects, after []string) bool {
		args := slices.Concat(before, []string{"-o", out}, objects, after)
		if err := l.link(abs, args...); err != nil {
			if l.name == "lld" || l.name == "mold" {
				t.Logf("%s: %v", v, err) // they lack the feature, or refuse it
			} else {
				t.Errorf("%s: %v", v, err)
			}
			return false
		}
		return true
	}
	prog = filepath.Join(dir, "prog")
	if v.lib != "" {
		lib = filepath.Join(dir, "lib"+v.name+".so")
		shared := lines[driver+" shared"]
		if !do(lib, shared.before, append(strings.Fields(v.libflags), "-soname", filepath.Base(lib), v.object(objs, v.lib)), shared.after) {
			return "", "", false
		}
	}
	var objects []string
	for _, p := range v.parts {
		objects = append(objects, v.object(objs, p))
	}
	var after []string
	for _, f := range v.flags {
		if f == "--whole-archive" {
			after = append(after, f)
		} else {
			objects = append(objects, f)
		}
	}
	for _, a := range v.archives {
		after = append(after, strings.TrimSuffix(v.object(objs, a), ".o")+".a")
	}
	if len(v.archives) > 1 {
		after = append(append([]string{"--start-group"}, after...), "--end-group")
	}
	if slices.Contains(v.flags, "--whole-archive") {
		after = append(after, "--no-whole-archive")
	}
	if lib != "" && !v.nolib {
		after = append(after, lib, "-rpath", "$ORIGIN")
	}
	line := lines[driver+" "+v.mode]
	if v.bare {
		line.after, line.before = nil, map[string][]string{"static": {"-static", "-m", "elf_x86_64"}, "static-pie": {"-static", "-pie", "--no-dynamic-linker", "-m", "elf_x86_64"}}[v.mode]
	}
	return prog, lib, do(prog, line.before, objects, append(after, line.after...))
}

// archive makes an archive of one object.
func (v *variant) archive(t testing.TB, objs, part string) {
	t.Helper()
	o := v.object(objs, part)
	if out, err := exec.Command("ar", "rcs", strings.TrimSuffix(o, ".o")+".a", o).CombinedOutput(); err != nil {
		t.Errorf("ar: %v\n%s", err, out)
	}
}

// run runs the program.
func (v *variant) run(t testing.TB, prog, lib string) testenv.Result {
	t.Helper()
	cmd := exec.Command(prog)
	if v.nolib {
		cmd.Args = append(cmd.Args, lib)
	}
	return testenv.Run(t, cmd, runLimit)
}
