package prepare

import (
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Slot is a place in the measures for one library: the first of Names that is installed.
type Slot struct {
	Names   []string // sonames, the preferred first
	Package string   // Debian package of the first
	Large   bool
}

// Slots are the libraries that are opened, the small before the large.
var Slots = []Slot{
	{Names: []string{"libz.so.1"}, Package: "zlib1g"},
	{Names: []string{"libcrypto.so.3", "libcrypto.so.1.1"}, Package: "libssl3"},
	{Names: series("libpython3.%d.so.1.0", 11, 12, 13, 14, 10, 9), Package: "libpython3.11"},
	{Names: append(series("libLLVM-%d.so.1", 14, 15, 16, 17, 13), series("libLLVM.so.%d.1", 18, 19, 20, 21)...),
		Package: "libllvm14", Large: true},
	{Names: append(series("libclang-cpp.so.%d", 14, 15, 16, 17, 13), series("libclang-cpp.so.%d.1", 18, 19, 20, 21)...),
		Package: "libclang-cpp14", Large: true},
}

func series(format string, numbers ...int) []string {
	var names []string
	for _, n := range numbers {
		names = append(names, fmt.Sprintf(format, n))
	}
	return names
}

// Library is an installed library.
type Library struct {
	Name   string // soname it was found by
	Path   string
	Size   int64    // of the file, in bytes
	Needed []string // DT_NEEDED
	Large  bool
}

// Find returns the library for a slot. The function find asks the system's own loader for the path of a soname.
func Find(slot Slot, find func(soname string) (string, error)) (*Library, error) {
	for _, name := range slot.Names {
		path, err := find(name)
		if err != nil {
			continue
		}
		path, err = filepath.EvalSymlinks(path)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		f, err := elf.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		needed, err := f.ImportedLibraries()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &Library{Name: name, Path: path, Size: info.Size(), Needed: needed, Large: slot.Large}, nil
	}
	return nil, fmt.Errorf("none of %s is installed (Debian: apt-get install %s)",
		strings.Join(slot.Names, ", "), slot.Package)
}

// Names returns at most limit names of functions and objects that l exports, in an order that is the same at every
// run and has nothing to do with that of the symbol table.
func (l *Library) Names(limit int) ([]string, error) {
	f, err := elf.Open(l.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	var names []string
	for _, s := range symbols {
		if exported(s) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:min(limit, len(names))], nil
}

func exported(s elf.Symbol) bool {
	bind, kind := elf.ST_BIND(s.Info), elf.ST_TYPE(s.Info)
	return s.Section != elf.SHN_UNDEF && s.Section != elf.SHN_ABS &&
		(bind == elf.STB_GLOBAL || bind == elf.STB_WEAK) &&
		(kind == elf.STT_FUNC || kind == elf.STT_OBJECT) &&
		!(s.HasVersion && s.VersionIndex.IsHidden())
}
