package debug

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// binutils read the runtime object without a complaint, and find the probes in it.
func TestRuntimeObject(t *testing.T) {
	testenv.Need(t, "readelf", "objdump")
	file := filepath.Join(t.TempDir(), "probes.so")
	if err := os.WriteFile(file, runtimeObject(), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		cmd := exec.Command(args[0], append(args[1:], file)...)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Errorf("%q: %v\n%s", args, err, &complaints)
		}
		return string(out)
	}
	all := run("readelf", "-aW")
	for p, name := range Probes() {
		args := probeArgs2
		if probeNames[p].part {
			args = probeArgs3
		}
		notes := strings.Join(strings.Fields(all), " ")
		if want := "Provider: rtld Name: " + name + " Location: "; !strings.Contains(notes, want) {
			t.Errorf("no note of %s", name)
		} else if rest := notes[strings.Index(notes, want):]; !strings.Contains(rest[:min(len(rest), 250)], "Arguments: "+args) {
			t.Errorf("%s: %.200s", name, rest)
		}
	}
	text := run("objdump", "-d")
	if n := strings.Count(text, "\tnop\n"); n != int(numProbes) {
		t.Errorf("%d nops:\n%s", n, text)
	}
	if !bytes.Equal(runtimeObject(), runtimeObject()) {
		t.Error("it is not the same each time")
	}
}
