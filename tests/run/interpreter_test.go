package run_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// TestInterpreter runs a program that names the weld command as its interpreter, and the same program with the system's.
func TestInterpreter(t *testing.T) {
	needWeld(t)
	weld := weldCommand(t)
	for _, kind := range []string{"-pie", "-no-pie"} {
		t.Run(kind, func(t *testing.T) {
			run := func(flags ...string) (string, error) {
				prog := testenv.NewDir(t).Program("itself", append([]string{"itself.c", kind}, flags...)...)
				cmd := exec.Command(prog, "run", "two words") // as if it were a command of weld's
				cmd.Env = []string{"HOME=/nowhere", "LD_BIND_NOW="}
				out, err := cmd.CombinedOutput()
				return strings.ReplaceAll(string(out), prog, "ITSELF"), err
			}
			want, wantErr := run()
			got, err := run("-Wl,--dynamic-linker=" + weld)
			if got != want || err == nil || err.Error() != wantErr.Error() || !strings.Contains(got, "exe ITSELF\n") {
				t.Errorf("%v, natively %v\n%snatively\n%s", err, wantErr, got, want)
			}
		})
	}
	t.Run("gdb", func(t *testing.T) {
		testenv.Need(t, "gdb")
		prog := testenv.NewDir(t).Program("itself", "itself.c", "-g", "-Wl,--dynamic-linker="+weld)
		out, err := exec.Command("gdb", "-nx", "-q", "-batch", "-ex", "break show", "-ex", "run one", "-ex", "bt", "-ex", "kill", prog).CombinedOutput()
		if err != nil || !strings.Contains(string(out), `show (name=`) || !strings.Contains(string(out), "in main (argc=2, argv=") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("missing library", func(t *testing.T) {
		d := testenv.NewDir(t)
		lib := d.Shared("libgone.so", "plugin.c", `-DNAME="gone"`)
		prog := d.Program("needs", "needs.c", "-rdynamic", lib, "-Wl,--dynamic-linker="+weld)
		if err := exec.Command("rm", lib).Run(); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(prog).CombinedOutput()
		if err == nil || err.Error() != "exit status 127" || !strings.HasPrefix(string(out), "weld: ") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("origin through a link", func(t *testing.T) {
		// $ORIGIN is where the file is, not where the link to it is.
		d := testenv.NewDir(t)
		lib := d.Shared("libsaid.so", "said.c", `-DTEXT="beside the program"`)
		flags := []string{"secured.c", "-lsaid", "-Wl,-rpath,$ORIGIN"}
		system, ours := d.Program("system", flags...), d.Program("ours", append(flags, "-Wl,--dynamic-linker="+weld)...)
		links := t.TempDir()
		copyFile(t, filepath.Join(links, filepath.Base(lib)), testenv.NewDir(t).Shared("libsaid.so", "said.c", `-DTEXT="beside the link"`))
		link := filepath.Join(links, "link")
		for _, c := range []struct {
			target string
			argv   []string
		}{{system, []string{link}}, {ours, []string{link}}, {system, []string{weld, "run", link}}} {
			os.Remove(link)
			if err := os.Symlink(c.target, link); err != nil {
				t.Fatal(err)
			}
			out, _ := exec.Command(c.argv[0], c.argv[1:]...).CombinedOutput()
			if !strings.Contains(string(out), "\nbeside the program\n") {
				t.Errorf("%v -> %s:\n%s", c.argv, c.target, clip(string(out)))
			}
		}
	})
}
