package testenv

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A Mapping is one line of /proc/self/maps.
type Mapping struct {
	Start, End uintptr
	Perm       string // such as r-xp
	Offset     uint64
	Inode      uint64
	Path       string // empty for anonymous memory
}

// Maps returns the mappings of this process in the order of their addresses.
func Maps(t testing.TB) []Mapping {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var maps []Mapping
	s := bufio.NewScanner(f)
	for s.Scan() {
		m, err := parseMapping(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		maps = append(maps, m)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return maps
}

func parseMapping(line string) (Mapping, error) {
	var m Mapping
	fields := strings.Fields(line)
	if len(fields) < 5 {
		return m, fmt.Errorf("/proc/self/maps: cannot read %q", line)
	}
	start, end, _ := strings.Cut(fields[0], "-")
	a, err1 := strconv.ParseUint(start, 16, 64)
	b, err2 := strconv.ParseUint(end, 16, 64)
	off, err3 := strconv.ParseUint(fields[2], 16, 64)
	inode, err4 := strconv.ParseUint(fields[4], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return m, fmt.Errorf("/proc/self/maps: cannot read %q", line)
	}
	m = Mapping{Start: uintptr(a), End: uintptr(b), Perm: fields[1], Offset: off, Inode: inode}
	if len(fields) > 5 {
		// The path is the rest of the line and may contain spaces.
		m.Path = line[strings.Index(line, fields[5]):]
	}
	return m, nil
}

// MappingAt returns the mapping that contains addr.
func MappingAt(t testing.TB, addr uintptr) (Mapping, bool) {
	t.Helper()
	for _, m := range Maps(t) {
		if m.Start <= addr && addr < m.End {
			return m, true
		}
	}
	return Mapping{}, false
}

// MapsOf returns the mappings whose path ends in suffix.
func MapsOf(t testing.TB, suffix string) []Mapping {
	t.Helper()
	var of []Mapping
	for _, m := range Maps(t) {
		if strings.HasSuffix(m.Path, suffix) {
			of = append(of, m)
		}
	}
	return of
}

// FDs returns the number of open file descriptors, without the one that the
// counting itself takes.
func FDs(t testing.TB) int {
	t.Helper()
	return entries(t, "/proc/self/fd") - 1
}

// Threads returns the number of kernel threads of this process.
func Threads(t testing.TB) int {
	t.Helper()
	return entries(t, "/proc/self/task")
}

func entries(t testing.TB, dir string) int {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
