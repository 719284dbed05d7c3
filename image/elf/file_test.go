package elf

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestFixture checks what is known of the fixture from its source.
func TestFixture(t *testing.T) {
	f := mustNew(t, fixture(t, "-Wl,-z,ibt,-z,shstk,-z,x86-64-v2", "-Wl,-z,now", "-Wl,-Bsymbolic", "-Wl,-f,aux.so", "-Wl,-F,filter.so"))
	d := &f.Dynamic
	if !slices.Contains(d.Needed, "libc.so.6") || d.Soname != "libfix.so.1" || d.Runpath != "/x:/y" || !d.HasRunpath || d.HasRpath || d.Rpath != "" {
		t.Errorf("%+v", d)
	}
	if !d.BindNow || !d.Symbolic || d.TextRel || d.Flags1&DF_1_NOW == 0 {
		t.Errorf("flags %v %v %+v", d.Flags, d.Flags1, d)
	}
	if !slices.Equal(d.Auxiliary, []string{"aux.so"}) || !slices.Equal(d.Filter, []string{"filter.so"}) {
		t.Errorf("filters %q %q", d.Auxiliary, d.Filter)
	}
	if d.InitArray.Size != 16 || d.FiniArray.Size != 16 || d.Init == 0 || d.Fini == 0 || d.PltGot == 0 {
		t.Errorf("init %+v", d)
	}
	if f.TLS == nil || f.TLS.Filesz != 8 || f.Relro == nil || f.Stack == nil || f.ExecStack() || f.WriteExec() || f.Interp != "" {
		t.Errorf("program headers %+v", f.Progs)
	}
	if len(f.BuildID()) != 20 {
		t.Errorf("build ID %x", f.BuildID())
	}
	p, ok := f.GNUProperties()
	if !ok || p.X86Feature1 != GNU_PROPERTY_X86_FEATURE_1_IBT|GNU_PROPERTY_X86_FEATURE_1_SHSTK || p.X86ISANeeded&GNU_PROPERTY_X86_ISA_1_V2 == 0 {
		t.Errorf("properties %+v %v", p, ok)
	}
	if s := p.X86Feature1.String(); s != "IBT+SHSTK" {
		t.Error(s)
	}
	eh, err := f.ParseEhFrameHdr()
	if err != nil || eh.Version != 1 || !eh.HasTable() || eh.FDECount == 0 {
		t.Errorf("%+v %v", eh, err)
	}
	defs := f.VersionDefs()
	if len(defs) != 4 || !defs[0].Base || defs[0].Name != "libfix.so.1" || defs[3].Name != "V3" || !slices.Equal(defs[3].Parents, []string{"V1", "V2"}) ||
		defs[3].Hash != SysVHash("V3") {
		t.Errorf("version definitions %+v", defs)
	}
	if name, file, ok := f.VersionName(3); name != "V2" || file != "" || !ok {
		t.Errorf("version 3: %q %q %v", name, file, ok)
	}
	found := false
	for _, n := range f.VersionNeeds() {
		for _, v := range n.Versions {
			name, file, ok := f.VersionName(v.Index)
			if name != v.Name || file != n.File || !ok || v.Hash != SysVHash(v.Name) {
				t.Errorf("version %d: %q %q %v, wanted %q %q", v.Index, name, file, ok, v.Name, n.File)
			}
			found = found || v.Name == "GLIBC_2.2.5" && n.File == "libc.so.6"
		}
	}
	if !found {
		t.Errorf("version needs %+v", f.VersionNeeds())
	}
	for i, s := range f.DynSymbols().All() {
		switch f.SymName(s) {
		case "puts":
			if v := f.SymVersion(i); v == nil || v.Name != "GLIBC_2.2.5" || v.File != "libc.so.6" {
				t.Errorf("version of puts: %+v", v)
			}
		case "pdata":
			if w, ok := f.Word(s.Value); !ok || w == 0 {
				// Its value is given by a relocation with the symbol, or in place.
				t.Logf("pdata is %#x", w)
			}
		case "unique_obj":
			if s.Bind() != STB_GNU_UNIQUE {
				t.Errorf("unique_obj: %v", s.Bind())
			}
		}
	}
	// Without headers of sections all is the same.
	data := bytes.Clone(f.Raw())
	clear(data[40:48])
	if a, b := describe(f, 10), describe(mustNew(t, data), 10); a[bytes.IndexByte([]byte(a), '\n'):] != b[bytes.IndexByte([]byte(b), '\n'):] {
		t.Errorf("without sections: %s", firstDiff(a, b))
	}
}

