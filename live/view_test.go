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
		for i := range o.eh.rows.n {
			row := o.eh.rows.at(i)
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

// shownCosts counts what commits of an object cost a debugger, in symbols read.
type shownCosts struct {
	t      *testing.T
	o      *Object
	blocks []*Block
	seen   map[*part]bool
	cost   int
}

// newShownCosts allocates the memory of n functions.
func newShownCosts(t *testing.T, n int) *shownCosts {
	c := &shownCosts{t: t, seen: map[*part]bool{}}
	c.o, _ = watchedObject(t, Options{Memory: true})
	for range n {
		b, err := c.o.Alloc(32, 32, Text)
		check(t, err)
		c.blocks = append(c.blocks, b)
	}
	return c
}

// bind binds a function, also one that is bound already.
func (c *shownCosts) bind(i int) { check(c.t, c.o.Bind(fmt.Sprint("f", i), c.blocks[i], Replace)) }

func (c *shownCosts) commit() {
	check(c.t, c.o.Commit())
	now := map[*part]bool{}
	for _, list := range c.o.display.parts {
		for _, p := range list {
			if p.shown == nil {
				continue
			}
			now[p] = true
			if c.cost += partCost; !c.seen[p] {
				c.cost += fileCost + p.cost()
			}
		}
	}
	c.seen = now
}

// What a debugger has to do goes up with the number of functions no faster than that times its logarithm, whatever the size of
// the batches, and wherever in a range that was allocated before they come.
func TestViewCost(t *testing.T) {
	halves := func(n int) func(int) int { return func(i int) int { return i/2 + i%2*(n/2) } }
	up := func(int) func(int) int { return func(i int) int { return i } }
	for _, c := range []struct {
		name     string
		n, batch int
		most     float64 // for each commit
		order    func(n int) func(i int) int
	}{
		{"one by one", 2_000, 1, 150, up},
		{"tens", 8_000, 10, 250, up},
		{"thousands", 16_000, 1_000, 3_000, up},
		{"two at a time", 2_000, 2, 600, halves},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testenv.Race {
				c.n /= 4
			}
			cost := func(n int) float64 {
				costs, order := newShownCosts(t, n), c.order(n)
				for i := range n {
					if costs.bind(order(i)); (i+1)%c.batch == 0 {
						costs.commit()
					}
				}
				return float64(costs.cost) / float64(n)
			}
			half, all := cost(c.n/2), cost(c.n)
			if all > 1.3*half || all*float64(c.batch) > c.most {
				t.Errorf("%.1f symbols for each function of %d, %.1f of %d", all, c.n, half, c.n/2)
			}
		})
	}
}

// Where functions are replaced one by one, here and there, it is not much of the rest that is read again each time; and when that
// has come to an end there are few parts again.
func TestViewReplaced(t *testing.T) {
	const n, some = 10_000, 200
	c := newShownCosts(t, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		c.bind(i)
	}
	c.commit()
	c.cost = 0
	for range some {
		c.bind(r.IntN(n))
		c.commit()
	}
	each, most := c.cost/some, len(c.seen)
	c.cost = 0
	for range 4 * some {
		c.bind(0)
		c.commit()
	}
	if again := c.cost / some / 4; each > n/6 || again > n/20 || most < 10 || len(c.seen) > most/2 {
		t.Errorf("%d symbols for each function here and there, with up to %d parts; then %d for each time the same one, with %d parts", each, most, again, len(c.seen))
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
