package live

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"weld"
	image "weld/image/elf"
	"weld/native"
)

// modelBlock is a block as it is to be: what was written to it, what of that is in memory (in text a debugger may have written
// something else there), and the names that are to lead to it.
type modelBlock struct {
	b            *Block
	file, memory []byte
	n            uint32 // that it returns, if it is text
	lent         bool   // to be written by way of At until it is bound
	names        map[modelKey]*modelName
}

type modelKey struct{ name, version string }

type modelName struct {
	b         *modelBlock
	off, size int
	typ       image.SymType
	vis       image.SymVis
	old       bool
}

func (n *modelName) exported() bool {
	return n != nil && (n.vis == image.STV_DEFAULT || n.vis == image.STV_PROTECTED)
}

// symbol returns what Lookup is to say.
func (n *modelName) symbol(k modelKey) Symbol {
	return Symbol{
		Name: k.name, Version: k.version, Addr: n.b.b.Addr() + uintptr(n.off), Size: uintptr(n.size), Type: n.typ, Visibility: n.vis, Block: n.b.b,
	}
}

// modelWorker is a goroutine that does things at random. Names and blocks belong to one each, so that what it does has one result.
type modelWorker struct {
	t      *testing.T
	o      *Object
	id     int
	count  uint32
	rnd    *rand.Rand
	names  map[modelKey]*modelName
	blocks []*modelBlock

	imports   map[string]*Import
	versioned map[string]bool // names that ever had a version
}

// TestModel has goroutines do things at random, in an object whose file is in a folder and in one whose file is in memory, and
// compares each result with that of the model, and all of the object and its file with all of the model in between.
func TestModel(t *testing.T) {
	const workers = 8
	for _, c := range []struct {
		name        string
		opt         Options
		ops, rounds int
	}{{"folder", Options{}, 10_000, 4}, {"memory", Options{Memory: true}, 5_000, 2}} {
		t.Run(c.name, func(t *testing.T) {
			ops := c.ops
			if testing.Short() {
				ops /= 5
			}
			o := newObject(t, c.opt)
			states := make([]*modelWorker, workers)
			for i := range states {
				states[i] = &modelWorker{t: t, o: o, id: i, rnd: rand.New(rand.NewPCG(uint64(i), uint64(c.rounds))), names: map[modelKey]*modelName{}, imports: map[string]*Import{}, versioned: map[string]bool{}}
			}
			for range c.rounds {
				var wg sync.WaitGroup
				for _, w := range states {
					wg.Go(func() {
						for n := 0; n < ops/workers/c.rounds && !t.Failed(); n++ {
							w.step()
						}
					})
				}
				wg.Wait()
				check(t, o.Commit())
				compare(t, o, states)
				check(t, o.Quiesce())
				if t.Failed() {
					return
				}
			}
			saved := filepath.Join(t.TempDir(), "saved.so")
			check(t, o.Save(saved))
			lib, err := weld.Open(saved)
			check(t, err)
			defer lib.Close()
			for _, w := range states {
				for k := range w.names {
					w.asLibrary(lib, k, lib.Base)
				}
				for _, b := range w.blocks {
					if at := lib.Base + b.b.Addr() - o.Base(); b.b.Kind() == Text && uint32(native.Call(at)) != b.n {
						t.Errorf("saved, at %#x: %d, wanted %d", at, native.Call(at), b.n)
					} else if got := native.Bytes(at, uintptr(len(b.file))); b.b.Kind() != BSS && !bytes.Equal(got, b.file) {
						t.Errorf("saved, at %#x: %x, wanted %x", at, got, b.file)
					}
				}
			}
		})
	}
}

// compare compares an object, and its file, with the model. All is committed.
func compare(t *testing.T, o *Object, states []*modelWorker) {
	t.Helper()
	data, err := os.ReadFile(o.Path())
	check(t, err)
	file, err := image.New(o.Path(), data)
	check(t, err)
	want, imports := map[Symbol]bool{}, 0
	for _, w := range states {
		imports += len(w.imports)
		w.imported()
		for k, n := range w.names {
			want[n.symbol(k)] = true
			w.published(k)
			w.asLibrary(o.Library(), k, o.Base())
		}
		for _, b := range w.blocks {
			w.content(b)
			if b.b.Kind() == BSS {
				continue
			}
			if got, ok := file.Bytes(uint64(b.b.Addr()-o.Base()), uint64(len(b.file))); !ok || !bytes.Equal(got, b.file) {
				t.Errorf("the file has at %#x, %v, %x, wanted %x", b.b.Addr(), b.b.Kind(), got, b.file)
			}
		}
	}
	got := map[Symbol]bool{}
	for s := range o.Symbols() {
		if !strings.HasSuffix(s.Name, "@plt") {
			got[s] = true
		}
	}
	if !maps.Equal(got, want) || o.Usage().Symbols != len(want)+imports {
		t.Errorf("%d symbols, by Usage %d, wanted %d and %d imports", len(got), o.Usage().Symbols, len(want), imports)
	}
	verify(t, o)
	readelf(t, o)
}

