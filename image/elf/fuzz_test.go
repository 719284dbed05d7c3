package elf

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// tryFile makes a File of data and, if it can, calls all its accessors.
func tryFile(t testing.TB, data []byte) {
	f, err := New("fuzz", data)
	if err != nil {
		var fe *FormatError
		if !errors.As(err, &fe) {
			t.Fatalf("%v is not a *FormatError", err)
		}
		return
	}
	exercise(f, 64)
}

// tryLoaded does the same with the loaded image of data, whose program
// headers are as data says and whose memory is as large as progs wants it, if
// that is not much.
func tryLoaded(t testing.TB, data []byte, bias uint64) {
	h, err := ParseHeader("fuzz", data)
	if err != nil || h.Class != ELFCLASS64 || h.Data != ELFDATA2LSB {
		return
	}
	progs, err := parseProgs("fuzz", data, &h)
	if err != nil {
		return
	}
	shape := &File{Progs: progs}
	lo, hi := shape.LoadSpan()
	if hi-lo > 1<<20 {
		hi = lo + 1<<20
	}
	mem := make([]byte, hi-lo)
	size := uint64(len(data))
	for _, p := range progs {
		if p.Type == PT_LOAD && p.Vaddr-lo <= uint64(len(mem)) && p.Off <= size {
			copy(mem[p.Vaddr-lo:], data[p.Off:p.Off+min(p.Filesz, size-p.Off)])
		}
	}
	f, err := NewLoaded("fuzz", mem, progs, LoadedOptions{Start: lo, Bias: bias})
	if err != nil {
		var fe *FormatError
		if !errors.As(err, &fe) {
			t.Fatalf("%v is not a *FormatError", err)
		}
		return
	}
	exercise(f, 64)
}

// TestPrefixes reads every prefix of a library, by steps of 64 bytes. All
// that lack part of a segment are refused as truncated.
func TestPrefixes(t *testing.T) {
	data := fixture(t)
	var end uint64
	for _, p := range mustNew(t, data).Progs {
		if p.Type == PT_LOAD {
			end = max(end, p.Off+p.Filesz)
		}
	}
	for n := 0; n <= len(data); n += 64 {
		_, err := New("prefix", data[:n:n])
		if n >= 4 && uint64(n) < end && !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if uint64(n) >= end && err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		tryFile(t, data[:n:n])
		tryLoaded(t, data[:n:n], 0)
	}
}

// mutate changes one place of data: a bit, a byte, or a word to a value that
// is likely to matter. It returns how to undo it.
func mutate(r *rand.Rand, data []byte) func() {
	i := r.IntN(len(data) - 8)
	if r.IntN(2) == 0 {
		i &^= 7
	}
	old := le.Uint64(data[i:])
	switch r.IntN(6) {
	case 0:
		data[i] ^= 1 << r.IntN(8)
	case 1:
		data[i] = byte(r.Uint32())
	case 2:
		le.PutUint32(data[i:], r.Uint32())
	case 3:
		le.PutUint64(data[i:], []uint64{0, 1, ^uint64(0), 1 << 63, 1 << 32, 1<<64 - 4096, uint64(len(data)), uint64(len(data)) - 1}[r.IntN(8)])
	case 4:
		le.PutUint64(data[i:], r.Uint64()>>r.IntN(64))
	case 5:
		le.PutUint16(data[i:], uint16(1)<<r.IntN(16)-uint16(r.IntN(2)))
	}
	return func() { le.PutUint64(data[i:], old) }
}

// TestMutations makes 20,000 single changes to libraries. Half of them are
// made where the tables are.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var slowest time.Duration
	for _, style := range []string{"gnu", "sysv"} {
		data := fixture(t, "-Wl,--hash-style="+style)
		f := mustNew(t, data)
		tables, _ := f.Offset(f.Dynamic.Init)
		dynamic, _ := f.Offset(f.Dynamic.Addr)
		areas := [][]byte{data, data[:512], data[:tables], data[dynamic : dynamic+uint64(len(f.DynEntries()))*16]}
		n := 10000
		if testing.Short() {
			n = 2000
		}
		for i := range n {
			undo := mutate(r, areas[i%len(areas)])
			start := time.Now()
			tryFile(t, data)
			if i%4 == 0 {
				tryLoaded(t, data, uint64(i%8)<<20)
			}
			slowest = max(slowest, time.Since(start))
			undo()
		}
	}
	t.Logf("slowest: %v", slowest)
}

