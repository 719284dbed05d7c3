package ctype

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	weldelf "weld/image/elf"
)

// Columns of the index of a .dwp (DWARF 5, section 7.3.5.3).
const (
	dwpInfo       = 1
	dwpTypes      = 2
	dwpAbbrev     = 3
	dwpStrOffsets = 6
	dwpRnglists   = 8
)

// dwpRow says where what belongs to a unit begins in the sections of a .dwp.
type dwpRow struct{ off [9]uint64 }

// dwpIndex finds the units of a .dwp.
type dwpIndex struct{ d *dwarf }

// read reads the sections of f that say something of types. In split files their names end in suffix.
func (s *sections) read(f *elfFile, suffix string) error {
	// Inflating takes most of the time of a first lookup, so the sections are read in parallel.
	parts := []struct {
		name string
		to   *[]byte
	}{
		{".debug_info", &s.info}, {".debug_abbrev", &s.abbrev}, {".debug_str", &s.str}, {".debug_line_str", &s.lineStr},
		{".debug_str_offsets", &s.strOffsets}, {".debug_addr", &s.addr}, {".debug_ranges", &s.ranges}, {".debug_rnglists", &s.rnglists},
		{".debug_types", &s.types}, {".debug_aranges", &s.aranges},
	}
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, x := range parts {
		wg.Go(func() { *x.to, errs[i] = f.section(x.name + suffix) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// whole returns what a skeleton unit stands for, and any other unit itself.
func (u *unit) whole() (*unit, error) {
	if err := u.setup(); err != nil {
		return nil, err
	}
	if u.dwoName == "" || u.d.isDWO {
		return u, nil
	}
	if !u.splitReady {
		u.splitReady = true
		u.split = u.d.findSplit(u)
		if u.split != nil {
			u.split.skel = u
			if err := u.split.setup(); err != nil {
				return nil, err
			}
		}
	}
	if u.split == nil {
		return u, nil // its file is not here: nothing is known
	}
	return u.split, nil
}

// findSplit looks for the split unit of a skeleton: in the .dwp beside the file, then in the .dwo that it names.
func (d *dwarf) findSplit(skel *unit) *unit {
	if d.dwp == nil {
		d.dwp = &dwpIndex{}
		for _, path := range []string{d.name + ".dwp", d.in.name + ".dwp"} {
			if w := d.openSplit(path); w != nil && w.readIndex() == nil {
				d.dwp.d = w
				break
			}
		}
	}
	if w := d.dwp.d; w != nil {
		if u := w.splitUnit(skel.sig); u != nil {
			return u
		}
	}
	var paths []string
	if filepath.IsAbs(skel.dwoName) {
		paths = append(paths, skel.dwoName)
	} else {
		paths = append(paths, filepath.Join(skel.compDir, skel.dwoName), filepath.Join(filepath.Dir(d.name), skel.dwoName))
	}
	base := filepath.Base(skel.dwoName)
	paths = append(paths, filepath.Join(filepath.Dir(d.name), base), filepath.Join(filepath.Dir(d.in.name), base))
	for _, dir := range d.in.opts.dirs() {
		paths = append(paths, filepath.Join(dir, base))
	}
	for _, path := range paths {
		w, seen := d.dwos[path]
		if !seen {
			w = d.openSplit(path)
			if d.dwos == nil {
				d.dwos = map[string]*dwarf{}
			}
			d.dwos[path] = w
		}
		if w != nil {
			if u := w.splitUnit(skel.sig); u != nil {
				return u
			}
		}
	}
	return nil
}

// openSplit reads a .dwo or .dwp; nil if there is none that can be read. What it lacks is only unknown.
func (d *dwarf) openSplit(path string) *dwarf {
	w := &dwarf{in: d.in, name: path, main: d, isDWO: true}
	err := withFile(path, &d.in.budget, func(f *elfFile) error {
		if err := w.sec.read(f, ".dwo"); err != nil {
			return err
		}
		var err error
		if w.sec.cuIndex, err = f.section(".debug_cu_index"); err != nil {
			return err
		}
		w.sec.tuIndex, err = f.section(".debug_tu_index")
		return err
	})
	if err != nil || w.readUnits() != nil || len(w.units) == 0 {
		return nil
	}
	_, _ = w.altFile() // it has none; several goroutines may ask
	return w
}

// splitUnit returns the unit with an id. Before DWARF 5 it is in the unit's entry.
func (d *dwarf) splitUnit(id uint64) *unit {
	for _, u := range d.units {
		if u.kind == utSplitCompile && u.sig == id {
			return u
		}
		if u.version < 5 && u.kind == utCompile {
			if u.sig == 0 && u.abbrevs == nil {
				// Its strings cannot be read before the skeleton is known, but the id can.
				if u.setup() != nil {
					continue
				}
				u.ready = false
			}
			if u.sig == id {
				return u
			}
		}
	}
	return nil
}

// readIndex reads the indexes of a .dwp and tells each unit what is its own.
func (d *dwarf) readIndex() error {
	for _, x := range []struct {
		data   []byte
		column int
		list   []*unit
	}{
		{d.sec.cuIndex, dwpInfo, d.units}, {d.sec.tuIndex, dwpInfo, d.units}, {d.sec.tuIndex, dwpTypes, d.tunits},
	} {
		rows, ok := readRows(x.data)
		if !ok {
			return d.corrupt(".debug_cu_index", 0, "the index is damaged")
		}
		byOff := map[uint64]*dwpRow{}
		for i := range rows {
			byOff[rows[i].off[x.column]] = &rows[i]
		}
		for _, u := range x.list {
			if row := byOff[u.off]; row != nil && u.contrib == nil {
				u.contrib = row
				u.key.off += row.off[dwpAbbrev]
			}
		}
	}
	return nil
}

// readRows reads the table of .debug_cu_index or .debug_tu_index.
func readRows(data []byte) ([]dwpRow, bool) {
	if len(data) == 0 {
		return nil, true
	}
	r := readerAt(data, 0)
	version := r.u32() & 0xffff
	columns, units, slots := uint64(r.u32()), uint64(r.u32()), uint64(r.u32())
	if r.bad || version != 2 && version != 5 || columns > 16 || slots > uint64(len(data)) || units > slots {
		return nil, false
	}
	r.skip(slots * 12)
	ids := make([]uint32, columns)
	for i := range ids {
		ids[i] = r.u32()
	}
	if r.bad || units*columns*4 > uint64(r.left()) {
		return nil, false
	}
	rows := make([]dwpRow, units)
	for i := range rows {
		for _, id := range ids {
			v := uint64(r.u32())
			if id < 9 {
				rows[i].off[id] = v
			}
		}
	}
	return rows, true
}

// typeUnit returns the type unit with a signature.
func (d *dwarf) typeUnit(sig uint64) *unit {
	if u := d.sigs[sig]; u != nil {
		return u
	}
	if d.main != nil {
		if u := d.main.sigs[sig]; u != nil {
			return u
		}
		for _, w := range d.main.dwos {
			if w != nil && w.sigs[sig] != nil {
				return w.sigs[sig]
			}
		}
	}
	return nil
}

// altFile returns the file into which dwz -m has moved what several files share.
func (d *dwarf) altFile() (*dwarf, error) {
	if d.altSet {
		return d.alt, d.altErr
	}
	d.altSet = true
	d.alt, d.altErr = d.openAlt()
	return d.alt, d.altErr
}

func (d *dwarf) openAlt() (*dwarf, error) {
	link, id := d.in.altName, d.in.altID
	if link == "" || d.main != nil {
		return nil, d.corrupt("", 0, "it refers to a supplementary file, but names none")
	}
	paths := []string{link}
	if !filepath.IsAbs(link) {
		paths = []string{filepath.Join(filepath.Dir(d.name), link)}
		if real, err := filepath.EvalSymlinks(d.name); err == nil {
			paths = append(paths, filepath.Join(filepath.Dir(real), link))
		}
	}
	for _, dir := range d.in.opts.dirs() {
		paths = append(paths, filepath.Join(dir, ".dwz", filepath.Base(link)))
		if len(id) > 1 {
			paths = append(paths, buildIDPath(dir, id))
		}
	}
	for _, path := range paths {
		w := &dwarf{in: d.in, name: path}
		match := true
		err := withFile(path, &d.in.budget, func(f *elfFile) error {
			if own := f.buildID(); len(id) > 0 && len(own) > 0 && string(own) != string(id) {
				match = false
				return nil
			}
			return w.sec.read(f, "")
		})
		if os.IsNotExist(err) || !match {
			continue
		}
		if err != nil {
			return nil, err
		}
		return w, w.readUnits()
	}
	return nil, &FormatError{File: d.name, Section: ".gnu_debugaltlink", What: "the supplementary file " + link + " is not to be found", Kind: ErrNoDebugInfo}
}

// withFile opens an ELF file for the time of a call.
func withFile(path string, budget *atomic.Int64, f func(*elfFile) error) error {
	file, size, err := openRegular(path)
	if err != nil {
		return err
	}
	defer file.Close()
	e, err := readELF(path, file, size, budget)
	if err != nil {
		return err
	}
	return f(e)
}

// buildID returns the build-id of a file, from its section.
func (f *elfFile) buildID() []byte {
	i := f.find(".note.gnu.build-id")
	if i < 0 || f.sections[i].Size > 1<<12 {
		return nil
	}
	b, err := f.raw(&f.sections[i])
	if err != nil {
		return nil
	}
	for len(b) >= 12 {
		namesz, descsz, typ := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint32(b[8:])
		desc := 12 + (namesz+3)&^3
		if desc > uint64(len(b)) || descsz > uint64(len(b))-desc {
			return nil
		}
		if typ == weldelf.NT_GNU_BUILD_ID && namesz == 4 && string(b[12:16]) == "GNU\x00" {
			return b[desc : desc+descsz]
		}
		b = b[min(desc+(descsz+3)&^3, uint64(len(b))):]
	}
	return nil
}
