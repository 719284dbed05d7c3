package elf

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// TestRelocTables checks the parts of the relocation tables that the
// comparisons do not use.
func TestRelocTables(t *testing.T) {
	f := mustNew(t, fixture(t))
	rela := f.Rela()
	n := rela.Len()
	if n < 3 || len(rela.Bytes()) != n*24 {
		t.Fatalf("%d relocations in %d bytes", n, len(rela.Bytes()))
	}
	part := rela.Slice(1, n-1)
	if part.Len() != n-2 || part.At(0) != rela.At(1) || part.At(n-3) != rela.At(n-2) {
		t.Error("Slice is not the part it should be")
	}
	for i := range rela.All() {
		if i == 1 {
			break
		}
	}
	rel := RelTable{rela.Bytes()[:48]}
	if rel.Len() != 3 || rel.Slice(1, 3).At(0) != rel.At(1) || len(rel.Bytes()) != 48 {
		t.Error("RelTable")
	}
	// Address 0x1000, then a bitmap of 0x1008 and 0x1000+63*8, then one
	// of the first word of the next 63.
	words := []uint64{0x1000, 1 | 1<<1 | 1<<63, 1 | 1<<1, 0x8000, 1}
	var b []byte
	for _, w := range words {
		b = le.AppendUint64(b, w)
	}
	relr := RelrTable{b}
	want := []uint64{0x1000, 0x1008, 0x1000 + 63*8, 0x1008 + 63*8, 0x8000}
	if got := slices.Collect(relr.All()); !slices.Equal(got, want) || relr.Count() != len(want) || relr.Word(3) != 0x8000 || len(relr.Bytes()) != 40 {
		t.Errorf("%#x, want %#x", got, want)
	}
	for range relr.All() {
		break
	}
}

// TestNothingExported reads a library whose hash table is empty: its symbols
// are those that relocations use.
func TestNothingExported(t *testing.T) {
	for _, style := range []string{"gnu", "sysv"} {
		data, err := os.ReadFile(gcc(t, "none.c", "-shared", "-fPIC", "-Wl,--hash-style="+style))
		if err != nil {
			t.Fatal(err)
		}
		f := mustNew(t, data)
		compareDebugELF(t, "none "+style, &Mapped{File: f})
		found := false
		for i, s := range f.DynSymbols().All() {
			if f.SymName(s) == "puts" {
				v := f.SymVersion(i)
				found = v != nil && v.File == "libc.so.6"
			}
		}
		if !found {
			t.Errorf("%s: puts with its version is not among %d symbols", style, f.NumSymbols())
		}
	}
}

// TestEncodings decodes the pointer encodings of .eh_frame_hdr.
func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		enc  uint8
		data []byte
		want uint64
	}{
		{DW_EH_PE_absptr, []byte{1, 2, 3, 4, 5, 6, 7, 8}, 0x0807060504030201},
		{DW_EH_PE_udata2, []byte{0xff, 0xfe}, 0xfeff},
		{DW_EH_PE_sdata2, []byte{0xff, 0xfe}, ^uint64(0x100)},
		{DW_EH_PE_udata4, []byte{0, 0, 0, 0x80}, 0x80000000},
		{DW_EH_PE_sdata4 | DW_EH_PE_pcrel, []byte{0xf0, 0xff, 0xff, 0xff}, 0x1000 - 16},
		{DW_EH_PE_sdata4 | DW_EH_PE_datarel, []byte{16, 0, 0, 0}, 0x1010},
		{DW_EH_PE_sdata8, bytes.Repeat([]byte{0xff}, 8), ^uint64(0)},
		{DW_EH_PE_uleb128, []byte{0xe5, 0x8e, 0x26}, 624485},
		{DW_EH_PE_sleb128, []byte{0xc0, 0xbb, 0x78}, ^uint64(123456) + 1},
		{DW_EH_PE_omit, nil, 0},
	} {
		r := ehReader{b: c.data, base: 0x1000}
		if v := r.value(c.enc); v != c.want || r.bad {
			t.Errorf("encoding %#x: %#x %v, want %#x", c.enc, v, r.bad, c.want)
		}
		if c.enc == DW_EH_PE_omit {
			continue
		}
		r = ehReader{b: c.data[:len(c.data)-1], base: 0x1000}
		if v := r.value(c.enc); v != 0 || !r.bad {
			t.Errorf("encoding %#x cut short: %#x %v", c.enc, v, r.bad)
		}
	}
	for _, enc := range []uint8{0x05, 0x20, 0x40, 0x53, 0x80} {
		r := ehReader{b: make([]byte, 16)}
		if r.value(enc); !r.bad {
			t.Errorf("encoding %#x is accepted", enc)
		}
	}
	r := ehReader{b: bytes.Repeat([]byte{0x80}, 16)}
	if r.value(DW_EH_PE_uleb128); !r.bad {
		t.Error("LEB128 without end is accepted")
	}
}
