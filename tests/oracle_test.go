package tests

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"weld"
	"weld/internal/testenv"
)

// The oracle is testdata/oracle.c, which asks the system's dynamic linker; the
// child "answer" below asks weld the same and prints the same lines.

func init() { testenv.Child("answer", answerChild) }

var oraclePath struct {
	sync.Mutex
	path string
}

// oracleProgram compiles the oracle, once per run.
func oracleProgram(t testing.TB) string {
	t.Helper()
	oraclePath.Lock()
	defer oraclePath.Unlock()
	if oraclePath.path == "" {
		built := testenv.NewDir(t).Program("oracle", "oracle.c")
		path := filepath.Join(testenv.RunDir(t), "oracle")
		if err := os.Rename(built, path); err != nil {
			t.Fatal(err)
		}
		oraclePath.path = path
	}
	return oraclePath.path
}

// A request is a symbol to look up, with a version or without.
type request struct{ name, version string }

func (r request) String() string {
	if r.version == "" {
		return r.name
	}
	return r.name + "@" + r.version
}

// A subject is a file that is to be opened, and what is to be asked of it. It
// is read with Go's debug/elf, so that the questions do not come from weld.
type subject struct {
	path     string
	span     uint64 // size of the address range that the segments cover, base included
	requests []request
	tls      map[string]bool // names of TLS symbols: their addresses are per thread
}

var errNotShared = errors.New("no shared object")

// readSubject returns errNotShared for a file that is no ELF file of type
// ET_DYN with a dynamic section.
func readSubject(path string) (*subject, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, errNotShared
	}
	defer f.Close()
	dynamic := false
	s := &subject{path: path, tls: map[string]bool{}}
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_DYNAMIC:
			dynamic = true
		case elf.PT_LOAD:
			s.span = max(s.span, p.Vaddr+p.Memsz)
		}
	}
	if f.Type != elf.ET_DYN || !dynamic {
		return nil, errNotShared
	}
	symbols, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	seen := map[request]bool{}
	ask := func(r request) {
		if !seen[r] {
			seen[r] = true
			s.requests = append(s.requests, r)
		}
	}
	for _, sym := range symbols {
		if sym.Section == elf.SHN_UNDEF || elf.ST_BIND(sym.Info) == elf.STB_LOCAL || sym.Name == "" {
			continue
		}
		ask(request{sym.Name, ""})
		if sym.Version != "" && sym.HasVersion && sym.VersionIndex.Index() > 1 {
			ask(request{sym.Name, sym.Version})
		}
		if elf.ST_TYPE(sym.Info) == elf.STT_TLS {
			s.tls[sym.Name] = true
		}
	}
	ask(request{"weld_no_such_symbol", ""})
	return s, nil
}

// Answers is what one side said of a subject.
type answers struct {
	opened  bool
	refusal string   // the message, if not opened
	symbols []string // one for each request that was answered, comparable between the sides
	detail  []string // the message for each symbol that was not found
	closed  string   // "loaded" or "unloaded" after the close
	end     testenv.Result
}

// died reports whether the process ended before all was answered.
func (a *answers) died() bool { return a.closed == "" && a.refusal == "" }

// ask runs cmd, which is one of the two sides, with the subject's requests.
func ask(t testing.TB, cmd *exec.Cmd, s *subject) *answers {
	t.Helper()
	var in bytes.Buffer
	for _, r := range s.requests {
		in.WriteString(r.name)
		if r.version != "" {
			in.WriteString("\t" + r.version)
		}
		in.WriteByte('\n')
	}
	out, err := os.CreateTemp(t.TempDir(), "answers")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdin = &in
	cmd.ExtraFiles = []*os.File{out}
	cmd.Dir = filepath.Dir(out.Name())
	a := &answers{end: testenv.Run(t, cmd, testenv.Patience)}
	if _, err := out.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	a.parse(t, out, s)
	return a
}

