package run_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"weld/internal/testenv"
)

// A refusal is a program that weld run cannot start. It has to say so in exactly one line on standard
// error that begins with "weld: ", and to end as a shell does for a command that it cannot execute
// (126) or cannot find (127). Nothing of the program may have run: standard output stays empty.
type refusal struct {
	Case
	status int
	says   []string // regular expressions that the line has to match, ignoring case
	prog   func(t *testing.T, dir string)
	runs   bool // natively it does run; the others have to fail natively too
}

func TestRefused(t *testing.T) {
	limited := func(limit string) []string {
		return []string{"bash", "-c", "ulimit " + limit + ` && exec "$@"`, "bash", "{run}", "./plain"}
	}
	missing := []Build{
		{"libgone1.so", words("plugin.c -DNAME=\"1\"")}, {"libgone2.so", words("plugin.c -DNAME=\"2\"")},
		{"libhere.so", words("plugin.c -DNAME=\"h\" -Wl,--no-as-needed -lgone2")},
		{"prog", words("plain.c -lm -Wl,--no-as-needed -lgone1 -lhere -Wl,-rpath,$ORIGIN")},
	}
	plain := program("plain", "-lm")
	for _, r := range []refusal{
		{Case: Case{Name: "not-found", Argv: words("no-such-program-anywhere a b")}, status: 127, says: words("no-such-program-anywhere not.found")},
		{Case: Case{Name: "no-such-path", Argv: words("./gone")}, status: 127, says: []string{`\./gone`, "no such file|not found"}},
		{Case: Case{Name: "path-below-a-file", Files: map[string]string{"file": "x"}, Argv: words("./file/prog")}, status: 126, says: []string{"./file/prog", "not a directory"}},
		{Case: Case{Name: "directory", Argv: words("/usr")}, status: 126, says: []string{"/usr", "directory"}},
		{Case: Case{Name: "empty-name", Argv: []string{""}}, status: 127, says: []string{"not found"}},
		{Case: Case{Name: "long-name", Argv: []string{"./" + strings.Repeat("x", 300)}}, status: 126, says: []string{"name too long"}},
		{Case: Case{Name: "link-to-itself", Setup: "ln -s loop loop", Argv: words("./loop")}, status: 126, says: []string{"./loop", "symbolic links"}},
		{Case: Case{Name: "link-to-nothing", Setup: "ln -s gone link", Argv: words("./link")}, status: 127, says: []string{"./link", "no such file"}},
		{Case: Case{Name: "device", Argv: words("/dev/null")}, status: 126, says: []string{"/dev/null", "permission denied"}},
		{Case: Case{Name: "fifo", Setup: "mkfifo -m 755 fifo", Argv: words("./fifo")}, status: 126, says: []string{"./fifo", "permission denied"}},
		{Case: Case{Name: "script-of-fifo", Files: map[string]string{"prog": "#!./fifo\n"}, Setup: "mkfifo -m 755 fifo", Argv: words("./prog")}, status: 126, says: []string{"./fifo", "permission denied"}},
		{Case: Case{Name: "interpreter-fifo", Build: program("plain", "-lm", "-Wl,--dynamic-linker=./fifo"), Setup: "mkfifo -m 755 fifo", Argv: words("./plain")}, status: 127, says: []string{"./plain", "./fifo"}},
		{Case: Case{Name: "closed-directory", User: true, Argv: words("/var/cache/ldconfig/prog")}, status: 126, says: []string{"/var/cache/ldconfig/prog", "permission denied"}},
		{Case: Case{Name: "not-executable", Build: plain, Setup: "chmod 644 plain", Argv: words("./plain")}, status: 126, says: []string{"./plain", "permission denied|not executable"}},
		{Case: Case{Name: "not-readable", User: true, Build: plain, Setup: "chmod 311 plain", Argv: words("./plain")}, status: 126, says: []string{"./plain", "permission denied"}, runs: true},
		{Case: Case{Name: "empty", Files: map[string]string{"prog": ""}, Setup: "chmod 755 prog", Argv: words("./prog")}, status: 126, says: []string{"./prog", "ELF|empty|format"}, runs: true},
		{Case: Case{Name: "text", Files: map[string]string{"prog": "just text, no program\n"}, Setup: "chmod 755 prog", Argv: words("./prog")}, status: 126, says: []string{"./prog", "not an ELF file|format"}},
		{Case: Case{Name: "archive", Setup: "printf '!<arch>\\n' >lib.a; chmod 755 lib.a", Argv: words("./lib.a")}, status: 126, says: []string{"lib.a", "not an ELF file|format"}},
		{Case: Case{Name: "script-without-interpreter", Files: map[string]string{"prog": "#!/no/such/interpreter -x\n"}, Argv: words("./prog")}, status: 127, says: []string{"./prog", "/no/such/interpreter"}},
		{Case: Case{Name: "script-of-itself", Files: map[string]string{"prog": "#!{dir}/prog\n"}, Argv: words("./prog")}, status: 126, says: []string{"prog", "interpreter|levels|loop"}},
		{Case: Case{Name: "script-empty", Files: map[string]string{"prog": "#!\n"}, Argv: words("./prog")}, status: 126, says: []string{"./prog", "interpreter|format"}, runs: true},
		{Case: Case{Name: "machine", Build: plain, Argv: words("./plain")}, status: 126, says: []string{"./plain", "aarch64|machine"}, prog: patch(18, 183, 0)},
		{Case: Case{Name: "class-32", Build: plain, Argv: words("./plain")}, status: 126, says: []string{"./plain", "32|class"}, prog: patch(4, 1), runs: true},
		{Case: Case{Name: "big-endian", Build: plain, Argv: words("./plain")}, status: 126, says: []string{"./plain", "endian|byte order|MSB"}, prog: patch(5, 2), runs: true},
		{Case: Case{Name: "relocatable", Files: compilable, Setup: "gcc -c twice.c; chmod 755 twice.o", Argv: words("./twice.o")}, status: 126, says: []string{"twice.o", "relocatable|ET_REL|executable"}},
		{Case: Case{Name: "core-file", Build: plain, Argv: words("./plain")}, status: 126, says: []string{"./plain", "core|type|executable"}, prog: patch(16, 4, 0)},
		{Case: Case{Name: "interpreter-missing", Build: program("plain", "-lm", "-Wl,--dynamic-linker=/no/such/ld.so"), Argv: words("./plain")}, status: 127, says: []string{"./plain", "/no/such/ld.so"}},
		{Case: Case{Name: "libraries-missing", Build: missing, Setup: "rm libgone1.so libgone2.so", Argv: words("./prog")}, status: 127, says: []string{"./prog", `libgone1\.so`, `libgone2\.so`, `libhere\.so`}},
		{Case: Case{Name: "library-truncated", Build: missing, Setup: "head -c 5000 libgone1.so >x; mv x libgone1.so", Argv: words("./prog")}, status: 127, says: []string{`libgone1\.so`}},
		{Case: Case{Name: "library-no-elf", Build: missing, Setup: "echo text >libgone2.so", Argv: words("./prog")}, status: 127, says: []string{`libgone2\.so`, "ELF|format"}},
		{Case: Case{Name: "symbols-missing", Build: []Build{plugin("libplugin.so"), {"needs", words("needs.c -rdynamic -lplugin -Wl,-rpath,$ORIGIN -Wl,-z,now")}}, Setup: "echo 'int other;' | gcc -shared -x c -o libplugin.so -", Argv: words("./needs")}, status: 127, says: []string{"needs", "name", "count", "call_back"}},
		{Case: Case{Name: "version-missing", Build: plain, Argv: words("./plain")}, status: 127, says: []string{"./plain", `GLIBC_9`}, prog: replaceVersion},
		{Case: Case{Name: "truncated-header", Build: plain, Setup: "head -c 40 plain >x; cat x >plain", Argv: words("./plain")}, status: 126, says: []string{"./plain", "truncated|short|end|EOF|beyond|outside"}},
		{Case: Case{Name: "truncated-program-headers", Build: plain, Setup: "head -c 200 plain >x; cat x >plain", Argv: words("./plain")}, status: 126, says: []string{"./plain", "truncated|short|end|EOF|beyond|outside"}},
		{Case: Case{Name: "truncated-segment", Build: plain, Setup: "head -c 5000 plain >x; cat x >plain", Argv: words("./plain")}, status: 126, says: []string{"./plain", "truncated|short|end|EOF|beyond|outside"}},
		{Case: Case{Name: "segments-overlap-header", Build: plain, Argv: words("./plain")}, status: 126, says: words("./plain"), prog: patch(32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{Case: Case{Name: "entry-outside", Build: plain, Argv: words("./plain")}, status: 126, says: []string{"./plain", "entry"}, prog: patch(24, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0)},
		{Case: Case{Name: "setuid", User: true, Argv: words("/usr/bin/passwd --help")}, status: 126, says: []string{"/usr/bin/passwd", "set-?user-?id|setuid"}, runs: true},
		{Case: Case{Name: "setgid", User: true, Argv: words("/usr/bin/chage --help")}, status: 126, says: []string{"/usr/bin/chage", "set-?group-?id|setgid"}, runs: true},
		{Case: Case{Name: "stack-tiny", Build: plain, Argv: limited("-s 32")}, status: 126, says: []string{"stack"}, runs: true},
		{Case: Case{Name: "memory", Build: plain, Argv: limited("-v 6000000")}, status: 126, says: []string{"./plain", "memory"}, prog: hugeBSS},
		{Case: Case{Name: "address-space-tiny", Build: plain, Argv: limited("-v 300000")}, status: 126, says: []string{"memory", "address space"}, runs: true},
		{Case: Case{Name: "descriptors-none", Build: plain, Argv: limited("-n 3")}, status: 126, says: []string{"./plain", "too many open files"}},
		{Case: Case{Name: "fixed-address-zero", Argv: words("./plain"), Build: program("plain", "-lm", "-pie")}, status: 126, says: []string{"./plain", "address"}, prog: patch(16, 2, 0), runs: os.Getuid() == 0},
		{Case: Case{Name: "interpreter-of-static", Argv: words("./plain"), Build: program("plain", "-lm", "-static")}, status: 126, says: []string{"./plain", "PT_INTERP"}, prog: lastAsInterp},
		{Case: Case{Name: "fixed-address-taken", Argv: words("./taken")}, status: 126, says: []string{"./taken", "address", "taken|in use|occupied"}, prog: atWeld, runs: true},
	} {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			r.judge(t)
		})
	}
}

