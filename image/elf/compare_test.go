package elf

import (
	"bufio"
	"bytes"
	stdelf "debug/elf"
	"encoding/hex"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDebugELF compares the reader with debug/elf, which goes by sections.
func TestDebugELF(t *testing.T) {
	libs := systemLibs(t, 260, 4<<20)
	symbols := 0
	for _, lib := range libs {
		f, err := Open(lib)
		if err != nil {
			t.Error(err)
			continue
		}
		symbols += compareDebugELF(t, lib, f)
		if err := f.CheckLoad(4096); err != nil {
			t.Error(err)
		}
		f.Close()
	}
	t.Logf("%d objects, %d symbols", len(libs), symbols)
	for _, style := range []string{"gnu", "sysv", "both"} {
		compareDebugELF(t, "fix "+style, &Mapped{File: mustNew(t, fixture(t, "-Wl,--hash-style="+style))})
	}
}

func compareDebugELF(t *testing.T, lib string, f *Mapped) int {
	std, err := stdelf.NewFile(bytes.NewReader(f.Raw()))
	if err != nil {
		t.Fatalf("%s: debug/elf: %v", lib, err)
	}
	if uint64(f.Entry) != std.Entry || uint16(f.Machine) != uint16(std.Machine) || uint16(f.Type) != uint16(std.Type) || len(f.Progs) != len(std.Progs) {
		t.Errorf("%s: header differs", lib)
	}
	for i, p := range std.Progs {
		want := Prog{ProgType(p.Type), ProgFlag(p.Flags), p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align}
		if f.Progs[i] != want {
			t.Errorf("%s: program header %d: %+v, want %+v", lib, i, f.Progs[i], want)
		}
	}
	needed, _ := std.DynString(stdelf.DT_NEEDED)
	if !slices.Equal(f.Dynamic.Needed, needed) {
		t.Errorf("%s: needed %q, want %q", lib, f.Dynamic.Needed, needed)
	}
	soname, _ := std.DynString(stdelf.DT_SONAME)
	if got := f.Dynamic.Soname; got != strings.Join(soname, "") {
		t.Errorf("%s: soname %q, want %q", lib, got, soname)
	}
	sections, err := f.Sections()
	if err != nil {
		t.Error(err)
	}
	if len(sections) != len(std.Sections) {
		t.Errorf("%s: %d sections, want %d", lib, len(sections), len(std.Sections))
	}
	for i, s := range std.Sections {
		got := sections[i]
		if got.Name != s.Name || uint32(got.Type) != uint32(s.Type) || got.Addr != s.Addr || got.Off != s.Offset || got.Size != s.FileSize {
			t.Errorf("%s: section %d: %+v, want %+v", lib, i, got, s.SectionHeader)
		}
	}
	syms, err := std.DynamicSymbols()
	if err != nil {
		if f.NumSymbols() > 1 {
			t.Errorf("%s: %d symbols, debug/elf: %v", lib, f.NumSymbols(), err)
		}
		return 0
	}
	if f.NumSymbols() != len(syms)+1 {
		// Without hashed symbols the number is not known from PT_DYNAMIC; those
		// that a relocation uses are there.
		if f.NumSymbols() > len(syms)+1 || f.gnu.nbuckets == 0 || slices.ContainsFunc(f.gnu.buckets, func(b byte) bool { return b != 0 }) {
			t.Errorf("%s: %d symbols, want %d", lib, f.NumSymbols(), len(syms)+1)
		}
		syms = syms[:max(f.NumSymbols()-1, 0)]
	}
	for i, want := range syms {
		idx := uint32(i + 1)
		s, ok := f.Sym(idx)
		if !ok || f.SymName(s) != want.Name || s.Info != want.Info || s.Other != want.Other || s.Value != want.Value ||
			s.Size != want.Size || s.Shndx != uint16(want.Section) {
			t.Errorf("%s: symbol %d: %q %+v %v, want %+v", lib, idx, f.SymName(s), s, ok, want)
			break
		}
		v := f.Version(idx)
		if !want.HasVersion {
			if f.HasVersions() {
				t.Errorf("%s: symbol %d has a version, want none", lib, idx)
			}
			continue
		}
		name, file, _ := f.VersionName(v.Index)
		if v.Index != want.VersionIndex.Index() || v.Hidden != want.VersionIndex.IsHidden() || v.Index > 1 && name != want.Version || file != want.Library {
			t.Errorf("%s: symbol %d %q: version %+v %q of %q, want %v %q of %q", lib, idx, want.Name, v, name, file, want.VersionIndex, want.Version, want.Library)
			break
		}
	}
	return len(syms)
}

// readelfFacts is what TestReadelf compares.
type readelfFacts struct {
	needed  []string
	soname  string
	buildID string
	relocs  map[uint32]int
	relr    int
}

func readelf(t *testing.T, lib string) readelfFacts {
	cmd := exec.Command("readelf", "-W", "-d", "-n", "-r", lib)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("readelf %s: %v: install binutils", lib, err)
	}
	r := readelfFacts{relocs: map[uint32]int{}}
	between := func(s string) string {
		_, s, _ = strings.Cut(s, "[")
		s, _, _ = strings.Cut(s, "]")
		return s
	}
	section := ""
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		fields := strings.Fields(line)
		switch {
		case strings.Contains(line, "(NEEDED)"):
			r.needed = append(r.needed, between(line))
		case strings.Contains(line, "(SONAME)"):
			r.soname = between(line)
		case strings.Contains(line, "Build ID: "):
			r.buildID = fields[len(fields)-1]
		case strings.HasPrefix(line, "Relocation section '"):
			section = strings.Split(line, "'")[1]
		case line == "":
			section = ""
		case section == ".relr.dyn":
			if _, err := strconv.ParseUint(line, 16, 64); err == nil && len(line) == 16 {
				r.relr++
			}
		case section != "" && len(fields) > 1 && len(fields[0]) == 16 && len(fields[1]) == 16:
			info, err := strconv.ParseUint(fields[1], 16, 64)
			if err == nil {
				r.relocs[uint32(info)]++
			}
		}
	}
	return r
}

