package ctype

import (
	weldelf "weld/image/elf"
)

// How a relocation of debugging information changes its place: stores, adds or subtracts so many bytes.
type relocAction struct {
	size int
	op   byte // '=', '+', '-', or '6' for the lower six bits
}

// relocActions is what the relocations of .debug_ sections do (the psABIs of the processors). All others are not to be
// found there.
var relocActions = map[weldelf.Machine]map[uint32]relocAction{
	weldelf.EM_X86_64:  {1: {8, '='}, 10: {4, '='}, 11: {4, '='}, 17: {8, '='}, 21: {4, '='}},
	weldelf.EM_AARCH64: {257: {8, '='}, 258: {4, '='}},
	weldelf.EM_RISCV: {1: {4, '='}, 2: {8, '='}, 33: {1, '+'}, 34: {2, '+'}, 35: {4, '+'}, 36: {8, '+'}, 37: {1, '-'}, 38: {2, '-'}, 39: {4, '-'}, 40: {8, '-'},
		53: {1, '6'}, 54: {1, '='}, 55: {2, '='}, 56: {4, '='}},
}

// relocationsOf returns the sections with the relocations of section i. An object may have thousands of sections.
func (f *elfFile) relocationsOf(i int) []int {
	f.linkOnce.Do(func() {
		f.relocs = map[int][]int{}
		for j := range f.sections {
			if s := &f.sections[j]; s.Type == weldelf.SHT_RELA {
				f.relocs[int(s.Info)] = append(f.relocs[int(s.Info)], j)
			}
		}
	})
	return f.relocs[i]
}

// symbolTable reads the symbol table in section i, once.
func (f *elfFile) symbolTable(i int) ([]byte, error) {
	f.symMu.Lock()
	defer f.symMu.Unlock()
	if b, ok := f.syms[i]; ok {
		return b, nil
	}
	b, err := f.raw(&f.sections[i])
	if err != nil {
		return nil, err
	}
	if f.syms == nil {
		f.syms = map[int][]byte{}
	}
	f.syms[i] = b
	return b, nil
}

// relocate applies the relocations of section i of a relocatable object to its data.
func (f *elfFile) relocate(i int, data []byte) error {
	for _, j := range f.relocationsOf(i) {
		s := &f.sections[j]
		actions := relocActions[f.header.Machine]
		if actions == nil {
			return f.err(s, ErrUnsupported, "relocations of the machine %v", f.header.Machine)
		}
		if int(s.Link) >= len(f.sections) {
			return f.err(s, ErrCorrupt, "its symbol table is section %d, which there is not", s.Link)
		}
		relocs, err := f.raw(s)
		if err != nil {
			return err
		}
		syms, err := f.symbolTable(int(s.Link))
		if err != nil {
			return err
		}
		for ; len(relocs) >= 24; relocs = relocs[24:] {
			off, info, addend := le.Uint64(relocs), le.Uint64(relocs[8:]), le.Uint64(relocs[16:])
			a, known := actions[uint32(info)]
			if !known {
				continue // R_NONE, and RISC-V's hints
			}
			if off > uint64(len(data)) || uint64(a.size) > uint64(len(data))-off {
				return f.err(s, ErrCorrupt, "a relocation at %#x is outside of %s", off, f.sections[i].Name)
			}
			sym := info >> 32
			if sym >= uint64(len(syms))/24 {
				return f.err(s, ErrCorrupt, "a relocation has the symbol %d of %d", sym, len(syms)/24)
			}
			value := f.symbolValue(syms[sym*24:]) + addend
			apply(data[off:off+uint64(a.size)], a.op, value)
		}
	}
	return nil
}

// symbolValue returns the value of a symbol of a relocatable object.
func (f *elfFile) symbolValue(sym []byte) uint64 {
	shndx, value := le.Uint16(sym[6:]), le.Uint64(sym[8:])
	if int(shndx) < len(f.fake) && sym[4]&15 != uint8(weldelf.STT_TLS) {
		return f.fake[shndx] + value
	}
	return value
}

func apply(place []byte, op byte, v uint64) {
	old := uint64(0)
	for k := len(place) - 1; k >= 0; k-- {
		old = old<<8 | uint64(place[k])
	}
	switch op {
	case '+':
		v = old + v
	case '-':
		v = old - v
	case '6':
		v = old&^63 | v&63
	}
	for k := range place {
		place[k] = byte(v)
		v >>= 8
	}
}
