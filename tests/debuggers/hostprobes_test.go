package debuggers

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// Where the run-time linker that has started a process has probes, gdb goes by these and not by r_brk. It is told of weld's
// libraries all the same. A run-time linker without them, as Debian's, is given notes of probes at the instructions that
// call its state function when a list is consistent again.
func TestHostProbes(t *testing.T) {
	testenv.Need(t, "objdump", "objcopy", "readelf")
	_, lib := fixture(t)
	const system = "/lib64/ld-linux-x86-64.so.2"
	linker := system
	if notes := testenv.Tool(t, exec.Command("readelf", "-nW", system)); !strings.Contains(notes, "Provider: rtld") {
		linker = probedLinker(t, system)
	}
	prog := testenv.GoBuild{Pkg: "weld/tests/debuggers/testdata/debuggee", Cgo: true,
		Args: []string{"-ldflags=-linkmode external -extldflags=-Wl,--dynamic-linker=" + linker}}.Path(t)
	out := testenv.Tool(t, testenv.GDB(t, []string{"break add_numbers", "run", "bt", "info sharedlibrary", "maint info breakpoints", "kill"},
		"--args", prog, "open "+lib, "call libshapes.so add_numbers 40 2"))
	testenv.Expect(t, out, hit+`add_numbers \(`, `^#0 .*add_numbers`, listed(lib))
	// It is by the probes that gdb follows the run-time linker.
	count(t, out, `shlib events +keep`, 3)
}

// probedLinker returns a copy of a run-time linker with notes of the probes that gdb cannot do without.
func probedLinker(t *testing.T, system string) string {
	t.Helper()
	code := testenv.Tool(t, exec.Command("objdump", "-d", "--no-show-raw-insn", system))
	// movl $RT_CONSISTENT, r_state(%rax), then the call: rax is the struct r_debug.
	calls := regexp.MustCompile(`movl +\$0x0,0x18\(%rax\)\n +([0-9a-f]+):\s+call +[0-9a-f]+ <_dl_debug_state@@GLIBC_PRIVATE>`).FindAllStringSubmatch(code, -1)
	names := []string{"unmap_complete", "reloc_complete", "init_complete"}
	if len(calls) != len(names) {
		t.Fatalf("%s calls _dl_debug_state in %d places when a list is consistent, want %d", system, len(calls), len(names))
	}
	le := binary.LittleEndian
	const base = 0x1000
	var notes []byte
	for i, name := range names {
		at, err := strconv.ParseUint(calls[i][1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		text := "rtld\x00" + name + "\x008@$0 8@%rax\x00"
		notes = le.AppendUint32(notes, 8)
		notes = le.AppendUint32(notes, uint32(24+len(text)))
		notes = le.AppendUint32(notes, 3)
		notes = append(notes, "stapsdt\x00"...)
		for _, v := range []uint64{at, base, 0} {
			notes = le.AppendUint64(notes, v)
		}
		notes = append(notes, text...)
		notes = append(notes, make([]byte, -len(notes)&3)...)
	}
	dir := t.TempDir()
	note, empty, linker := filepath.Join(dir, "notes"), filepath.Join(dir, "base"), filepath.Join(dir, "ld.so")
	for file, data := range map[string][]byte{note: notes, empty: {0}} {
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	msg, err := exec.Command("objcopy", "--add-section", ".note.stapsdt="+note, "--set-section-flags", ".note.stapsdt=readonly,contents",
		"--add-section", ".stapsdt.base="+empty, "--set-section-flags", ".stapsdt.base=alloc,readonly,contents",
		"--change-section-address", ".stapsdt.base="+strconv.Itoa(base), system, linker).CombinedOutput()
	if err != nil {
		t.Fatalf("objcopy: %v\n%s", err, msg)
	}
	return linker
}
