package live

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	image "weld/image/elf"
	"weld/internal/testenv"
)

// line says what a symbol is, as readelf and the packages that read files would.
func line(name, version string, old bool, addr, size uint64, typ image.SymType, vis image.SymVis) string {
	if version != "" {
		at := "@@"
		if old {
			at = "@"
		}
		name += at + version
	}
	return fmt.Sprintf("%s %#x+%d %v %v", name, addr, size, typ, vis)
}

// published returns the symbols of an object by its own account, and those of them that are exported.
func published(o *Object) (all, exported []string) {
	o.published(func(b *sym) bool {
		s := o.symbol(b)
		l := line(s.Name, s.Version, b.old(), uint64(b.at), uint64(s.Size), s.Type, s.Visibility)
		all = append(all, l)
		if s.Visibility == image.STV_DEFAULT || s.Visibility == image.STV_PROTECTED {
			exported = append(exported, l)
		}
		return true
	})
	slices.Sort(all)
	slices.Sort(exported)
	return all, exported
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	n := 0
	for _, d := range []struct {
		how  string
		a, b []string
	}{{"too much", got, want}, {"missing", want, got}} {
		for _, s := range d.a {
			if _, ok := slices.BinarySearch(d.b, s); !ok && n < 20 {
				n++
				t.Errorf("%s: %s: %s", what, d.how, s)
			}
		}
	}
	if n == 0 {
		t.Errorf("%s: %d entries, wanted %d", what, len(got), len(want))
	}
}

// unversioned leaves the version out of lines.
func unversioned(list []string) []string {
	r := make([]string, len(list))
	for i, s := range list {
		name, rest, _ := strings.Cut(s, " ")
		name, _, _ = strings.Cut(name, "@")
		r[i] = name + " " + rest
	}
	slices.Sort(r)
	return r
}

// verify compares what the object says with its file, as debug/elf, weld's own reader and readelf see it.
func verify(t testing.TB, o *Object) {
	t.Helper()
	all, exported := published(o)
	data, err := os.ReadFile(o.Path())
	check(t, err)

	f, err := elf.NewFile(strings.NewReader(string(data)))
	check(t, err)
	read := func(syms []elf.Symbol, err error) (list []string) {
		t.Helper()
		if err != nil && err != elf.ErrNoSymbols {
			t.Fatal(err)
		}
		for _, s := range syms {
			if s.Section == elf.SHN_UNDEF { // an import, or what has gone
				continue
			}
			sec := f.Sections[s.Section]
			if s.Value < sec.Addr || s.Value+s.Size > sec.Addr+sec.Size {
				t.Errorf("%s is not in its section %s", s.Name, sec.Name)
			}
			list = append(list, line(s.Name, "", false, s.Value, s.Size, image.SymType(s.Info&15), image.SymVis(s.Other&3)))
		}
		slices.Sort(list)
		return list
	}
	same(t, "debug/elf, .symtab", unversioned(read(f.Symbols())), unversioned(all))
	same(t, "debug/elf, .dynsym", read(f.DynamicSymbols()), unversioned(exported))

	w, err := image.New(o.Path(), data)
	check(t, err)
	check(t, w.CheckLoad(page))
	if _, err := w.Sections(); err != nil {
		t.Error(err)
	}
	var own []string
	for i := range uint32(w.NumSymbols()) {
		s, _ := w.Sym(i)
		if !s.Defined() {
			continue
		}
		version, old := "", false
		if v := w.Version(i); v.Index > 1 {
			version, _, _ = w.VersionName(v.Index)
			old = v.Hidden
		}
		own = append(own, line(w.SymName(s), version, old, s.Value, s.Size, s.Type(), s.Visibility()))
	}
	slices.Sort(own)
	same(t, "image/elf", own, exported)
	tables := []*image.File{w}
	if w.Dynamic.GNUHash != 0 {
		// The same without DT_GNU_HASH goes by DT_HASH.
		b := slices.Clone(data)
		off, _ := w.Offset(w.Dynamic.Addr)
		for i, e := range w.DynEntries() {
			if e.Tag == image.DT_GNU_HASH {
				le.PutUint64(b[off+uint64(i)*16:], uint64(image.DT_NULL))
			}
		}
		s, err := image.New(o.Path(), b)
		check(t, err)
		tables = append(tables, s)
	}
	for s := range o.Symbols() {
		if s.Visibility == image.STV_HIDDEN {
			continue
		}
		for i, w := range tables {
			h := image.Hash(s.Name)
			var ver *image.Version
			if s.Version != "" {
				ver = image.NewVersion(s.Version)
			}
			_, sym, ok := w.Lookup(&h, ver)
			if !ok || uintptr(sym.Value) != s.Addr-o.Base() {
				t.Errorf("table %d: %s@%s is at %#x (%v), wanted %#x", i, s.Name, s.Version, sym.Value, ok, s.Addr-o.Base())
			}
		}
	}
	verifyFrames(t, o, w)
}

