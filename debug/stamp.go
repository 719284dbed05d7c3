package debug

import (
	"encoding/binary"
	"errors"
	"fmt"

	"weld/image/elf"
)

// Errors of Stamp.
var (
	ErrNotWeld = errors.New("no program that uses weld")
	ErrStamped = errors.New("it has the notes already")
)

// Stamp returns a copy of the executable file of a Go program that uses weld, with notes (.note.stapsdt) of the probes'
// functions in it. Debuggers that know the program then stop at the probes, tracers find them in the program's own file,
// and the program makes no object for them. The file must have its symbols. name is for errors: an *elf.FormatError, or one
// that is ErrNotWeld or ErrStamped to errors.Is.
func Stamp(name string, data []byte) ([]byte, error) {
	f, err := elf.New(name, data)
	if err != nil {
		return nil, err
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("%s: %w", name, ErrNotWeld)
	}
	sections, err := f.Sections()
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		if s.Name == ".note.stapsdt" {
			return nil, fmt.Errorf("%s: %w", name, ErrStamped)
		}
	}
	symbols, err := f.SymtabSymbols()
	if err != nil {
		return nil, err
	}
	wanted := map[string]uint64{"weld_stamped": 0}
	for _, p := range probeNames {
		wanted["weld_rtld_"+p.name] = 0
	}
	for i := range symbols.Len() {
		s := symbols.At(i)
		// The assembler's functions have a suffix.
		n := trimABI(symbols.Name(s))
		if _, ok := wanted[n]; ok {
			wanted[n] = s.Value
		}
	}
	addrs := make([]uint64, numProbes)
	for p, info := range probeNames {
		addrs[p] = wanted["weld_rtld_"+info.name]
	}
	mark, ok := f.Offset(wanted["weld_stamped"])
	for _, a := range addrs {
		ok = ok && a != 0
	}
	if !ok || mark+8 > uint64(len(data)) || string(data[mark:mark+8]) != stampNo {
		return nil, fmt.Errorf("%s: %w, or its symbols are gone", name, ErrNotWeld)
	}

	// The notes, the names of the sections with two more, and the headers with two more go to the end. What was there stays
	// where it is, and is not referred to any more.
	le := binary.LittleEndian
	out := append([]byte(nil), data...)
	copy(out[mark:], stampYes)
	align := func() { out = append(out, make([]byte, -len(out)&7)...) }
	align()
	base, _ := f.LoadSpan() // debuggers want a section .stapsdt.base, which says where the file was linked to be
	baseAt, ok := f.Offset(base)
	if !ok {
		return nil, &elf.FormatError{File: name, Off: f.Phoff, What: fmt.Sprintf("the first address %#x is in no segment", base)}
	}
	notesAt, notes := len(out), StapNotes(addrs, base)
	out = append(out, notes...)
	strndx := int(f.Shstrndx)
	if f.Shentsize != 64 || strndx <= 0 || strndx >= len(sections) || len(sections) >= 0xff00-2 {
		return nil, &elf.FormatError{File: name, Off: 62, What: fmt.Sprintf("%d sections of %d bytes, names in section %d", len(sections), f.Shentsize, strndx)}
	}
	names, err := f.SectionData(&sections[strndx])
	if err != nil {
		return nil, err
	}
	namesAt, nameAt := len(out), len(names)
	out = append(append(out, names...), ".note.stapsdt\x00.stapsdt.base\x00"...)
	namesSize := len(out) - namesAt
	align()
	headersAt := len(out)
	const size = 64
	headers := data[f.Shoff:][:len(sections)*size] // Sections has read them
	out = append(out, headers...)
	le.PutUint64(out[headersAt+strndx*size+24:], uint64(namesAt))
	le.PutUint64(out[headersAt+strndx*size+32:], uint64(namesSize))
	add := func(name int, typ elf.SectionType, flags elf.SectionFlag, addr uint64, at, n, alignment int) {
		h := make([]byte, size)
		le.PutUint32(h, uint32(name))
		le.PutUint32(h[4:], uint32(typ))
		for i, v := range []uint64{uint64(flags), addr, uint64(at), uint64(n), 0, uint64(alignment)} {
			le.PutUint64(h[8+8*i:], v)
		}
		out = append(out, h...)
	}
	add(nameAt, elf.SHT_NOTE, 0, 0, notesAt, len(notes), 4)
	add(nameAt+len(".note.stapsdt\x00"), elf.SHT_PROGBITS, elf.SHF_ALLOC, base, int(baseAt), 1, 1)
	le.PutUint64(out[40:], uint64(headersAt))       // e_shoff
	le.PutUint16(out[60:], uint16(len(sections)+2)) // e_shnum
	return out, nil
}

// What the variable that stamped reads holds in the file, without notes and with them.
const stampNo, stampYes = "weldsdt0", "weldsdt1"

// trimABI takes the suffix off that the linker gives functions of the assembler.
func trimABI(s string) string {
	const suffix = ".abi0"
	if n := len(s) - len(suffix); n > 0 && s[n:] == suffix {
		return s[:n]
	}
	return s
}