// find returns what a name is bound to: with a version that, else without one or the default version.
func (w *modelWorker) find(k modelKey, only func(*modelName) bool) (modelKey, *modelName) {
	if n := w.names[k]; n != nil && only(n) {
		return k, n
	}
	for _, v := range versions {
		if n := w.names[modelKey{k.name, v}]; k.version == "" && n != nil && !n.old && only(n) {
			return modelKey{k.name, v}, n
		}
	}
	return k, nil
}

func all(*modelName) bool { return true }

// published compares what a name, and the addresses that it leads to, are said to be.
func (w *modelWorker) published(k modelKey) {
	w.t.Helper()
	o, n := w.o, w.names[k]
	if s, err := o.LookupVersion(k.name, k.version); err != nil || s != n.symbol(k) {
		w.t.Errorf("%v: %+v, %v, wanted %+v", k, s, err, n.symbol(k))
	}
	first, m := w.find(modelKey{name: k.name}, all)
	if s, err := o.Lookup(k.name); (err == nil) != (m != nil) || err == nil && s != m.symbol(first) {
		w.t.Errorf("%v: %+v, %v, wanted %+v", k, s, err, m)
	}
	// The innermost one at an address.
	x := n.off + w.rnd.IntN(max(n.size, 1))
	var in []Symbol
	for k, m := range n.b.names {
		if s := m.symbol(k); m.off <= x && x < m.off+max(m.size, 1) {
			if len(in) > 0 && (s.Addr > in[0].Addr || s.Addr == in[0].Addr && s.Size-1 < in[0].Size-1) {
				in = nil
			}
			if len(in) == 0 || s.Addr == in[0].Addr && s.Size == in[0].Size {
				in = append(in, s)
			}
		}
	}
	pc := n.b.b.Addr() + uintptr(x)
	if s, ok := o.FindAddr(pc); !ok || !slices.Contains(in, s) {
		w.t.Errorf("at %#x is %+v, wanted one of %+v", pc, s, in)
	}
	at, ok := weld.FindAddr(pc)
	if is := func(s Symbol) bool { return s.Name == at.Symbol && uintptr(at.Offset) == pc-s.Addr }; !ok || at.Library != o.Library() || !slices.ContainsFunc(in, is) {
		w.t.Errorf("at %#x is %+v, wanted one of %+v", pc, at, in)
	}
}

// asLibrary compares what the run-time linker finds, in the object or in a copy of its file, at an address.
func (w *modelWorker) asLibrary(lib *weld.Library, k modelKey, base uintptr) {
	w.t.Helper()
	for _, k := range [...]modelKey{k, {name: k.name}} {
		as, n := w.find(k, (*modelName).exported)
		s, err := lib.LookupVersion(k.name, k.version)
		if n == nil {
			if !errors.Is(err, weld.ErrNotFound) {
				w.t.Errorf("%v, in %s: %+v, %v", k, lib.Path, s, err)
			}
			continue
		}
		want := n.symbol(as)
		if err != nil || s.Addr-base != want.Addr-w.o.Base() || s.Size != want.Size || s.Version != as.version || s.Type != want.Type {
			w.t.Errorf("%v, in %s: %+v, %v, wanted %+v", k, lib.Path, s, err, want)
		}
	}
}

// content compares what is in memory. All is committed that this worker has done.
func (w *modelWorker) content(b *modelBlock) {
	w.t.Helper()
	if got := native.Bytes(b.b.Addr(), uintptr(len(b.memory))); !bytes.Equal(got, b.memory) {
		w.t.Errorf("at %#x, %v: %x, wanted %x", b.b.Addr(), b.b.Kind(), got, b.memory)
	} else if b.b.Kind() == Text && b.memory[0] != int3 {
		if got := uint32(native.Call(b.b.Addr())); got != b.n {
			w.t.Errorf("at %#x: %d, wanted %d", b.b.Addr(), got, b.n)
		}
	}
}
