package link

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// metadata is what the linker of a builder puts into each file it links, so that it is known who has.
const metadata = `{"type":"test","name":"linked-by-weld"}`

// A builder builds packages of Debian. It is a user without rights, as many test suites want that.
type builder struct {
	*testenv.Dir
	apt  string // options of apt-get
	ld   string // the folder of ld
	user *syscall.Credential
}

func newBuilder(t *testing.T) *builder {
	t.Helper()
	b := &builder{Dir: testenv.NewDir(t)}
	// That user has to be able to start the test binary, and to reach the folder.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(testenv.ChildScript(t, "ld", "ld"), "ld")
	child, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	b.Write("bin/weld", string(text))
	b.Write("bin/real", strings.Replace(string(child), exe, b.Join("bin/weld"), 1))
	b.ld = filepath.Dir(b.Write("bin/ld", "#!/bin/sh\ncase \" $* \" in *' -o '*) set -- \"$@\" '--package-metadata="+metadata+"';; esac\nexec "+b.Join("bin/real")+" \"$@\"\n"))
	for _, f := range []string{"bin/weld", "bin/real", "bin/ld", ".", ".."} {
		if err := os.Chmod(b.Join(f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		b.user = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	b.apt = b.sources(t)
	return b
}

// check fetches a package, builds it, and compares what its tests say with what they say when it is linked by GNU ld.
func (b *builder) check(t *testing.T, p *debianPackage) {
	root := b.Join("src-" + p.name)
	also := filepath.Join(root, "also")
	for _, dir := range []string{also, filepath.Join(root, "tmp")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	b.own(t, root)
	env := []string{"ALSO=" + also, "HOME=" + root, "TMPDIR=" + filepath.Join(root, "tmp")}
	run := func(dir, ld, command string) string {
		t.Helper()
		out, err := b.shell(t, dir, ld, command, env...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out[max(0, len(out)-3000):])
		}
		return out
	}
	for _, c := range p.also {
		run(also, "", c)
	}
	src := filepath.Join(root, "src")
	if p.here {
		run(root, "", "mkdir src")
	} else {
		run(root, "", "apt-get $APT source "+p.name)
		found, _ := filepath.Glob(filepath.Join(root, "*", "debian"))
		if len(found) != 1 {
			t.Fatalf("sources in %q", found)
		}
		src = filepath.Dir(found[0])
	}
	var linked []string
	// link builds the package with the ld of the folder ld. What was built before is linked anew, and not compiled.
	link := func(ld string) {
		t.Helper()
		if len(linked) > 0 {
			for _, path := range outputs(t, src) {
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
			}
			run(src, "", "find . -name '*.la' -delete")
		}
		for _, c := range p.build {
			run(src, ld, c)
		}
		linked = outputs(t, src)
		for _, path := range linked {
			if strings.Contains(noteOf(t, path), metadata) != (ld == b.ld) {
				t.Errorf("%s was linked by the other linker", path)
			}
		}
		if len(linked) == 0 {
			t.Fatal("nothing was linked")
		}
	}
	cases := func(ld string) (passed int, failed []string) {
		for _, c := range p.test {
			out, err := b.shell(t, src, ld, "set -o pipefail; "+c, env...)
			if err != nil {
				failed = append(failed, "the tests: "+err.Error())
			}
			for l := range strings.Lines(out) {
				if strings.HasPrefix(l, "ok ") {
					passed++
				} else if name, ok := strings.CutPrefix(l, "not ok "); ok {
					failed = append(failed, strings.TrimSpace(name))
				}
			}
			if passed == 0 {
				t.Errorf("no test has passed:\n%s", out[max(0, len(out)-3000):])
			}
		}
		return passed, failed
	}
	link(b.ld)
	passed, failed := cases(b.ld)
	t.Logf("%d files linked, %d tests passed, %d failed", len(linked), passed, len(failed))
	if len(failed) == 0 {
		return
	}
	link("")
	passedGNU, failedGNU := cases("")
	t.Logf("linked by GNU ld: %d tests passed, %d failed", passedGNU, len(failedGNU))
	var only []string
	for _, f := range failed {
		if slices.Contains(failedGNU, f) {
			t.Logf("fails with both: %s", f)
		} else {
			only = append(only, f)
		}
	}
	if len(only) == 0 {
		return
	}
	// Tests that wait for a time, or for a port, fail now and then on a busy machine.
	link(b.ld)
	_, again := cases(b.ld)
	for _, f := range only {
		if slices.Contains(again, f) {
			t.Errorf("fails only when linked by weld: %s", f)
		} else {
			t.Logf("failed in one run of two: %s", f)
		}
	}
}

// outputs returns the programs and shared libraries in a folder.
func outputs(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if f, err := elf.Open(path); err == nil {
			if f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN {
				list = append(list, path)
			}
			f.Close()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// noteOf returns the content of a file's note with metadata of its package.
func noteOf(t *testing.T, path string) string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer f.Close()
	if s := f.Section(".note.package"); s != nil {
		if b, err := s.Data(); err == nil {
			return string(b)
		}
	}
	return ""
}

// own gives a folder to the builder's user.
func (b *builder) own(t *testing.T, dir string) {
	t.Helper()
	if b.user == nil {
		return
	}
	if out, err := exec.Command("chown", "-R", "65534:65534", dir).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v\n%s", err, out)
	}
}

// sources has apt read the lists of sources into a folder, and returns its options for that.
func (b *builder) sources(t *testing.T) string {
	t.Helper()
	b.Write("apt/sources.list", strings.Join(testenv.DebianSources(t), "\n")+"\n")
	for _, dir := range []string{"apt/lists/partial", "apt/cache/archives/partial"} {
		if err := os.MkdirAll(b.Join(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	b.own(t, b.Join("apt"))
	opts := "-q -o Dir::Etc::sourcelist=" + b.Join("apt/sources.list") + " -o Dir::Etc::sourceparts=- -o Dir::State::lists=" + b.Join("apt/lists") + " -o Dir::Cache=" + b.Join("apt/cache")
	if out, err := b.shell(t, b.Path, "", "apt-get "+opts+" update"); err != nil {
		t.Fatalf("apt-get update: %v\n%s", err, out)
	}
	return opts
}

// shell runs a command, in which gcc and g++ link with the ld of the folder ld, and returns what it says.
func (b *builder) shell(t *testing.T, dir, ld, command string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nice", "-n", "10", "bash", "-ec", command)
	cmd.Dir = dir
	// COMPILER_PATH is where gcc looks for ld first.
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PYTHON") || strings.HasPrefix(v, "GIT") })
	cmd.Env = append(append(own, "LC_ALL=C", "APT="+b.apt), env...)
	if ld != "" {
		cmd.Env = append(cmd.Env, "COMPILER_PATH="+ld)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: b.user}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	limit := time.AfterFunc(2*time.Hour, func() { kill() })
	defer limit.Stop()
	err := cmd.Run()
	if cmd.Process != nil {
		kill() // servers that tests have left
	}
	return out.String(), err
}
