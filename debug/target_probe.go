//go:build linux && amd64

package debug

import (
	"bytes"

	"weld/image/elf"
)

// ntStapsdt is the type of the notes of owner "stapsdt": pc, base and semaphore, 8 bytes each, then the provider, the
// name and the arguments, each with a NUL (SystemTap, sys/sdt.h).
const ntStapsdt = 3

// probes returns the places of the probes of provider rtld in the file that is mapped at addr, which the given path
// leads to where the kernel does not say which it is. Those with a semaphore are left out: they are only reached after it
// was counted up in the process's memory. With them is changeSite, where the file has that symbol.
func (t *target) probes(addr uint64, path string) (found map[string][]uint64) {
	if p, _, err := t.fileAt(addr); err == nil {
		path = p
	}
	all := t.maps()
	i := find(all, addr)
	if i < 0 {
		return nil
	}
	m := all[i]
	withFile(path, func(f *elf.File) error {
		if bias, ok := biasOf(f, addr-m.start+m.offset, addr); ok {
			found = probesOf(f, bias)
			h := elf.Hash(changeSite)
			if _, sym, ok := f.Lookup(&h, nil); ok && len(found) > 0 {
				found[changeSite] = []uint64{bias + sym.Value}
			}
		}
		return nil
	})
	return found
}

// biasOf returns what a file was moved by that has the byte at offset off mapped at addr.
func biasOf(f *elf.File, off, addr uint64) (uint64, bool) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && off >= p.Off && off-p.Off < p.Filesz {
			return addr - (off - p.Off + p.Vaddr), true
		}
	}
	return 0, false
}

// probesOf returns the addresses of the probes of provider rtld by their names.
func probesOf(f *elf.File, bias uint64) map[string][]uint64 {
	sections, err := f.Sections()
	if err != nil {
		return nil
	}
	var base uint64
	for i := range sections {
		if sections[i].Name == ".stapsdt.base" {
			base = sections[i].Addr
		}
	}
	found := map[string][]uint64{}
	for i := range sections {
		s := &sections[i]
		if s.Name != ".note.stapsdt" || s.Type != elf.SHT_NOTE || s.Compressed() {
			continue
		}
		data, err := f.SectionData(s)
		if err != nil {
			continue
		}
		notes(data, s.Addralign, func(owner string, kind uint32, desc []byte) bool {
			if owner != "stapsdt" || kind != ntStapsdt || len(desc) < 24 {
				return true
			}
			pc, noteBase, semaphore := word(desc), word(desc[8:]), word(desc[16:])
			words := bytes.SplitN(desc[24:], []byte{0}, 3)
			if len(words) < 3 || string(words[0]) != "rtld" || semaphore != 0 {
				return true
			}
			if base != 0 {
				// The file may have been moved after the note was made, as prelink does.
				pc += base - noteBase
			}
			name := string(words[1])
			found[name] = append(found[name], bias+pc)
			return true
		})
	}
	return found
}