// verifyFrames checks that the table of .eh_frame_hdr is in order, and that each function is found in it as unwinders do.
func verifyFrames(t testing.TB, o *Object, w *image.File) {
	t.Helper()
	h, err := w.ParseEhFrameHdr()
	check(t, err)
	if h.EhFrame == 0 {
		t.Fatal("no .eh_frame")
	}
	table, _ := w.Bytes(h.Table.Addr, h.Table.Size)
	n := len(table) / 8
	start := func(i int) uint64 { return w.EhFrameHdr.Vaddr + uint64(int64(int32(le.Uint32(table[8*i:])))) }
	for i := 1; i < n; i++ {
		if start(i) <= start(i-1) {
			t.Fatalf("entry %d of .eh_frame_hdr is not behind the one before", i)
		}
	}
	for s := range o.Symbols() {
		if s.Type != image.STT_FUNC || s.Size == 0 {
			continue
		}
		for _, pc := range []uint64{uint64(s.Addr - o.Base()), uint64(s.Addr-o.Base()) + uint64(s.Size) - 1} {
			k := sort.Search(n, func(i int) bool { return start(i) > pc })
			if k == 0 {
				t.Fatalf("no entry for %s", s.Name)
			}
			at := w.EhFrameHdr.Vaddr + uint64(int64(int32(le.Uint32(table[8*k-4:]))))
			fde, ok := w.Bytes(at, fdeRules)
			if !ok {
				t.Fatalf("the entry for %s leads to %#x", s.Name, at)
			}
			from := at + fdeStart + uint64(int64(int32(le.Uint32(fde[fdeStart:]))))
			size := uint64(le.Uint32(fde[fdeSize:]))
			if from != start(k-1) || pc < from || pc >= from+size {
				t.Errorf("%s at %#x: the entry is %#x, the description of %#x+%d", s.Name, pc, start(k-1), from, size)
			}
			if at+fdeCIE-uint64(le.Uint32(fde[fdeCIE:])) != h.EhFrame {
				t.Errorf("the description of %s has no CIE", s.Name)
			}
		}
	}
}

// readelf compares with what readelf prints, which must have nothing to complain about.
func readelf(t testing.TB, o *Object) {
	t.Helper()
	testenv.Need(t, "readelf", "objdump")
	for _, args := range [][]string{{"readelf", "-aW"}, {"readelf", "-wfF"}, {"objdump", "-dr"}} {
		out, err := exec.Command(args[0], append(args[1:], o.Path())...).CombinedOutput()
		check(t, err)
		for l := range strings.Lines(string(out)) {
			if strings.Contains(l, "arning") || strings.Contains(l, "rror:") || strings.Contains(l, "orrupt") {
				t.Errorf("%v: %s", args, l)
			}
		}
	}
	all, exported := published(o)
	for _, c := range []struct {
		arg  string
		want []string
	}{{"-sW", unversioned(all)}, {"--dyn-syms", exported}} {
		args := []string{"-W", c.arg}
		if c.arg == "-sW" {
			args = []string{"-sW"}
		}
		out, err := exec.Command("readelf", append(args, o.Path())...).Output()
		check(t, err)
		var got []string
		table := ""
		for l := range strings.Lines(string(out)) {
			f := strings.Fields(l)
			if len(f) > 3 && f[0] == "Symbol" {
				table = f[2]
			}
			if len(f) < 8 || f[6] == "UND" || f[0] == "Num:" || c.arg == "-sW" && table != "'.symtab'" {
				continue
			}
			addr, err := strconv.ParseUint(f[1], 16, 64)
			check(t, err)
			size, err := strconv.ParseUint(f[2], 0, 64)
			check(t, err)
			got = append(got, fmt.Sprintf("%s %#x+%d STT_%s STV_%s", f[7], addr, size, f[3], f[5]))
		}
		if c.arg == "-sW" {
			got = unversioned(got)
		}
		slices.Sort(got)
		same(t, "readelf "+c.arg, got, c.want)
	}
}

// framesOf returns how readelf understands the descriptions of frames: for each function, or address if it has no
// name, "offset:CFA,register=place..." for each row.
func framesOf(t testing.TB, o *Object) map[string]string {
	t.Helper()
	out, err := exec.Command("readelf", "-wF", o.Path()).Output()
	check(t, err)
	names := map[uint64]string{}
	for s := range o.Symbols() {
		names[uint64(s.Addr-o.Base())] = s.Name
	}
	rows := map[string]string{}
	var regs []string
	name, start := "", uint64(0)
	for l := range strings.Lines(string(out)) {
		f := strings.Fields(l)
		if i := strings.Index(l, "pc="); i >= 0 {
			var end uint64
			_, err := fmt.Sscanf(l[i:], "pc=%x..%x", &start, &end)
			check(t, err)
			if name = names[start]; name == "" {
				name = fmt.Sprintf("%#x", start)
			}
			if start == end {
				name = "" // of no code
			} else {
				rows[name] = ""
			}
			regs = nil
			continue
		}
		if len(f) > 2 && f[0] == "LOC" {
			regs = f[2:]
			continue
		}
		if name == "" || len(f) < 2 || len(f[0]) != 16 {
			continue
		}
		pc, err := strconv.ParseUint(f[0], 16, 64)
		check(t, err)
		s := fmt.Sprintf("%d:%s", pc-start, f[1])
		for i, r := range regs {
			if r != "ra" && i+2 < len(f) && f[i+2] != "u" {
				s += "," + r + "=" + f[i+2]
			}
		}
		rows[name] = strings.TrimSpace(rows[name] + " " + s)
	}
	for name, r := range rows {
		if r == "" {
			rows[name] = "0:rsp+8" // readelf does not repeat what the CIE says
		}
	}
	return rows
}