// TestReadelf compares names, build IDs and relocations with readelf.
func TestReadelf(t *testing.T) {
	libs := systemLibs(t, 220, 2<<20)
	total := 0
	for _, lib := range libs {
		f, err := Open(lib)
		if err != nil {
			t.Error(err)
			continue
		}
		want := readelf(t, lib)
		got := readelfFacts{needed: f.Dynamic.Needed, soname: f.Dynamic.Soname, buildID: hex.EncodeToString(f.BuildID()), relocs: map[uint32]int{}, relr: f.Relr().Count()}
		for _, tab := range []RelaTable{f.Rela(), f.PltRel()} {
			for _, r := range tab.All() {
				got.relocs[r.Type]++
				total++
			}
		}
		for i := range f.RelaCount() {
			if typ := R_X86_64(f.Rela().At(i).Type); typ != R_X86_64_RELATIVE {
				t.Errorf("%s: relocation %d of RelaCount %d is %v", lib, i, f.RelaCount(), typ)
			}
		}
		if !slices.Equal(got.needed, want.needed) || got.soname != want.soname || got.buildID != want.buildID ||
			!maps.Equal(got.relocs, want.relocs) || got.relr != want.relr {
			t.Errorf("%s: %+v, want %+v", lib, got, want)
		}
		f.Close()
	}
	t.Logf("%d objects, %d relocations", len(libs), total)
}

// TestVocabulary compares the names of the constants with debug/elf.
func TestVocabulary(t *testing.T) {
	same := func(got, want string) {
		t.Helper()
		if got != want && !strings.Contains(want, "+") && !strings.ContainsAny(want, "()") {
			if _, err := strconv.Atoi(want); err != nil {
				t.Errorf("%s, debug/elf says %s", got, want)
			}
		}
	}
	for i := range uint32(43) {
		same(R_X86_64(i).String(), stdelf.R_X86_64(i).String())
	}
	for _, n := range dynTagNames {
		if n.v < 0x6ffffdf5 && n.v != 32 && n.v != 35 && n.v != 36 && n.v != 37 {
			same(DynTag(n.v).String(), stdelf.DynTag(n.v).String())
		}
	}
	for _, n := range progTypeNames {
		if n.s != "PT_GNU_SFRAME" {
			same(ProgType(n.v).String(), stdelf.ProgType(n.v).String())
		}
	}
	for _, n := range machineNames {
		if n.v != 0x9026 {
			same(Machine(n.v).String(), stdelf.Machine(n.v).String())
		}
	}
	for _, n := range symTypeNames {
		if n.v < 10 {
			same(SymType(n.v).String(), stdelf.SymType(n.v).String())
		}
	}
	for i := range uint8(4) {
		same(SymVis(i).String(), stdelf.SymVis(i).String())
		same(Class(i).String(), stdelf.Class(i).String())
	}
	if got := (PF_R | PF_X | 0x100).String(); got != "PF_X+PF_R+0x100" {
		t.Error(got)
	}
	if got := DynTag(0x1234).String(); got != "DT_0x1234" {
		t.Error(got)
	}
}
