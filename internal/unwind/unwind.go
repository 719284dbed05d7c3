// Package unwind finds the callers of native code by what compilers leave in .eh_frame for exceptions (LSB, "Exception
// Frames"; DWARF 5, section 6.4; psABI AMD64, section 3.6.2). It reads descriptions of frames and memory that may be anything, and
// takes a bounded time.
package unwind

import (
	"encoding/binary"

	"weld/image/elf"
)

// Registers of the psABI's DWARF numbering (figure 3.36): rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, and the return
// address, which stands for rip.
const (
	RBP  = 6
	RSP  = 7
	RIP  = 16
	nreg = 17
)

// Regs are the registers of a frame.
type Regs [nreg]uint64

// FromContext returns the registers in the order of <sys/ucontext.h>: r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
func FromContext(g []uint64) (r Regs) {
	for i, n := range [nreg]int{8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16} {
		if i < len(g) {
			r[n] = g[i]
		}
	}
	return r
}

// Memory returns the word at an address, false if it cannot be read.
type Memory func(addr uint64) (uint64, bool)

// Result is what Step found.
type Result int

const (
	NoInfo      Result = iota // the object does not describe the function
	Called                    // r are the registers of the caller, rip where it goes on
	Interrupted               // r are the registers of what a signal has interrupted, rip its next instruction
	End                       // there is no caller
)

// Step replaces the registers r of a function of an image by its caller's. f is the image, with the bias that r's rip has
// to its addresses; after says that rip is a return address, and not the next instruction of what was interrupted.
func Step(f *elf.File, bias uint64, r *Regs, after bool, mem Memory) Result {
	pc := r[RIP] - bias
	if after {
		pc--
	}
	fde, ok := find(f, pc)
	if !ok {
		return NoInfo
	}
	m := machine{f: f, cie: fde.cie}
	if !m.run(fde.cie.program, fde.start, ^uint64(0)) {
		return NoInfo
	}
	m.initial = m.row
	if !m.run(fde.program, fde.start, pc) {
		return NoInfo
	}
	return m.apply(r, bias, mem)
}

// FunctionStart returns where the function that covers a vaddr begins, as .eh_frame has it.
func FunctionStart(f *elf.File, vaddr uint64) (uint64, bool) {
	fde, ok := find(f, vaddr)
	return fde.start, ok
}

// cie is a common information entry.
type cie struct {
	codeAlign uint64
	dataAlign int64
	ra        uint64
	enc       uint8
	augmented bool
	signal    bool
	program   reader
}

// fde is a frame description entry.
type fde struct {
	cie     cie
	start   uint64
	program reader
}

// find returns the description of the function that covers pc, by way of the table of .eh_frame_hdr.
func find(f *elf.File, pc uint64) (d fde, ok bool) {
	h, err := f.ParseEhFrameHdr()
	if err != nil || !h.HasTable() {
		return d, false
	}
	table, ok := f.Bytes(h.Table.Addr, h.Table.Size)
	if !ok {
		return d, false
	}
	base := f.EhFrameHdr.Vaddr
	at := func(i int) uint64 { return base + uint64(int64(int32(binary.LittleEndian.Uint32(table[4*i:])))) }
	lo, hi := 0, len(table)/8
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); at(2*m) <= pc {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == 0 {
		return d, false
	}
	r, ok := entry(f, at(2*(lo-1)+1))
	if !ok {
		return d, false
	}
	here := r.at + uint64(r.off)
	delta := r.fixed(4)
	if r.bad || delta == 0 || !parseCIE(f, here-delta, &d.cie) {
		return d, false
	}
	d.start = r.pointer(d.cie.enc)
	size := r.pointer(d.cie.enc & 0x0f)
	if d.cie.augmented {
		r.take(r.uleb())
	}
	d.program = r
	return d, !r.bad && pc-d.start < size
}

// entry returns the contents of the entry of .eh_frame at a vaddr.
func entry(f *elf.File, vaddr uint64) (reader, bool) {
	b, ok := f.Bytes(vaddr, 4)
	if !ok {
		return reader{}, false
	}
	const most = 1 << 20
	n := uint64(binary.LittleEndian.Uint32(b))
	if n == 0 || n > most {
		return reader{}, false // the end, or an entry of more than 4 GiB
	}
	b, ok = f.Bytes(vaddr+4, n)
	return reader{b: b, at: vaddr + 4}, ok
}

func parseCIE(f *elf.File, vaddr uint64, c *cie) bool {
	r, ok := entry(f, vaddr)
	if !ok || r.fixed(4) != 0 {
		return false
	}
	version := r.fixed(1)
	if version != 1 && version != 3 {
		return false
	}
	var aug []byte
	for ch := r.take(1); ; ch = r.take(1) {
		if r.bad || len(aug) > 16 {
			return false
		}
		if ch[0] == 0 {
			break
		}
		aug = append(aug, ch[0])
	}
	c.codeAlign, c.dataAlign = r.uleb(), r.sleb()
	if version == 1 {
		c.ra = r.fixed(1)
	} else {
		c.ra = r.uleb()
	}
	if len(aug) > 0 && aug[0] != 'z' {
		return false
	}
	if len(aug) > 0 {
		c.augmented = true
		size := r.uleb()
		data := r
		r.take(size)
		for _, ch := range aug[1:] {
			switch ch {
			case 'R':
				c.enc = uint8(data.fixed(1))
			case 'P':
				data.pointer(uint8(data.fixed(1)) &^ 0x80)
			case 'L':
				data.take(1)
			case 'S':
				c.signal = true
			case 'B':
			default:
				return false
			}
		}
		if data.bad {
			return false
		}
	}
	c.program = r
	return !r.bad && c.ra < nreg
}