func (r *refusal) judge(t *testing.T) {
	dir := filepath.Join(testenv.RunDir(t), "refused-"+r.Name)
	t.Cleanup(func() { os.RemoveAll(dir) })
	r.fill(t, dir, r.compileFixtures(t))
	if r.prog != nil {
		r.prog(t, dir)
	}
	defer sweep(dir)

	prefix := weldPrefix(t)
	if native() {
		// The shell as judge: what the kernel or the dynamic linker refuses ends with a status of its own.
		prefix = []string{"bash", "-c", `exec "$@"`, "bash"}
	}
	o := testenv.Run(t, r.command(dir, prefix, r.Argv), testenv.Patience)
	if native() {
		if failed := o.Code != 0 && o.Code != 5; failed == r.runs {
			t.Errorf("natively: %v, want that it runs: %v\n%s%s", o, r.runs, o.Stdout, clip(string(o.Stderr)))
		}
		t.Logf("natively: %v: %s", o, clip(string(o.Stderr)))
		return
	}
	if o.Code != r.status {
		t.Errorf("%v, want exit status %d", o, r.status)
	}
	if len(o.Stdout) != 0 {
		t.Errorf("standard output %q", clip(string(o.Stdout)))
	}
	line, rest, whole := bytes.Cut(o.Stderr, []byte("\n"))
	if !whole || len(rest) != 0 || !bytes.HasPrefix(line, []byte("weld: ")) {
		t.Errorf("standard error is not one line that begins with \"weld: \":\n%s", clip(string(o.Stderr)))
	}
	for _, s := range r.says {
		if !regexp.MustCompile("(?i)" + s).Match(line) {
			t.Errorf("the message does not say %s: %s", s, line)
		}
	}
}