// TestFindSymbol finds functions by addresses in them.
func TestFindSymbol(t *testing.T) {
	f := mustNew(t, fixture(t))
	h := Hash("weak_defined")
	_, want, _ := f.Lookup(&h, nil)
	for _, d := range []uint64{0, 1, want.Size - 1} {
		if s, _, ok := f.FindSymbol(want.Value + d); !ok || s != want {
			t.Errorf("%#x: %+v %v", want.Value+d, s, ok)
		}
	}
	symtab, err := f.SymtabSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symtab.All() {
		if symtab.Name(s) != "impl" {
			continue
		}
		if got, i, ok := f.FindSymbol(s.Value); ok {
			t.Errorf("a static function is in the dynamic symbols: %d %+v", i, got)
		}
		if got, name, ok := f.FindSymtabSymbol(s.Value + s.Size - 1); !ok || name != "impl" || got != s {
			t.Errorf("impl: %q %+v %v", name, got, ok)
		}
	}
	if _, _, ok := f.FindSymbol(0); ok {
		t.Error("a symbol covers address 0")
	}
}

// TestExecutable reads a position-independent executable.
func TestExecutable(t *testing.T) {
	m, err := Open(gcc(t, "dlsym.c", "-pie", "-fPIE"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if filepath.Base(m.Interp) != "ld-linux-x86-64.so.2" || m.Phdr == nil || m.Phdr.Off != m.Phoff || m.Type != ET_DYN || m.Dynamic.Flags1&DF_1_PIE == 0 {
		t.Errorf("%q %+v %v", m.Interp, m.Phdr, m.Dynamic.Flags1)
	}
	tag, ok := m.ABITag()
	if !ok || tag.OS != 0 || tag.Major < 2 {
		t.Errorf("ABI tag %+v %v", tag, ok)
	}
	if o, ok := m.Offset(m.Dynamic.DebugAddr - 8); !ok || DynTag(le.Uint64(m.Data[o:])) != DT_DEBUG {
		t.Errorf("DT_DEBUG is not at %#x", m.Dynamic.DebugAddr)
	}
}

// TestOtherMachines reads headers of objects that the loader passes over.
func TestOtherMachines(t *testing.T) {
	obj := filepath.Join(t.TempDir(), "m.o")
	cmd := exec.Command("as", "--32", "-o", obj, "-")
	cmd.Stdin = bytes.NewReader(nil)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as: %v %s: install binutils", err, out)
	}
	data, err := os.ReadFile(obj)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ParseHeader("m.o", data)
	if err != nil || h.Class != ELFCLASS32 || h.Machine != EM_386 || h.Type != ET_REL || h.Shentsize != 40 || h.Ehsize != 52 {
		t.Errorf("%+v %v", h, err)
	}
	if _, err := New("m.o", data); !errors.Is(err, ErrClass) || err.Error() != "m.o: offset 0x4: wrong class ELFCLASS32 (machine i386), wanted ELFCLASS64" {
		t.Error(err)
	}
	cmd = exec.Command("as", "--64", "-o", obj, "-")
	cmd.Stdin = bytes.NewReader(nil)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as: %v %s", err, out)
	}
	if data, err = os.ReadFile(obj); err != nil {
		t.Fatal(err)
	}
	f, err := New("m.o", data)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.Sections(); err != nil || len(s) < 4 || f.HasDynamic {
		t.Errorf("%v %v", s, err)
	}
	if err := f.CheckLoad(4096); !errors.Is(err, ErrType) {
		t.Error(err)
	}
}
