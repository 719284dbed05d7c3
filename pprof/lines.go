package pprof

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"slices"

	"github.com/google/pprof/profile"

	"weld/internal/rtld"
	"weld/internal/symbols"
)

// addLines gives new frames of libraries that have debugging information their files and lines. go tool pprof would look
// for those of Go code only. Of a function that was inlined the line is shown, in the function that it was inlined to.
func (r *recorder) addLines() {
	byObject := map[*rtld.Object][]*profile.Location{}
	for p, l := range r.locs {
		if p.o != nil && !r.lined[l] {
			r.lined[l] = true
			byObject[p.o] = append(byObject[p.o], l)
		}
	}
	for o, locs := range byObject {
		for _, path := range symbols.Files(o.OpenPath(), o.BuildID) {
			if r.addLinesOf(path, o, locs) {
				break
			}
		}
	}
}

func (r *recorder) addLinesOf(path string, o *rtld.Object, locs []*profile.Location) (found bool) {
	defer func() { recover() }() // package debug/dwarf does not check all that it reads
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if len(o.BuildID) > 0 && !symbols.HasBuildID(f, o.BuildID) {
		return false
	}
	data, err := f.DWARF()
	if err != nil {
		return false
	}
	units := unitsOf(data)
	var lines *dwarf.LineReader
	var of *dwarf.Entry
	slices.SortFunc(locs, func(a, b *profile.Location) int { return cmp.Compare(a.Address, b.Address) })
	for _, l := range locs {
		addr := l.Address - uint64(o.Mapping.Bias)
		i, _ := slices.BinarySearchFunc(units, addr, func(u unit, a uint64) int { return cmp.Compare(u.hi, a+1) })
		if i == len(units) || addr < units[i].lo {
			continue
		}
		found = true
		if u := units[i].entry; u != of {
			if lines, err = data.LineReader(u); err != nil || lines == nil {
				continue
			}
			of = u
		}
		var e dwarf.LineEntry
		if lines.SeekPC(addr, &e) != nil || e.File == nil {
			continue
		}
		fn := l.Line[0].Function
		l.Line[0] = profile.Line{Function: r.function(fn.Name, fn.SystemName, e.File.Name), Line: int64(e.Line)}
		l.Mapping.HasFilenames, l.Mapping.HasLineNumbers = true, true
	}
	return found
}

// unit is a range of addresses of a compilation unit.
type unit struct {
	lo, hi uint64
	entry  *dwarf.Entry
}

func unitsOf(data *dwarf.Data) (list []unit) {
	for r := data.Reader(); ; r.SkipChildren() {
		e, err := r.Next()
		if err != nil || e == nil {
			break
		}
		ranges, err := data.Ranges(e)
		if err != nil {
			continue
		}
		for _, p := range ranges {
			if p[0] < p[1] {
				list = append(list, unit{p[0], p[1], e})
			}
		}
	}
	slices.SortFunc(list, func(a, b unit) int { return cmp.Compare(a.lo, b.lo) })
	return list
}