// patch returns a function that writes bytes into the program ./plain.
func patch(offset int64, b ...byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		syscall.ForkLock.RLock() // as in writeFile
		defer syscall.ForkLock.RUnlock()
		f, err := os.OpenFile(filepath.Join(dir, "plain"), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(b, offset); err != nil {
			t.Fatal(err)
		}
	}
}

// lastAsInterp makes the last program header of ./plain a PT_INTERP.
func lastAsInterp(t *testing.T, dir string) {
	f, err := elf.Open(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const headers, size = 64, 56
	patch(headers+size*int64(len(f.Progs)-1), byte(elf.PT_INTERP), 0, 0, 0)(t, dir)
}

// replaceVersion makes ./plain need the version GLIBC_9.99 of the C library, with its hash.
func replaceVersion(t *testing.T, dir string) {
	name := filepath.Join(dir, "plain")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	// Any version of the same length will do; .dynstr holds its name once.
	found := regexp.MustCompile(`GLIBC_2\.\d\d\x00`).Find(data)
	if found == nil {
		t.Fatal("no version of the C library with two digits in the program")
	}
	old, with := strings.TrimRight(string(found), "\x00"), "GLIBC_9.99"
	data = bytes.Replace(data, append([]byte(old), 0), append([]byte(with), 0), 1)
	oldHash, newHash := make([]byte, 4), make([]byte, 4)
	binary.LittleEndian.PutUint32(oldHash, sysvHash(old))
	binary.LittleEndian.PutUint32(newHash, sysvHash(with))
	data = bytes.ReplaceAll(data, oldHash, newHash)
	if err := writeFile(name, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// sysvHash is the hash function of the gABI, chapter 5, "Hash Table".
func sysvHash(name string) uint32 {
	var h uint32
	for _, c := range []byte(name) {
		h = h<<4 + uint32(c)
		g := h & 0xf0000000
		h ^= g >> 24
		h &^= g
	}
	return h
}

// hugeBSS makes the last PT_LOAD of ./plain need 16 GB of memory.
func hugeBSS(t *testing.T, dir string) {
	f, err := elf.Open(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := -1
	for i, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			last = i
		}
	}
	const headers, size, memsz = 64, 56, 40
	b := make([]byte, 8)
	binary.LittleEndian.PutUint64(b, 16<<30)
	patch(int64(headers+last*size+memsz), b...)(t, dir)
}

// atWeld links ./taken to the address where the weld command itself is.
func atWeld(t *testing.T, dir string) {
	address := uint64(0x400000)
	if !native() {
		address = lowestAddress(t, weldCommand(t))
	}
	d := testenv.NewDir(t)
	copyFile(t, filepath.Join(dir, "taken"), d.Program("taken", "taken.s", "-nostdlib", "-static", "-no-pie", fmt.Sprintf("-Wl,-Ttext-segment=%#x", address)))
}

// lowestAddress returns the address at which the first segment of a fixed-address program is.
func lowestAddress(t *testing.T, path string) uint64 {
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC {
		t.Fatalf("%s is %v: no address is taken before it runs", path, f.Type)
	}
	lowest := ^uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			lowest = min(lowest, p.Vaddr)
		}
	}
	return lowest
}