func (a *answers) parse(t testing.TB, out *os.File, s *subject) {
	t.Helper()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return
	}
	head, rest, _ := strings.Cut(lines.Text(), " ")
	if head == "no" {
		a.refusal = rest
		for lines.Scan() {
			a.refusal += "\n" + lines.Text()
		}
		return
	}
	a.opened = head == "ok"
	base := hex(t, rest)
	for lines.Scan() {
		line := lines.Text()
		if line == "closed" {
			if lines.Scan() {
				a.closed = lines.Text()
			}
			return
		}
		if len(a.symbols) == len(s.requests) {
			t.Fatalf("%s: more answers than requests: %q", s.path, line)
		}
		req := s.requests[len(a.symbols)]
		said, detail := interpret(t, line, base, s, req)
		a.symbols = append(a.symbols, said)
		a.detail = append(a.detail, detail)
	}
}

// interpret makes an answer comparable: an address inside the subject becomes
// its offset, one inside another object that object's name and offset.
func interpret(t testing.TB, line string, base uint64, s *subject, req request) (said, detail string) {
	t.Helper()
	if message, ok := strings.CutPrefix(line, "- "); ok {
		return "none", message
	}
	fields := strings.SplitN(line, " ", 3)
	if len(fields) != 3 {
		t.Fatalf("%s: %s: cannot read the answer %q", s.path, req, line)
	}
	addr, ownerBase, owner := hex(t, fields[0]), hex(t, fields[1]), fields[2]
	switch {
	case s.tls[req.name]:
		return "tls", ""
	case base <= addr && addr <= base+s.span:
		return fmt.Sprintf("+%#x", addr-base), ""
	case owner == "-":
		return fmt.Sprintf("%#x", addr), ""
	}
	if real, err := filepath.EvalSymlinks(owner); err == nil {
		owner = real
	}
	return fmt.Sprintf("%s+%#x", filepath.Base(owner), addr-ownerBase), ""
}

func hex(t testing.TB, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		t.Fatalf("answer: %v", err)
	}
	return v
}

// glibcAnswers asks the system's dynamic linker.
func glibcAnswers(t testing.TB, mode string, s *subject) *answers {
	t.Helper()
	cmd := exec.Command(oracleProgram(t), mode, s.path)
	cmd.Env = plainEnv()
	return ask(t, cmd, s)
}

// weldAnswers asks weld, in a fresh process.
func weldAnswers(t testing.TB, mode string, s *subject) *answers {
	t.Helper()
	cmd := testenv.ChildCommand(t, "answer", mode, s.path)
	cmd.Env = append(plainEnv(), cmd.Env[len(cmd.Env)-1])
	return ask(t, cmd, s)
}

// plainEnv is an environment in which libraries find little to act upon.
func plainEnv() []string {
	return []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C", "TMPDIR=" + os.TempDir()}
}

func answerChild(args []string) {
	mode, path := weld.Now, args[1]
	if args[0] == "lazy" {
		mode = weld.Lazy
	}
	var requests []request
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		name, version, _ := strings.Cut(lines.Text(), "\t")
		requests = append(requests, request{name, version})
	}
	file := os.NewFile(3, "answers")
	out := bufio.NewWriterSize(file, 1<<16)
	defer out.Flush()

	lib, err := weld.Open(path, mode)
	if err != nil {
		fmt.Fprintf(out, "no %v\n", err)
		return
	}
	fmt.Fprintf(out, "ok %x\n", lib.Base)
	out.Flush()
	loaded := weld.Libraries()
	for _, r := range requests {
		var sym weld.Symbol
		if r.version == "" {
			sym, err = lib.Lookup(r.name)
		} else {
			sym, err = lib.LookupVersion(r.name, r.version)
		}
		if err != nil {
			fmt.Fprintf(out, "- %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		} else if i := slices.IndexFunc(loaded, func(l *weld.Library) bool { return sym.Addr-l.Base < l.Size }); i >= 0 {
			fmt.Fprintf(out, "%x %x %s\n", sym.Addr, loaded[i].Base, loaded[i].Path)
		} else {
			fmt.Fprintf(out, "%x 0 -\n", sym.Addr)
		}
	}
	out.Flush()
	if err := lib.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "close:", err)
		os.Exit(3)
	}
	fmt.Fprintln(out, "closed")
	out.Flush()
	if again, err := weld.Open(path, weld.Lazy, weld.NoLoad); err == nil && again != nil {
		fmt.Fprintln(out, "loaded")
	} else {
		fmt.Fprintln(out, "unloaded")
	}
}
