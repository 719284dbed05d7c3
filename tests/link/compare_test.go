package link

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// look returns what matters of an output, by what it is.
func look(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return nil
	}
	defer f.Close()
	m := map[string]string{"type": f.Type.String()}
	strs := func(key string, tag elf.DynTag) {
		if s, err := f.DynString(tag); err == nil && len(s) > 0 {
			m[key] = strings.Join(s, " ")
		}
	}
	strs("needed", elf.DT_NEEDED)
	strs("soname", elf.DT_SONAME)
	strs("runpath", elf.DT_RUNPATH)
	strs("rpath", elf.DT_RPATH)
	for key, tag := range map[string]elf.DynTag{"flags": elf.DT_FLAGS, "flags1": elf.DT_FLAGS_1} {
		if v, err := f.DynValue(tag); err == nil && len(v) > 0 {
			m[key] = fmt.Sprintf("%#x", v)
		}
	}
	for key, tag := range map[string]elf.DynTag{"init array": elf.DT_INIT_ARRAYSZ, "fini array": elf.DT_FINI_ARRAYSZ, "preinit array": elf.DT_PREINIT_ARRAYSZ} {
		if v, err := f.DynValue(tag); err == nil && len(v) > 0 {
			m[key] = fmt.Sprint(v[0])
		}
	}
	m["symbols"] = dynamicSymbols(f)
	m["relocations"] = relocations(f)
	var segs []string
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_PHDR, elf.PT_NOTE, elf.PT_GNU_PROPERTY, elf.PT_GNU_EH_FRAME:
			continue // where tables are is no matter
		}
		segs = append(segs, fmt.Sprintf("%s %s", p.Type, p.Flags))
	}
	slices.Sort(segs)
	m["segments"] = strings.Join(slices.Compact(segs), ", ")
	return m
}

