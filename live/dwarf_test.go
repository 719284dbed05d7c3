package live

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// linesOf returns what debug/dwarf reads: for each function "name low-high: address file:line ...".
func linesOf(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := elf.Open(path)
	check(t, err)
	defer f.Close()
	d, err := f.DWARF()
	check(t, err)
	got := map[string]string{}
	r := d.Reader()
	for {
		e, err := r.Next()
		check(t, err)
		if e == nil {
			return got
		}
		if e.Tag != dwarf.TagCompileUnit {
			t.Fatalf("a unit begins with %v", e.Tag)
		}
		ranges, err := d.Ranges(e)
		check(t, err)
		inUnit := func(pc uint64) bool {
			for _, r := range ranges {
				if pc >= r[0] && pc < r[1] {
					return true
				}
			}
			return false
		}
		lr, err := d.LineReader(e)
		check(t, err)
		var rows []dwarf.LineEntry
		for {
			var l dwarf.LineEntry
			if err := lr.Next(&l); err == io.EOF {
				break
			} else {
				check(t, err)
			}
			rows = append(rows, l)
		}
		for {
			e, err := r.Next()
			check(t, err)
			if e.Tag == 0 {
				break
			}
			low, high := e.Val(dwarf.AttrLowpc).(uint64), e.Val(dwarf.AttrHighpc).(int64)
			if high == 0 {
				continue
			}
			if !inUnit(low) || !inUnit(low+uint64(high)-1) {
				t.Errorf("the ranges of the unit do not have %v", e)
			}
			s := fmt.Sprintf("%#x+%d:", low, high)
			for _, l := range rows {
				if l.Address >= low && l.Address <= low+uint64(high) && !l.EndSequence {
					s += fmt.Sprintf(" %d=%s:%d:%d", l.Address-low, filepath.Base(l.File.Name), l.Line, l.Column)
				}
			}
			name := e.Val(dwarf.AttrName).(string)
			if got[name] != "" {
				t.Errorf("%s is there twice: %s, %s", name, got[name], s)
			}
			got[name] = s
		}
	}
}

func TestLines(t *testing.T) {
	o := newObject(t, Options{})
	want := map[string]string{}
	bind := func(name, file string, line int, opts ...BindOption) *Block {
		code := returns(uint32(line))
		b, err := o.Alloc(len(code), 16, Text)
		check(t, err)
		check(t, b.Write(0, code))
		opts = append(opts, Lines(Line{0, file, line, 1}, Line{1, "", line + 1, 2}, Line{4, "", line + 2000, 0}, Line{9, "/src/other.x", 3, 0}))
		check(t, o.Bind(name, b, opts...))
		f := filepath.Base(file)
		want[name] = fmt.Sprintf("%#x+%d: 0=%s:%d:1 1=%s:%d:2 4=%s:%d:0 9=other.x:3:0", b.Addr()-o.Base(), len(code), f, line, f, line+1, f, line+2000)
		return b
	}
	same := func(what string) {
		t.Helper()
		check(t, o.Commit())
		got := linesOf(t, o.Path())
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: %s:\n got %s\nwant %s", what, name, got[name], want[name])
			}
		}
		for name := range got {
			if want[name] == "" {
				t.Errorf("%s: %s: %s", what, name, got[name])
			}
		}
	}
	var blocks []*Block
	for i := range 20 {
		blocks = append(blocks, bind(fmt.Sprintf("f%d", i), fmt.Sprintf("/src/file%d.x", i%3), 10*i))
	}
	same("a batch")
	for i := range 200 {
		blocks = append(blocks, bind(fmt.Sprintf("single%d", i), "/src/single.x", 7*i))
		if i%7 == 3 {
			check(t, o.Commit())
		}
	}
	same("one by one")
	check(t, o.Rename("f3", "renamed"))
	want["renamed"] = want["f3"]
	delete(want, "f3")
	same("renamed")
	for i, b := range blocks {
		if i%3 == 0 {
			for s := range o.Symbols() {
				if s.Block == b {
					delete(want, s.Name)
				}
			}
			check(t, b.FreeNow())
		}
	}
	check(t, o.Commit())
	same("freed")
	for i := range 150 {
		bind(fmt.Sprintf("again%d", i), "/src/again.x", i)
		if i%50 == 0 {
			same("again")
		}
	}
	same("all again")

	for _, arg := range []string{"-wi", "-wl", "-wL", "-wR", "-wa", "-ws", "-wr", "-wf", "-wF"} {
		out, err := exec.Command("readelf", arg, o.Path()).CombinedOutput()
		if err != nil || strings.Contains(string(out), "arning") || strings.Contains(string(out), "rror") {
			t.Errorf("readelf %s: %v\n%s", arg, err, out)
		}
	}
	out, err := exec.Command("addr2line", "-fe", o.Path(), fmt.Sprintf("%#x", blocks[1].Addr()-o.Base()+1)).CombinedOutput()
	if string(out) != "f1\n/src/file1.x:11\n" {
		t.Errorf("addr2line: %s, %v", out, err)
	}
	// A function of each age, by tools that read the tables in other ways.
	for _, name := range []string{"f1", "single5", "again7", "again149"} {
		i, file := 0, "single.x"
		var at uint64
		_, err := fmt.Sscanf(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz"), "%d", &i)
		check(t, err)
		s, err := o.Lookup(name)
		check(t, err)
		at = uint64(s.Addr - o.Base())
		line := i
		switch {
		case name == "f1":
			file, line = "file1.x", 10*i
		case strings.HasPrefix(name, "again"):
			file = "again.x"
		default:
			line = 7 * i
		}
		out, err := exec.Command("gdb", "-batch", "-nx", "-ex", "info line "+name, "-ex", fmt.Sprintf("info line *%#x", at+1), o.Path()).CombinedOutput()
		check(t, err)
		for _, want := range []string{
			fmt.Sprintf("Line %d of \"/src/%s\" starts at address %#x <%s>", line, file, at, name),
			fmt.Sprintf("Line %d of \"/src/%s\" starts at address %#x <%s+1>", line+1, file, at+1, name),
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("gdb: %s: %s\nwanted: %s", name, out, want)
			}
		}
	}
	if out, err := exec.Command("gdb", "-batch", "-nx", "-ex", "info line f0", o.Path()).CombinedOutput(); !strings.Contains(string(out), "not defined") {
		t.Errorf("gdb knows what is freed: %s, %v", out, err)
	}
}
