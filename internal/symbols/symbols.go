// Package symbols names the functions of a library by a .symtab, which has those that are not exported too: its file's
// own, or that of the file of debugging information which distributions put beside.
package symbols

import (
	"bytes"
	"cmp"
	stdelf "debug/elf"
	"fmt"
	"slices"
	"sort"

	"weld/image/elf"
	"weld/internal/rawfile"
)

// Function is a function of a file. Addr is as in the file, without a bias; Size may be 0.
type Function struct {
	Name       string
	Addr, Size uint64
}

// Table is the functions of a file in the order of their addresses.
type Table []Function

// Files returns where debugging information of a library may be: its own file, and where distributions put what they
// strip off (gdb manual, "Separate Debug Files").
func Files(path string, buildID []byte) []string {
	if len(buildID) < 2 {
		return []string{path}
	}
	return []string{path, fmt.Sprintf("/usr/lib/debug/.build-id/%x/%x.debug", buildID[:1], buildID[1:])}
}

// Read returns the functions that the library's files name. A file that is not of the build-id, unless that is empty, or
// that cannot be read, has none.
func Read(path string, buildID []byte) Table {
	for i, name := range Files(path, buildID) {
		data, err := rawfile.ReadFile(name)
		if err != nil {
			continue
		}
		var t Table
		if i == 0 {
			t = ofLibrary(name, data, buildID)
		} else {
			t = ofDebugFile(data, buildID)
		}
		if len(t) > 0 {
			return t.sorted()
		}
	}
	return nil
}

func ofLibrary(name string, data, buildID []byte) (t Table) {
	f, err := elf.New(name, data)
	if err != nil || len(buildID) > 0 && !bytes.Equal(f.BuildID(), buildID) {
		return nil
	}
	syms, err := f.SymtabSymbols()
	if err != nil {
		return nil
	}
	for _, s := range syms.All() {
		if s.Defined() && (s.Type() == elf.STT_FUNC || s.Type() == elf.STT_GNU_IFUNC) {
			t = append(t, Function{syms.Name(s), s.Value, s.Size})
		}
	}
	return t
}

// ofDebugFile reads a file of debugging information: its program headers speak of what is not in it.
func ofDebugFile(data, buildID []byte) (t Table) {
	defer func() {
		if recover() != nil { // package debug/elf does not check all that it reads
			t = nil
		}
	}()
	f, err := stdelf.NewFile(bytes.NewReader(data))
	if err != nil || !HasBuildID(f, buildID) {
		return nil
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil
	}
	for _, s := range syms {
		if typ := stdelf.ST_TYPE(s.Info); s.Section != stdelf.SHN_UNDEF && (typ == stdelf.STT_FUNC || typ == stdelf.STT_GNU_IFUNC) {
			t = append(t, Function{s.Name, s.Value, s.Size})
		}
	}
	return t
}

// HasBuildID looks for a build-id in the sections of a file: one of debugging information has no segments.
func HasBuildID(f *stdelf.File, id []byte) bool {
	s := f.Section(".note.gnu.build-id")
	if s == nil {
		return false
	}
	b, err := s.Data()
	return err == nil && bytes.HasSuffix(b, id)
}

// sorted puts a table in order. Of several names of a place the shortest is taken, which has the fewest underscores
// before it.
func (t Table) sorted() Table {
	slices.SortStableFunc(t, func(a, b Function) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(len(a.Name), len(b.Name)))
	})
	return slices.CompactFunc(t, func(a, b Function) bool { return a.Addr == b.Addr && a.Size == b.Size })
}

// Find returns the function that covers an address.
func (t Table) Find(addr uint64) (Function, bool) {
	i := sort.Search(len(t), func(i int) bool { return t[i].Addr > addr })
	for n := 0; i > 0 && n < 4; n++ { // a symbol without a size may lie in another
		i--
		if f := t[i]; addr-f.Addr < f.Size || addr == f.Addr {
			return f, true
		}
	}
	return Function{}, false
}
