package tests

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"weld/internal/testenv"
)

// TestDistribution opens every shared object below the distribution's library
// folder with the system's dynamic linker and with weld, each in a fresh
// process, and compares: opened or refused and why, the address of every
// exported symbol less the base, with its version and without, the choice of
// every IFUNC, and whether the close unloads it. What may differ stands in
// testdata/exceptions.txt.
func TestDistribution(t *testing.T) {
	testenv.Need(t, "gcc")
	oracleProgram(t)
	exceptions := readExceptions(t, "testdata/exceptions.txt")
	var paths []string
	root := testenv.LibDir(t)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	modes := []string{"now", "lazy"}
	step := 1
	if testing.Short() {
		modes, step = modes[:1], 12
	}
	for _, mode := range modes {
		sum := compareAll(t, mode, root, paths, step, exceptions)
		t.Logf("%s: %v", mode, sum)
		if sum.both == 0 {
			t.Errorf("%s: no shared object in %s was opened by both", mode, root)
		}
	}
	if !testing.Short() && !ownThreads() { // there weld has no more room for initial-exec TLS than glibc leaves it
		exceptions.unused(t, paths)
	}
}

// below returns the path relative to the library folder.
func below(root, path string) string { return strings.TrimPrefix(path, root+"/") }

// summary counts the outcomes of a comparison.
type summary struct{ files, both, neither, excepted, symbols int }

func (s summary) String() string {
	return fmt.Sprintf("%d shared objects: %d opened by both, %d refused by both, %d excepted; %d symbols compared",
		s.files, s.both, s.neither, s.excepted, s.symbols)
}

func compareAll(t *testing.T, mode, root string, paths []string, step int, exceptions *exceptionList) summary {
	var mu sync.Mutex
	var sum summary
	var wg sync.WaitGroup
	work := make(chan *subject)
	for range 2 {
		wg.Go(func() {
			for s := range work {
				differences, got := compare(t, mode, s)
				mu.Lock()
				sum.files++
				sum.both += got.both
				sum.neither += got.neither
				sum.symbols += got.symbols
				if differences != nil {
					if rest := exceptions.filter(below(root, s.path), mode, differences); rest != nil {
						t.Errorf("%s %s:\n\t%s", mode, s.path, strings.Join(rest, "\n\t"))
					} else {
						sum.excepted++
						t.Logf("%s %s: excepted: %s", mode, s.path, strings.Join(differences, "; "))
					}
				}
				mu.Unlock()
			}
		})
	}
	n := 0
	for _, path := range paths {
		s, err := readSubject(path)
		if err == errNotShared {
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if n++; n%step == 0 {
			work <- s
		}
	}
	close(work)
	wg.Wait()
	return sum
}

// compare returns what differs, in words.
func compare(t *testing.T, mode string, s *subject) (differences []string, sum summary) {
	want, got := glibcAnswers(t, mode, s), weldAnswers(t, mode, s)
	differ := func(format string, args ...any) {
		differences = append(differences, fmt.Sprintf(format, args...))
	}
	switch {
	case want.died() && got.died():
		sum.neither++
		return nil, sum
	case want.died():
		differ("glibc's process ended (%v after %d symbols), weld's did not", want.end, len(want.symbols))
		return
	case got.died():
		differ("weld's process ended: %v after opened=%v and %d symbols; glibc: opened=%v %s\n%s", got.end, got.opened, len(got.symbols), want.opened, want.refusal, tail(got.end.Stderr, 40))
		return
	case want.opened != got.opened:
		differ("glibc: opened=%v %s; weld: opened=%v %s", want.opened, want.refusal, got.opened, got.refusal)
		return
	case !want.opened:
		sum.neither++
		if word := reasonWord(want.refusal); !strings.Contains(got.refusal, word) {
			differ("refused for other reasons (%q is not in weld's): glibc: %s; weld: %s", word, want.refusal, got.refusal)
		}
		return
	}
	sum.both++
	for i := range want.symbols {
		sum.symbols++
		if i >= len(got.symbols) {
			differ("weld answered %d of %d symbols", len(got.symbols), len(want.symbols))
			break
		}
		if want.symbols[i] != got.symbols[i] {
			differ("%v: glibc %s %s, weld %s %s", s.requests[i], want.symbols[i], want.detail[i], got.symbols[i], got.detail[i])
		}
	}
	if want.closed != got.closed {
		differ("after the close: glibc %s, weld %s", want.closed, got.closed)
	}
	return
}

var (
	undefinedSymbol = regexp.MustCompile(`undefined symbol: ([^ ,]+)`)
	missingFile     = regexp.MustCompile(`([^ /:]+): cannot open shared object file`)
	missingVersion  = regexp.MustCompile("version `([^']+)' not found")
)

// reasonWord takes from a message of glibc's dlopen the name that any message
// about the same trouble has to contain.
func reasonWord(message string) string {
	for _, re := range []*regexp.Regexp{undefinedSymbol, missingFile, missingVersion} {
		if m := re.FindStringSubmatch(message); m != nil {
			return m[1]
		}
	}
	return ""
}

func tail(text []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(all) > lines {
		all = append(append(all[:lines:lines], "..."), all[max(lines, len(all)-5):]...)
	}
	return strings.Join(all, "\n")
}

// An exception is a line of the exceptions file: a regular expression for paths
// below the library folder, a mode or *, a regular expression for the
// differences, and the reason.
type exception struct {
	path   *regexp.Regexp
	mode   string
	what   *regexp.Regexp
	reason string
	line   int
	used   bool
}

type exceptionList struct {
	file string
	list []*exception
}

func readExceptions(t *testing.T, file string) *exceptionList {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := &exceptionList{file: file}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		fields := strings.Fields(text)
		if len(fields) < 4 {
			t.Fatalf("%s:%d: want PATH MODE DIFFERENCE REASON", file, n)
		}
		path, err := regexp.Compile("^(?:" + fields[0] + ")$")
		if err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		what, err := regexp.Compile(fields[2])
		if err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		l.list = append(l.list, &exception{path: path, mode: fields[1], what: what, reason: strings.Join(fields[3:], " "), line: n})
	}
	return l
}

// filter returns the differences that no exception covers.
func (l *exceptionList) filter(path, mode string, differences []string) (rest []string) {
	for _, d := range differences {
		if e := l.match(path, mode, d); e != nil {
			e.used = true
		} else {
			rest = append(rest, d)
		}
	}
	return rest
}

func (l *exceptionList) match(path, mode, difference string) *exception {
	for _, e := range l.list {
		if (e.mode == "*" || e.mode == mode) && e.path.MatchString(path) && e.what.MatchString(difference) {
			return e
		}
	}
	return nil
}

// unused fails the test for every exception that nothing needed: but only if
// a file that it names is on this machine.
func (l *exceptionList) unused(t *testing.T, paths []string) {
	t.Helper()
	for _, e := range l.list {
		if e.used {
			continue
		}
		root := testenv.LibDir(t)
		found := slices.ContainsFunc(paths, func(path string) bool { return e.path.MatchString(below(root, path)) })
		if found {
			t.Errorf("%s:%d: the exception for %v is not needed", l.file, e.line, e.path)
		}
	}
}
