package debug

import (
	"encoding/binary"
	"io"

	"weld/image/elf"
)

const (
	pageSize     = 4096
	ehdrSize     = 64
	phdrSize     = 56
	maxPhnum     = 512
	maxNoteBytes = 64 << 10
	maxSpan      = 1 << 46
)

// segments are program headers in memory, with what they were moved by.
type segments struct {
	bias  uint64
	progs []elf.Prog
}

// readImage reads the program headers of an object through the ELF header at addr; ok is false if there is none. Most
// objects take one read: their notes are in the first page too.
func readImage(mem io.ReaderAt, addr uint64) (s segments, ok bool) {
	var page [pageSize]byte
	n := readSome(mem, page[:], addr)
	if n < ehdrSize {
		return s, false
	}
	h, err := elf.ParseHeader("", page[:n])
	if err != nil || h.Class != elf.ELFCLASS64 || h.Data != elf.ELFDATA2LSB || h.Phentsize != phdrSize || h.Phnum > maxPhnum ||
		h.Phoff > 1<<32 {
		return s, false
	}
	table := make([]byte, int(h.Phnum)*phdrSize)
	if end := h.Phoff + uint64(len(table)); end <= uint64(n) {
		copy(table, page[h.Phoff:end])
	} else if readSome(mem, table, addr+h.Phoff) < len(table) {
		return s, false
	}
	s.progs = decodeProgs(table)
	for _, p := range s.progs {
		if p.Type == elf.PT_LOAD && p.Off == 0 {
			s.bias = addr - p.Vaddr
			return s, true
		}
	}
	return s, false
}

func decodeProgs(table []byte) []elf.Prog {
	progs := make([]elf.Prog, 0, len(table)/phdrSize)
	for ; len(table) >= phdrSize; table = table[phdrSize:] {
		word := func(off int) uint64 { return binary.LittleEndian.Uint64(table[off:]) }
		progs = append(progs, elf.Prog{Type: elf.ProgType(binary.LittleEndian.Uint32(table)),
			Flags: elf.ProgFlag(binary.LittleEndian.Uint32(table[4:])), Off: word(8), Vaddr: word(16), Paddr: word(24),
			Filesz: word(32), Memsz: word(40), Align: word(48)})
	}
	return progs
}

// readSome reads what there is of p at addr, up to the first page that is not mapped.
func readSome(mem io.ReaderAt, p []byte, addr uint64) int {
	if addr >= userEnd || addr+uint64(len(p)) > userEnd {
		return 0
	}
	n, _ := mem.ReadAt(p, int64(addr))
	return max(n, 0)
}

// dynamic returns the address and the size of PT_DYNAMIC.
func (s *segments) dynamic() (addr, size uint64) {
	for _, p := range s.progs {
		if p.Type == elf.PT_DYNAMIC {
			return s.bias + p.Vaddr, p.Memsz
		}
	}
	return 0, 0
}

// span returns the range of the PT_LOADs in whole pages; 0, 0 if they make none.
func (s *segments) span() (start, end uint64) {
	start = ^uint64(0)
	for _, p := range s.progs {
		if p.Type == elf.PT_LOAD && p.Vaddr < userEnd && p.Memsz < maxSpan {
			start, end = min(start, p.Vaddr), max(end, p.Vaddr+p.Memsz)
		}
	}
	if start >= end || end-start > maxSpan {
		return 0, 0
	}
	return (start + s.bias) &^ (pageSize - 1), (end + s.bias + pageSize - 1) &^ (pageSize - 1)
}

// buildID returns the NT_GNU_BUILD_ID note in memory.
func (s *segments) buildID(mem io.ReaderAt) (id []byte) {
	for _, p := range s.progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b := make([]byte, min(p.Memsz, maxNoteBytes))
		b = b[:readSome(mem, b, s.bias+p.Vaddr)]
		notes(b, p.Align, func(owner string, kind uint32, desc []byte) bool {
			if owner == "GNU" && kind == elf.NT_GNU_BUILD_ID && len(desc) <= 64 {
				id = append([]byte(nil), desc...)
			}
			return id == nil
		})
		if id != nil {
			return id
		}
	}
	return nil
}

// notes calls fn for the notes in b until it returns false (gABI, "Note Section").
func notes(b []byte, align uint64, fn func(owner string, kind uint32, desc []byte) bool) {
	if align != 8 {
		align = 4
	}
	up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	for len(b) >= 12 {
		name, desc := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
		kind := binary.LittleEndian.Uint32(b[8:])
		at := up(12 + name)
		if end := at + desc; name == 0 || end > uint64(len(b)) {
			return
		}
		if !fn(string(b[12:12+name-1]), kind, b[at:at+desc]) {
			return
		}
		b = b[min(up(at+desc), uint64(len(b))):]
	}
}

// describe fills in what struct link_map does not say of an object: its range, build ID and path. maps is called where
// memory alone does not tell. program are the program headers that the kernel has named in the auxiliary vector.
func describe(mem io.ReaderAt, o *Object, program *segments, maps func() []mapping) {
	match := func(s segments, ok bool) bool {
		if !ok || s.bias != o.Addr {
			return false
		}
		if dyn, _ := s.dynamic(); o.Ld != 0 && dyn != o.Ld {
			return false
		}
		if o.Start, o.End = s.span(); o.End == 0 {
			return false
		}
		o.BuildID = s.buildID(mem)
		return true
	}
	found := program != nil && (o.Ld != 0 || o.Name == "") && match(*program, true) || match(readImage(mem, o.Addr))
	if found && len(o.Name) > 0 && o.Name[0] == '/' {
		o.Path = o.Name
		return
	}
	all := maps()
	if at := find(all, o.Ld); at >= 0 && !found {
		// The ELF header is where the file's first page is mapped, below.
		for i := at; i >= 0 && all[i].sameFile(&all[at]) && !found; i-- {
			if all[i].offset == 0 {
				found = match(readImage(mem, all[i].start))
			}
		}
		if !found && all[at].path != "" {
			lo, hi := at, at
			for lo > 0 && all[lo-1].sameFile(&all[at]) {
				lo--
			}
			for hi+1 < len(all) && all[hi+1].sameFile(&all[at]) {
				hi++
			}
			o.Start, o.End = all[lo].start, all[hi].end
		}
	}
	switch {
	case len(o.Name) > 0 && o.Name[0] == '/':
		o.Path = o.Name
	default:
		for _, addr := range []uint64{o.Ld, o.Start} {
			if at := find(all, addr); at >= 0 && o.Path == "" {
				o.Path = all[at].path
			}
		}
	}
}