// dynamicSymbols lists what others can bind to, and what is imported, with versions.
func dynamicSymbols(f *elf.File) string {
	syms, err := f.DynamicSymbols()
	if err != nil {
		return ""
	}
	var list []string
	for _, s := range syms {
		kind := "defined"
		switch {
		case s.Section == elf.SHN_UNDEF:
			kind = "undefined"
		case s.Section == elf.SHN_ABS && elf.ST_TYPE(s.Info) == elf.STT_OBJECT && s.Name == s.Version:
			continue // the name of a version
		}
		switch s.Name {
		case "_end", "_edata", "__bss_start", "_init", "_fini", "_IO_stdin_used", "__data_start", "data_start", "_start", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__gmon_start__", "":
			continue // of the linker and the start files
		}
		typ := ""
		if kind == "defined" {
			typ = " " + elf.ST_TYPE(s.Info).String()
			if s.HasVersion && s.VersionIndex.IsHidden() {
				typ += " hidden version"
			}
		}
		list = append(list, fmt.Sprintf("%s@%s %s %s%s", s.Name, s.Version, kind, elf.ST_BIND(s.Info), typ))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// relocations counts run-time relocations by kind.
func relocations(f *elf.File) string {
	count := map[elf.R_X86_64]int{}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return err.Error()
		}
		for ; len(data) >= 24; data = data[24:] {
			if typ := elf.R_X86_64(binary.LittleEndian.Uint32(data[8:])); typ != elf.R_X86_64_NONE { // GNU ld leaves empty ones
				count[typ]++
			}
		}
	}
	var list []string
	for typ, n := range count {
		list = append(list, fmt.Sprintf("%d %s", n, strings.TrimPrefix(typ.String(), "R_X86_64_")))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// A difference is a way in which weld's output may differ from GNU ld's.
type difference struct {
	what     string // the key of look, or behaviour
	features string // names of the features, separated by spaces; "" for all
	test     func(v *variant, gnu, weld string) bool
}

// differences are what is known, and why.
var differences = []difference{
	// GNU ld copies a variable once for each name that the program uses, and they are different variables then. weld, lld and
	// mold copy it once and give the copy all its names.
	{"behaviour", "copy_relocation", func(v *variant, gnu, weld string) bool { return weld == "exit status 0 42 one\n" }},
	{"relocations", "copy_relocation", func(v *variant, gnu, weld string) bool { return fewer(gnu, weld, "COPY", 1) }},
	// An indirect function has one address in a PIE too, that of its stub, as lld has it. GNU ld has data that points to it resolved
	// (IRELATIVE), and code that takes the address gets the stub.
	{"behaviour", "ifunc", func(v *variant, gnu, weld string) bool { return weld == "exit status 0 2 2 2 1 1 1\n" }},
	{"relocations", "ifunc ifunc_static", func(v *variant, gnu, weld string) bool {
		return without(gnu, "IRELATIVE", "RELATIVE") == without(weld, "IRELATIVE", "RELATIVE") || fewer(gnu, weld, "64", 1)
	}},
	// With -Bsymbolic an indirect function of a library has its stub as address, for others too: it is exported as a plain function,
	// as with lld. GNU ld leaves it to the run-time linker to bind. Its stub shares the entry of .got with what takes the address.
	{"symbols", "ifunc_symbolic", func(v *variant, gnu, weld string) bool {
		return v.libflags == "-Bsymbolic" && strings.Replace(gnu, "pick@ defined STB_GLOBAL STT_LOOS", "pick@ defined STB_GLOBAL STT_FUNC", 1) == weld
	}},
	{"relocations", "ifunc_symbolic", func(v *variant, gnu, weld string) bool {
		return fewer(gnu, weld, "JMP_SLOT", 1) || weld == "1 IRELATIVE, 4 GLOB_DAT, 5 RELATIVE"
	}},
	// A pointer in writable data to what a library defines is bound at run time, as with lld and mold. GNU ld, which needs a
	// stub or a copy for the code of fixed address anyway, stores the address of that.
	{"relocations", "function_address stdio_copy weak_undefined environ_alias cxx_exceptions", func(v *variant, gnu, weld string) bool { return fewer(weld, gnu, "64", 1) }},
	// A weak function that nothing defines is imported by a program of fixed address, as with lld: a library that is found at run
	// time may define it. With GNU ld it is 0 for good.
	{"symbols", "weak_undefined", func(v *variant, gnu, weld string) bool {
		return strings.Replace(weld, "missing@ undefined STB_WEAK, ", "", 1) == gnu
	}},
	{"relocations", "weak_undefined", func(v *variant, gnu, weld string) bool {
		return without(weld, "64", "JMP_SLOT") == without(gnu, "64", "JMP_SLOT")
	}},
	// Nothing calls __tls_get_addr once accesses are relaxed. GNU ld counts them before; so do lld and mold, for the symbol.
	{"symbols", "", func(v *variant, gnu, weld string) bool {
		return strings.Replace(gnu, "__tls_get_addr@GLIBC_2.3 undefined STB_GLOBAL, ", "", 1) == weld
	}},
	{"relocations", "tls_library tls_exec cxx_thread_local", func(v *variant, gnu, weld string) bool {
		return fewer(gnu, weld, "JMP_SLOT", 1) || fewer(gnu, weld, "GLOB_DAT", 1)
	}},
	// --no-relax leaves TLS descriptors as they are, as with mold; GNU ld and lld relax them nonetheless.
	{"relocations", "tls_exec", func(v *variant, gnu, weld string) bool {
		return slices.Contains(v.flags, "--no-relax") && without(weld, "TLSDESC") == gnu
	}},
}

// counts reads what relocations has made.
func counts(s string) map[string]int {
	m := map[string]int{}
	for e := range strings.SplitSeq(s, ", ") {
		if num, kind, ok := strings.Cut(e, " "); ok {
			m[kind], _ = strconv.Atoi(num)
		}
	}
	return m
}

// fewer reports whether b lists the same relocations as a, but n less of one kind.
func fewer(a, b, kind string, n int) bool {
	x := counts(a)
	if x[kind] -= n; x[kind] == 0 {
		delete(x, kind)
	}
	return maps.Equal(x, counts(b))
}

// without leaves out kinds of relocations.
func without(s string, kinds ...string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(s, ", "), func(e string) bool {
		_, kind, _ := strings.Cut(e, " ")
		return slices.Contains(kinds, kind)
	}), ", ")
}

// explained reports whether a difference is in the list.
func (v *variant) explained(what, gnu, weld string) bool {
	return slices.ContainsFunc(differences, func(d difference) bool {
		return d.what == what && (d.features == "" || slices.Contains(strings.Fields(d.features), v.name)) && d.test(v, gnu, weld)
	})
}
