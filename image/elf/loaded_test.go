package elf

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestLoaded compares the view of a file with that of its loaded image.
func TestLoaded(t *testing.T) {
	check := func(f *File) {
		for _, bias := range []uint64{0, 0x7f1234560000} {
			mem, opt := loadImage(f, bias)
			g, err := NewLoaded(f.Name, mem, f.Progs, opt)
			if err != nil {
				t.Error(err)
				continue
			}
			if !g.Loaded() || g.Raw() != nil {
				t.Errorf("%s: not a loaded image", f.Name)
			}
			if err := g.CheckLoad(4096); err != nil {
				t.Error(err)
			}
			// Bytes without file contents differ, so compare up to them.
			cut := func(s string) string {
				i := strings.LastIndex(s, "\n{Version:")
				return s[:max(i, 0)]
			}
			if a, b := cut(describe(f, 20)), cut(describe(g, 20)); a != b {
				t.Errorf("%s: bias %#x:\n%s", f.Name, bias, firstDiff(a, b))
			}
			if a, aerr := f.ParseEhFrameHdr(); true {
				b, berr := g.ParseEhFrameHdr()
				if a != b || aerr != nil || berr != nil {
					t.Errorf("%s: .eh_frame_hdr %+v %v, %+v %v", f.Name, a, aerr, b, berr)
				}
			}
		}
	}
	for _, style := range []string{"gnu", "sysv", "both"} {
		check(mustNew(t, fixture(t, "-Wl,--hash-style="+style)))
	}
	for _, lib := range systemLibs(t, 100, 300<<10) {
		m, err := Open(lib)
		if err != nil {
			t.Error(err)
			continue
		}
		check(m.File)
		m.Close()
	}
}

// TestLoadedHoles gives NewLoaded segments it must not touch or that are
// not in memory.
func TestLoadedHoles(t *testing.T) {
	f := mustNew(t, fixture(t))
	mem, opt := loadImage(f, 0)
	if _, err := NewLoaded("fix", mem[:len(mem)-1], f.Progs, opt); err == nil {
		t.Error("memory that ends in a PT_LOAD is accepted")
	}
	if _, err := NewLoaded("fix", mem, f.Progs, LoadedOptions{Start: opt.Start + 1}); err == nil {
		t.Error("a PT_LOAD before the memory is accepted")
	}
	progs := append([]Prog(nil), f.Progs...)
	for i := range progs {
		if progs[i].Type == PT_LOAD && progs[i].Flags&PF_X != 0 {
			progs[i].Flags = PF_X
		}
	}
	g, err := NewLoaded("fix", mem, progs, opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := g.Word(g.Dynamic.Init); ok {
		t.Error("memory without PF_R is read")
	}
	if g, err = NewLoaded("bare", nil, nil, LoadedOptions{}); err != nil || g.HasDynamic {
		t.Errorf("no segments: %v %v", g, err)
	}
}

// TestLoadedInFile gives NewLoaded a table behind the file-backed bytes of a
// segment.
func TestLoadedInFile(t *testing.T) {
	f := mustNew(t, fixture(t))
	mem, opt := loadImage(f, 0)
	opt.InFile = true
	const more = 1 << 16
	mem = append(mem, make([]byte, more)...)
	progs := slices.Clone(f.Progs)
	var behind uint64
	for i := range slices.Backward(progs) {
		if p := &progs[i]; p.Type == PT_LOAD {
			p.Memsz += more
			behind = p.Vaddr + p.Filesz
			break
		}
	}
	g, err := NewLoaded("fix", mem, progs, opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := g.Bytes(behind, more); !ok {
		t.Error("memory behind the file-backed bytes cannot be read")
	}
	for i, d := range f.DynEntries() {
		if d.Tag == DT_STRTAB {
			le.PutUint64(mem[f.Dynamic.Addr+uint64(i)*dynSize+8-opt.Start:], behind)
		}
	}
	if _, err := NewLoaded("fix", mem, progs, opt); !errors.Is(err, ErrTruncated) {
		t.Errorf("a table that is not in the file: %v", err)
	}
}
