package prepare

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ProgramSlot is a place in the measures for a program that is started and ends by itself.
type ProgramSlot struct {
	Name    string // looked up in PATH
	Args    []string
	Package string // Debian package
	// Libraries is how many libraries it has to need, indirectly too.
	Libraries int
	// Added is the time in nanoseconds that weld may take more than the kernel and ld.so, Ratio what it may take of
	// their time, for a target; 0 for none.
	Added, Ratio float64
}

// ProgramSlots are the programs that are started, those of few libraries first.
var ProgramSlots = []ProgramSlot{
	{Name: "true", Package: "coreutils", Added: 8e6},
	{Name: "python3", Args: []string{"-c", "pass"}, Package: "python3-minimal"},
	{Name: "gdb", Args: []string{"--version"}, Package: "gdb"},
	{Name: "ffmpeg", Args: []string{"-version"}, Package: "ffmpeg", Libraries: 150, Ratio: 1.2},
}

// Gdb is the debugger that is attached to workers.
var Gdb = ProgramSlot{Name: "gdb", Package: "gdb"}

// Program is an installed program.
type Program struct {
	ProgramSlot
	Path   string
	Needed int // libraries that are loaded for it, ld.so among them
}

// FindProgram returns the program for a slot: the first file of its name in PATH that is a dynamic executable, for
// another may be a script that starts it.
func FindProgram(ctx context.Context, slot ProgramSlot) (*Program, error) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, slot.Name)
		if !dynamic(path) {
			continue
		}
		count, err := libraries(ctx, path)
		if err != nil {
			return nil, err
		}
		if count < slot.Libraries {
			return nil, fmt.Errorf("%s needs %d libraries, and %d are wanted", path, count, slot.Libraries)
		}
		return &Program{ProgramSlot: slot, Path: path, Needed: count}, nil
	}
	return nil, fmt.Errorf("%s is not installed (Debian: apt-get install %s)", slot.Name, slot.Package)
}

func dynamic(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}

// libraries asks ld.so, which prints a line for each library, as ldd does: that of the vDSO has no path.
func libraries(ctx context.Context, path string) (int, error) {
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(os.Environ(), "LD_TRACE_LOADED_OBJECTS=1")
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s, asked for what it needs: %w", path, err)
	}
	count := 0
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "/") {
			count++
		}
	}
	return count, nil
}