// TestUnboundedWork gives files whose tables all overlap, so that naive
// reading would take time or memory in the square of the size.
func TestUnboundedWork(t *testing.T) {
	const size = 4 << 20
	data := make([]byte, size)
	copy(data, fixture(t)[:ehdrSize])
	h, err := ParseHeader("work", data)
	if err != nil {
		t.Fatal(err)
	}
	le.PutUint64(data[40:], 0) // e_shoff
	put := func(i int, p Prog) {
		b := data[h.Phoff+uint64(i)*phdrSize:]
		le.PutUint32(b, uint32(p.Type))
		le.PutUint32(b[4:], uint32(p.Flags))
		for j, v := range []uint64{p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align} {
			le.PutUint64(b[8+8*j:], v)
		}
	}
	const notes = 20000
	le.PutUint16(data[56:], 2+notes) // e_phnum
	dyn := uint64(2 << 20)
	put(0, Prog{Type: PT_LOAD, Flags: PF_R, Filesz: size, Memsz: size})
	put(1, Prog{Type: PT_DYNAMIC, Vaddr: dyn, Off: dyn, Filesz: 1 << 20, Memsz: 1 << 20})
	for i := range notes {
		put(2+i, Prog{Type: PT_NOTE, Filesz: size})
	}
	// A string table of one long string.
	str := uint64(3 << 20)
	for i := str; i < size-1; i++ {
		data[i] = 'a'
	}
	entries := []Dyn{{DT_STRTAB, str}, {DT_STRSZ, size - str}, {DT_SYMTAB, 0x200000 - 24*40000}, {DT_HASH, 0x1f8000}}
	le.PutUint32(data[0x1f8000:], 1)
	le.PutUint32(data[0x1f8004:], 4000)
	for i := range 60000 {
		entries = append(entries, Dyn{DT_NEEDED, uint64(size - str - 2 - uint64(i%4000))})
	}
	write := func() {
		for i, e := range entries {
			le.PutUint64(data[dyn+uint64(i)*16:], uint64(e.Tag))
			le.PutUint64(data[dyn+uint64(i)*16+8:], e.Val)
		}
	}
	write()
	start := time.Now()
	if _, err := New("work", data); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	entries = entries[:4]
	write()
	clear(data[dyn+4*16 : str])
	f, err := New("work", data)
	if err != nil {
		t.Fatal(err)
	}
	for range f.Notes() {
	}
	for i, s := range f.DynSymbols().All() {
		f.SymNameBytes(s)
		f.Version(i)
	}
	// Version definitions with all the auxiliary entries there can be, each
	// a name that is a tail of the others.
	entries = append(entries, Dyn{DT_VERDEF, 0x180000})
	write()
	for i := range uint64(1000) {
		b := data[0x180000+i*20:]
		le.PutUint16(b, 1)
		le.PutUint16(b[6:], 0xffff)
		le.PutUint32(b[12:], uint32(0x8000-i*20))
		le.PutUint32(b[16:], 20)
	}
	for i := range uint64(0x7000) {
		b := data[0x188000+i*8:]
		le.PutUint32(b, uint32(size-str-2-i%4000))
		le.PutUint32(b[4:], 8)
	}
	if _, err = New("work", data); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}

func addSeeds(f *testing.F, add func([]byte)) {
	for _, style := range []string{"gnu", "sysv", "both"} {
		add(fixture(f, "-Wl,--hash-style="+style))
	}
	noSections := fixture(f)
	clear(noSections[40:48])
	add(noSections)
	add([]byte("\x7fELF\x01\x02\x01"))
	add([]byte("/* GNU ld script */ GROUP ( libc.so.6 AS_NEEDED ( ld.so ) )"))
}

func FuzzNew(f *testing.F) {
	addSeeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) { tryFile(t, data) })
}

func FuzzLoaded(f *testing.F) {
	addSeeds(f, func(b []byte) { f.Add(b, uint64(0)); f.Add(b, uint64(0x1000)) })
	f.Fuzz(func(t *testing.T, data []byte, bias uint64) { tryLoaded(t, data, bias) })
}
