package live

import (
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weld/internal/rtld"
	"weld/internal/testenv"
)

// watched is a loader for which a debugger watches.
type watched struct {
	recorder
	come, gone int
	err        error
}

func (w *watched) published(o *Object, _ *committed) error {
	shows := rtld.LiveView{}
	gone, err := o.showParts(func(string) (*rtld.LivePart, error) { return new(rtld.LivePart), nil }, &shows)
	for _, p := range gone {
		p.remove()
	}
	w.come, w.gone, w.err = w.come+len(shows.Come), w.gone+len(shows.Gone), err
	return err
}

func watchedObject(t *testing.T, opt Options) (*Object, *watched) {
	w := &watched{}
	opt.Folder = t.TempDir()
	o, err := create("test", opt, w)
	check(t, err)
	t.Cleanup(func() {
		o.display.close()
		check(t, o.Close())
		left, err := os.ReadDir(opt.Folder)
		if check(t, err); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return o, w
}

// shownSymbol is a symbol in the file of a part.
type shownSymbol struct {
	name        string
	value, size uint64
	info, other byte
}

// shownParts reads all parts, which must not overlap. The symbols of each lie in its one section that is loaded.
func shownParts(t *testing.T, o *Object) (all map[shownSymbol]int, frames map[uint64]string) {
	t.Helper()
	all, frames = map[shownSymbol]int{}, map[uint64]string{}
	for k, list := range o.display.parts {
		at := o.regions[k].off
		for _, p := range list {
			if p.from != at || p.to < p.from {
				t.Fatalf("%v: a part from %#x to %#x, behind %#x", Kind(k), p.from, p.to, at)
			}
			at = p.to
			if p.shown == nil {
				continue
			}
			f, err := elf.Open(p.file.path)
			check(t, err)
			memory := f.Sections[partMemory]
			if memory.Addr != p.from || memory.Size != p.to-p.from || memory.Name != sectionNames[k] || f.Progs[0].Vaddr != p.from {
				t.Fatalf("part from %#x: %+v", p.from, memory)
			}
			symbols, err := f.Symbols()
			if err != nil && err != elf.ErrNoSymbols {
				t.Fatal(err)
			}
			for _, s := range symbols {
				if s.Section != partMemory || s.Value < p.from || s.Value+s.Size > p.to {
					t.Errorf("%+v is not in the part from %#x to %#x", s, p.from, p.to)
				}
				all[shownSymbol{s.Name, s.Value, s.Size, s.Info, s.Other}]++
			}
			if s := f.Section(".debug_frame"); s != nil {
				b, err := s.Data()
				check(t, err)
				for b = b[4+le.Uint32(b):]; len(b) > 0; b = b[4+le.Uint32(b):] {
					frames[le.Uint64(b[8:])] = fmt.Sprintf("%d %x", le.Uint64(b[16:]), bytes.TrimRight(b[24:4+le.Uint32(b)], "\x00"))
				}
			}
			f.Close()
		}
	}
	return all, frames
}

// The parts have what the object has, after any sequence of commits, and only those are made anew in which something changes.
func TestViewModel(t *testing.T) {
	const steps = 14
	r := rand.New(rand.NewPCG(1, 2))
	o, w := watchedObject(t, Options{})
	var names []string
	blocks := map[string]*Block{}
	next := 0
	bind := func(n int) {
		for range n {
			name := fmt.Sprint("f", next)
			next++
			b, err := o.Alloc(1+r.IntN(120), 16, Kind(r.IntN(10)/7*(1+r.IntN(3))))
			check(t, err)
			var opts []BindOption
			if b.Kind() == Text && r.IntN(3) == 0 {
				opts = append(opts, Lines(Line{File: fmt.Sprintf("s%d.x", r.IntN(3)), Line: 1 + r.IntN(9)}))
			}
			check(t, o.Bind(name, b, opts...))
			names, blocks[name] = append(names, name), b
		}
	}
	for range steps {
		switch n := len(names); {
		case n == 0 || r.IntN(4) == 0:
			bind(1 + r.IntN(3000))
		case r.IntN(3) == 0:
			for range r.IntN(500) {
				if i := r.IntN(len(names)); blocks[names[i]] != nil {
					check(t, blocks[names[i]].FreeNow())
					delete(blocks, names[i])
					names[i] = names[len(names)-1]
					names = names[:len(names)-1]
				}
				if len(names) == 0 {
					break
				}
			}
		default:
			bind(1 + r.IntN(3))
		}
		check(t, o.Commit())
		want := map[shownSymbol]int{}
		for s := range o.Symbols() {
			want[shownSymbol{s.Name, uint64(s.Addr - o.base), uint64(s.Size), byte(elf.STB_GLOBAL)<<4 | byte(s.Type), byte(s.Visibility)}]++
		}
		got, frames := shownParts(t, o)
		if !maps.Equal(got, want) {
			t.Fatalf("%d symbols are shown of %d", len(got), len(want))
		}
		for i := range o.eh.rows {
			row := &o.eh.rows[i]
			if row.fde == 0 {
				continue
			}
			fde := o.bytes(uint64(row.fde), uint64(le.Uint32(o.bytes(uint64(row.fde), 4)))+4)
			want := fmt.Sprintf("%d %x", row.f.size, bytes.TrimRight(fde[fdeRules:], "\x00"))
			if got := frames[uint64(row.start)]; got != want {
				t.Fatalf("the frame of what is at %#x: %q, want %q", row.start, got, want)
			}
		}
	}
	if w.come-w.gone > 40 || w.come > 8*steps {
		t.Errorf("%d parts came and %d went", w.come, w.gone)
	}
}

// What a debugger has to read is in the end as much as a few times what there is, whatever the size of the batches.
func TestViewCost(t *testing.T) {
	cases := []struct{ n, batch, most int }{{10_000, 100, 40}, {30_000, 5_000, 8}, {4_000, 5, 60}}
	if testenv.Race {
		cases = cases[:1]
	}
	for _, c := range cases {
		o, _ := watchedObject(t, Options{})
		read := 0
		seen := map[*part]bool{}
		for i := range c.n {
			b, err := o.Alloc(16, 16, Text)
			check(t, err)
			check(t, o.Bind(fmt.Sprint("f", i), b))
			if (i+1)%c.batch == 0 {
				check(t, o.Commit())
				for _, p := range o.display.parts[Text] {
					if !seen[p] {
						seen[p] = true
						read += o.count(p.from, p.to)
					}
				}
			}
		}
		if n := len(o.display.parts[Text]); read > c.most*c.n || n > c.n/maxPart*2+5 {
			t.Errorf("batches of %d: %d parts, %d symbols read for %d", c.batch, n, read, c.n)
		}
	}
}

// The files are ELF files to others.
func TestPartFiles(t *testing.T) {
	testenv.Need(t, "readelf")
	o, _ := watchedObject(t, Options{})
	number := make([]byte, 4)
	for k := range numKinds {
		b, err := o.Alloc(4, 4, k)
		check(t, err)
		if k != BSS {
			check(t, b.Write(0, number))
		}
		check(t, o.Bind("it_"+strings.ReplaceAll(k.String(), " ", "_"), b))
	}
	emit(t, o, "lines", returns(1), Lines(Line{File: "a.x", Line: 3}, Line{Offset: 4, File: "b.x", Line: 5}))
	check(t, o.Commit())
	paths := []string{o.display.head.path}
	for _, list := range o.display.parts {
		for _, p := range list {
			paths = append(paths, p.file.path)
		}
	}
	var all strings.Builder
	for _, path := range paths {
		out, err := exec.Command("readelf", "-W", "-a", "--debug-dump=info,line,frames,aranges,Ranges", path).CombinedOutput()
		check(t, err)
		if strings.Contains(string(out), "arning") || strings.Contains(string(out), "rror") {
			t.Errorf("readelf: %s", out)
		}
		all.Write(out)
	}
	for _, want := range []string{"it_text", "it_read-only_data", "it_data", "it_zeroed_data", "DW_CFA_def_cfa_register: r6 (rbp)", "b.x", "DW_AT_name "} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %q in %s", want, &all)
		}
	}
	if len(paths) != 1+int(numKinds) || slices.Contains(paths, "") {
		t.Errorf("files: %q", paths)
	}
}
