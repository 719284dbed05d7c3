package link_test

import (
	stdelf "debug/elf"
	"encoding/binary"
	"maps"
	"os/exec"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// emitted returns the relocations of a file by section and type, and checks those that can be: that the place holds what they say.
func emitted(t *testing.T, path string, check bool) map[string]int {
	t.Helper()
	f, err := stdelf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, s := range f.Sections {
		if s.Type != stdelf.SHT_RELA || s.Flags&stdelf.SHF_ALLOC != 0 {
			continue
		}
		of := f.Sections[s.Info]
		content, err := of.Data()
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		for le := binary.LittleEndian; len(b) >= 24; b = b[24:] {
			off, info, addend := le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:])
			typ := stdelf.R_X86_64(info)
			count[of.Name+" "+typ.String()]++
			at := off - of.Addr
			if at+4 > of.Size {
				t.Errorf("%s: a relocation at %#x, outside of %s", path, off, of.Name)
				continue
			}
			if info>>32 == 0 || !check {
				continue
			}
			sym := syms[info>>32-1]
			if sym.Section == stdelf.SHN_UNDEF {
				continue
			}
			want, ok := sym.Value+addend, true
			switch typ {
			case stdelf.R_X86_64_64:
				if stdelf.ST_TYPE(sym.Info) != stdelf.STT_GNU_IFUNC {
					ok = le.Uint64(content[at:]) == want
				}
			case stdelf.R_X86_64_32, stdelf.R_X86_64_32S:
				ok = le.Uint32(content[at:]) == uint32(want)
			case stdelf.R_X86_64_PC32, stdelf.R_X86_64_PLT32:
				ok = le.Uint32(content[at:]) == uint32(want-off)
			}
			if !ok {
				t.Errorf("%s: %s+%#x: the place does not hold what %s of %s+%#x says", path, of.Name, at, typ, sym.Name, addend)
			}
		}
	}
	return count
}

// TestEmitRelocs keeps relocations and compares them with lld's.
func TestEmitRelocs(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	for _, n := range []string{"cxx", "cxx_other"} {
		d.Object(n+".o", n+".cc", "-fPIE")
	}
	args := []string{"cxx.o", "cxx_other.o", "-Wl,--emit-relocs", "-Wl,--gc-sections"}
	tool(t, d.Path, "g++", append(args, "-o", "out", "-B", weld)...)
	tool(t, d.Path, llvm(t, "clang++"), append(args, "-o", "lld", "--ld-path="+llvm(t, "ld.lld"))...)
	got, want := emitted(t, d.Join("out"), true), emitted(t, d.Join("lld"), false)
	ours, theirs := map[string]int{}, map[string]int{}
	for list, to := range map[*map[string]int]map[string]int{&got: ours, &want: theirs} {
		for k, n := range *list {
			if sec, _, _ := strings.Cut(k, " "); sec == ".text" || sec == ".data" || sec == ".data.rel.ro" || sec == ".gcc_except_table" || sec == ".debug_line" {
				to[k] = n
			}
		}
	}
	if len(ours) < 5 || !maps.Equal(ours, theirs) {
		t.Errorf("relocations %v\nlld's %v", ours, theirs)
	}
	checkELF(t, d.Join("lld"), d.Join("out"))
	if r := testenv.Run(t, exec.Command(d.Join("out")), testenv.Patience); r.Code != 7 {
		t.Errorf("%s", r)
	}
	tool(t, d.Path, "g++", "cxx.o", "cxx_other.o", "-static", "-Wl,-q", "-o", "static", "-B", weld)
	emitted(t, d.Join("static"), false)
	if r := testenv.Run(t, exec.Command(d.Join("static")), testenv.Patience); r.Code != 7 {
		t.Errorf("static: %s", r)
	}
}
