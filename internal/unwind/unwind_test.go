package unwind

import (
	"encoding/binary"
	"os"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// stack is memory from an address on.
type stack struct {
	at    uint64
	words []uint64
}

func (s stack) word(addr uint64) (uint64, bool) {
	i := (addr - s.at) / 8
	if addr%8 != 0 || addr < s.at || i >= uint64(len(s.words)) {
		return 0, false
	}
	return s.words[i], true
}

func read(t testing.TB, path string) *elf.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.New(path, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func symbol(t testing.TB, f *elf.File, name string) uint64 {
	t.Helper()
	h := elf.Hash(name)
	_, s, ok := f.Lookup(&h, nil)
	if !ok {
		t.Fatalf("no %s", name)
	}
	return s.Value
}

// Each place of testdata/frames.s is a label whose frame is known.
func TestStep(t *testing.T) {
	f := read(t, testenv.NewDir(t).Shared("libframes.so", "frames.s"))
	const bias, sp = 0x7f0000000000, 0x1000
	s := stack{at: sp, words: make([]uint64, 64)}
	for i := range s.words {
		s.words[i] = 0x5000 + uint64(i)
	}
	for _, c := range []struct {
		at    string
		after bool
		set   map[int]uint64
		res   Result
		rsp   uint64 // of the caller, in words above sp
		rip   int    // the word that it is in
		more  map[int]int
	}{
		{at: "at_entry", res: Called, rsp: 1, rip: 0},
		{at: "at_pushed", res: Called, rsp: 3, rip: 2, more: map[int]int{RBP: 1, 3: 0}},
		{at: "at_framed", set: map[int]uint64{RBP: sp + 80}, res: Called, rsp: 12, rip: 11, more: map[int]int{RBP: 10}},
		{at: "at_remembered", res: Called, rsp: 2, rip: 1},
		{at: "at_restored", res: Called, rsp: 3, rip: 2, more: map[int]int{RBP: 1, 3: 0}},
		{at: "at_expression", set: map[int]uint64{10: sp + 40}, res: Called, rsp: 9, rip: 8},
		{at: "at_plt", res: Called, rsp: 1, rip: 0},
		{at: "at_plt_pushed", res: Called, rsp: 2, rip: 1},
		{at: "at_signal", res: Interrupted, rsp: 6, rip: 5},
		{at: "at_last", res: End},
		{at: "at_nothing", res: NoInfo},
		{at: "at_unreadable", set: map[int]uint64{RBP: 8}, res: NoInfo},
		{at: "at_framed_end", after: true, set: map[int]uint64{RBP: sp + 80}, res: Called, rsp: 12, rip: 11},
	} {
		var r Regs
		for i := range r {
			r[i] = 0x900 + uint64(i)
		}
		r[RSP] = sp
		for i, v := range c.set {
			r[i] = v
		}
		r[RIP] = bias + symbol(t, f, c.at)
		if got := Step(f, bias, &r, c.after, s.word); got != c.res {
			t.Errorf("%s: the result is %d, wanted %d", c.at, got, c.res)
			continue
		}
		if c.res != Called && c.res != Interrupted {
			continue
		}
		if r[RSP] != sp+8*c.rsp && c.res == Called || r[RIP] != 0x5000+uint64(c.rip) {
			t.Errorf("%s: the caller has rsp %#x and rip %#x, wanted %#x and %#x", c.at, r[RSP], r[RIP], sp+8*c.rsp, 0x5000+c.rip)
		}
		for reg, word := range c.more {
			if r[reg] != 0x5000+uint64(word) {
				t.Errorf("%s: register %d is %#x, wanted %#x", c.at, reg, r[reg], 0x5000+word)
			}
		}
	}
	if start, ok := FunctionStart(f, symbol(t, f, "at_pushed")); !ok || start != symbol(t, f, "at_entry") {
		t.Errorf("the function of at_pushed begins at %#x, %v", start, ok)
	}
}

// The libraries of the machine use what compilers make of descriptions: all functions of them can be described.
func TestSystemLibraries(t *testing.T) {
	f := read(t, "/lib/x86_64-linux-gnu/libc.so.6")
	h, err := f.ParseEhFrameHdr()
	if err != nil || !h.HasTable() {
		t.Fatal(err)
	}
	table, ok := f.Bytes(h.Table.Addr, h.Table.Size)
	if !ok {
		t.Fatal("no table")
	}
	all := stack{at: 0, words: make([]uint64, 1)}
	bad := 0
	for ; len(table) > 0; table = table[8:] {
		pc := f.EhFrameHdr.Vaddr + uint64(int64(int32(binary.LittleEndian.Uint32(table))))
		r := Regs{RIP: pc, RSP: 0x1000, RBP: 0x1000}
		mem := func(a uint64) (uint64, bool) { _, _ = all.word(a); return a | 1, true }
		if Step(f, 0, &r, false, mem) == NoInfo {
			bad++
		}
	}
	if bad != 0 {
		t.Errorf("%d functions of libc cannot be left", bad)
	}
}

func TestExpressions(t *testing.T) {
	regs := Regs{RSP: 100, RBP: 7}
	s := stack{at: 96, words: []uint64{1, 2, 3}}
	first := uint64(40)
	for _, c := range []struct {
		expr []byte
		want uint64
		ok   bool
	}{
		{[]byte{opBreg0 + RSP, 8}, 108, true},
		{[]byte{opBreg0 + RSP, 0x7c, opDeref}, 1, true},
		{[]byte{opBreg0 + RSP, 0, opDeref}, 0, false}, // not aligned
		{[]byte{opPlusUc, 2}, 42, true},
		{[]byte{opLit0 + 3, opLit0 + 5, opMinus}, ^uint64(1), true},
		{[]byte{opLit0 + 3, opNeg, opAbs}, 3, true},
		{[]byte{opConst1s, 0xff, opLit0 + 1, opLt}, 1, true},
		{[]byte{opLit0 + 1, opLit0 + 2, opLit0 + 3, opRot, opDrop, opMinus}, 2, true},
		{[]byte{opLit0 + 1, opLit0 + 2, opOver, opPlus}, 3, true},
		{[]byte{opLit0 + 1, opLit0 + 2, opPick, 9}, 0, false},
		{[]byte{opLit0 + 1, opLit0 + 2, opSwap, opShl}, 4, true},
		{[]byte{opLit0 + 1, opBra, 1, 0, opLit0 + 9, opLit0 + 8}, 8, true},
		{[]byte{opSkip, 0xfd, 0xff}, 0, false}, // for ever
		{[]byte{opSkip, 0x00, 0x80}, 0, false}, // far off
		{[]byte{opConst8u, 1, 2}, 0, false},    // cut short
		{[]byte{opDrop, opDrop}, 0, false},     // nothing left
		{[]byte{0xff}, 0, false},               // unknown
		{[]byte{opBreg0 + 31, 0}, 0, false},    // a register that is not followed
		{[]byte{opConst2u, 0xff, 0xff}, 0xffff, true},
		{[]byte{opConst4s, 0xfe, 0xff, 0xff, 0xff, opNot}, 1, true},
	} {
		got, ok := evaluate(reader{b: c.expr}, &regs, s.word, &first)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%x is %#x, %v; wanted %#x, %v", c.expr, got, ok, c.want, c.ok)
		}
	}
	many := make([]byte, 100)
	for i := range many {
		many[i] = opLit0
	}
	if _, ok := evaluate(reader{b: many}, &regs, s.word, nil); ok {
		t.Error("a hundred numbers are on the stack")
	}
}

// FuzzStep changes bytes of .eh_frame: whatever they say, a step ends and stays in what there is.
func FuzzStep(f *testing.F) {
	path := testenv.NewDir(f).Shared("libframes.so", "frames.s")
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0x100), []byte{0xff})
	f.Add(uint32(0x10), []byte{0, 0, 0, 0, 0x0f, 0x80})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		b := append([]byte(nil), data...)
		file, err := elf.New(path, b)
		if err != nil {
			t.Fatal(err)
		}
		lo, ok := file.Offset(file.EhFrameHdr.Vaddr)
		if !ok {
			t.Fatal("no .eh_frame_hdr")
		}
		end := min(lo+0x800, uint64(len(b)))
		copy(b[lo+uint64(at)%(end-lo):end], change)
		for pc := range uint64(0x1200) {
			r := Regs{RIP: pc, RSP: 0x1000, RBP: 0x1000, 10: 0x1000}
			Step(file, 0, &r, pc&1 != 0, func(a uint64) (uint64, bool) { return a, a&8 == 0 })
		}
	})
}
