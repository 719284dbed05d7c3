package run_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// A Case is one program with what it is given and what it has to do natively. In Argv and Env "{run}"
// stands for the words that call weld (none natively) and in these, Files and Stdin "{dir}" for the
// case's folder. Argv begins with "{run}" unless it contains it.
type Case struct {
	Name  string
	Needs []string          // programs that are started; those of packageOf name their package when missing
	Files map[string]string // files of the folder; one that starts with #! is executable
	Copy  []string          // files of testdata to be copied to the folder
	Build []Build           // fixtures to be compiled to the folder, in this order
	Setup string            // script that /bin/sh runs in the folder first, natively

	Argv  []string
	Stdin string   // written to a pipe; if empty, standard input is /dev/null
	Env   []string // added to baseEnv
	User  bool     // runs as uid 65534 also when the test is run by root

	// Session replaces Argv by a conversation in Go, Dialog feeds Argv over a terminal.
	Session func(s *session)
	Dialog  []exchange

	Normal []normaliser // applied to standard output and error
	Ignore []string     // patterns of files not compared, as of filepath.Match; one that ends in / takes all below

	// How it has to end natively, which keeps the case from comparing two failures.
	Status int
	Signal syscall.Signal
	Want   string // part of standard output or error, after Normal
	Leaves string // file that is left in the folder

	Slow bool // left out by -short
}

// A Build is a fixture: sources and flags as for testenv.Dir.Program. Out that ends in .so is linked as
// a shared object. "musl-gcc" as first argument chooses that compiler.
type Build struct {
	Out  string
	Args []string
}

// userID is the plain user that root becomes for programs that refuse to work for root.
const userID = 65534

// words splits a command line that needs no quoting.
func words(line string) []string { return strings.Fields(line) }

// program is the set-up of most fixtures: one C file of the program's own name.
func program(name string, flags ...string) []Build {
	return []Build{{name, append([]string{name + ".c"}, flags...)}}
}

// baseEnv is the whole environment of a case but for what it adds itself.
func baseEnv(dir string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + dir,
		"TMPDIR=" + dir,
		"LC_ALL=C",
		"TZ=UTC",
		"TERM=dumb",
		"USER=weld",
	}
}

// then is the modification time of all files of a set-up.
var then = time.Unix(1_000_000_000, 0)

// compileFixtures builds the case's fixtures once and returns their folder.
func (c *Case) compileFixtures(t *testing.T) string {
	t.Helper()
	d := testenv.NewDir(t)
	for _, b := range c.Build {
		b.compile(t, d)
	}
	return d.Path
}

func (b Build) compile(t *testing.T, d *testenv.Dir) {
	t.Helper()
	args := append([]string{"-g0"}, b.Args...)
	shared := strings.HasSuffix(b.Out, ".so")
	switch musl := len(b.Args) > 0 && b.Args[0] == "musl-gcc"; {
	case shared && musl:
		d.MuslShared(b.Out, append([]string{"-g0"}, b.Args[1:]...)...)
	case musl:
		muslProgram(t, d, b.Out, b.Args[1:])
	case shared:
		d.Shared(b.Out, args...)
	default:
		d.Program(b.Out, args...)
	}
}

// muslProgram compiles sources of testdata to the executable out with musl-gcc.
func muslProgram(t *testing.T, d *testenv.Dir, out string, args []string) {
	t.Helper()
	testenv.Need(t, "musl-gcc")
	line := []string{"-O1", "-L" + d.Path, "-o", d.Join(out)}
	for _, a := range args {
		if strings.HasSuffix(a, ".c") {
			a = filepath.Join("testdata", a)
		}
		line = append(line, a)
	}
	if msg, err := exec.Command("musl-gcc", line...).CombinedOutput(); err != nil {
		t.Fatalf("musl-gcc %s: %v\n%s", strings.Join(line, " "), err, msg)
	}
}

// fill makes the folder dir anew with the case's set-up.
func (c *Case) fill(t *testing.T, dir, fixtures string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.RemoveAll(dir))
	must(os.MkdirAll(dir, 0o755))
	for name, content := range c.Files {
		path := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(writeFile(path, []byte(strings.ReplaceAll(content, "{dir}", dir)), 0o644))
		if strings.HasPrefix(content, "#!") {
			must(os.Chmod(path, 0o755))
		}
	}
	for _, name := range c.Copy {
		copyFile(t, filepath.Join(dir, name), filepath.Join("testdata", name))
	}
	for _, b := range c.Build {
		copyFile(t, filepath.Join(dir, b.Out), filepath.Join(fixtures, b.Out))
	}
	c.each(t, dir, func(path string) error {
		if c.asUser() {
			return os.Lchown(path, userID, userID)
		}
		return nil
	})
	c.age(t, dir)
	if c.Setup != "" {
		cmd := c.command(dir, nil, []string{"/bin/sh", "-e", "-c", c.Setup})
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("set-up: %v\n%s", err, msg)
		}
	}
	c.age(t, dir)
}

// age gives everything in the folder the same old modification time.
func (c *Case) age(t *testing.T, dir string) {
	t.Helper()
	c.each(t, dir, func(path string) error {
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, then, then)
	})
}

// each calls fn for everything in dir, the content of a folder before the folder.
func (c *Case) each(t *testing.T, dir string, fn func(path string) error) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			c.each(t, path, fn)
		} else if err := fn(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := fn(dir); err != nil {
		t.Fatal(err)
	}
}

// asUser reports whether the case gives up root's rights.
func (c *Case) asUser() bool { return c.User && os.Getuid() == 0 }

// writeFile is os.WriteFile for what is executed later. A process that another case starts meanwhile
// would inherit the open file for a moment, and executing it would fail with ETXTBSY.
func writeFile(name string, data []byte, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(name, data, mode)
}

func copyFile(t *testing.T, dst, src string) {
	t.Helper()
	data, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(src)
	if err != nil {
		t.Fatal(err)
	}
	mode := info.Mode().Perm() &^ 0o022
	if strings.HasPrefix(string(data), "#!") {
		mode |= 0o111
	}
	if err := writeFile(dst, data, mode); err != nil {
		t.Fatal(err)
	}
}
