package live

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"weld"
	"weld/native"
)

// modelBlock is a block, the number that its code returns, and the names that are to lead to it.
type modelBlock struct {
	b     *Block
	n     uint32
	names map[string]bool
}

// TestModel has goroutines do things at random and compares each result with that of the model, and the files with the
// object in between. A name belongs to one goroutine, so that what it does has one result.
func TestModel(t *testing.T) {
	const workers, rounds = 8, 5
	ops := 10_000
	if testing.Short() {
		ops = 2_000
	}
	o := newObject(t, Options{})
	lib := o.Library()
	states := make([]*modelWorker, workers)
	for i := range states {
		states[i] = &modelWorker{t: t, o: o, id: i, rnd: rand.New(rand.NewPCG(uint64(i), 1)), names: map[string]*modelBlock{}, hidden: map[string]bool{}}
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for _, w := range states {
			wg.Go(func() {
				for range ops / workers / rounds {
					w.step()
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		check(t, o.Commit())
		n := 0
		for _, w := range states {
			for name, b := range w.names {
				n++
				s, err := o.Lookup(name)
				if err != nil || s.Addr != b.b.Addr() {
					t.Fatalf("round %d: %s: %v, %v, wanted %#x", round, name, s, err, b.b.Addr())
				}
				if got := native.Call(s.Addr); uint32(got) != b.n {
					t.Fatalf("%s returns %d, wanted %d", name, got, b.n)
				}
				if at, ok := o.FindAddr(s.Addr + 5); !ok || at.Addr != s.Addr || !b.names[at.Name] {
					t.Fatalf("at %#x is %v, wanted one of %v", s.Addr, at, b.names)
				}
				// As the run-time linker finds it.
				l, err := lib.Lookup(name)
				if found := err == nil && l.Addr == s.Addr && l.Size == s.Size; found == w.hidden[name] {
					t.Fatalf("%s, hidden %v: %v, %v", name, w.hidden[name], l, err)
				}
				if at, ok := weld.FindAddr(s.Addr + 5); !ok || at.Library != lib || !b.names[at.Symbol] {
					t.Fatalf("at %#x is %v, wanted one of %v", s.Addr, at, b.names)
				}
			}
		}
		if u := o.Usage(); u.Symbols != n {
			t.Errorf("%d symbols, wanted %d", u.Symbols, n)
		}
		verify(t, o)
		readelf(t, o)
		check(t, o.Quiesce())
	}
}

type modelWorker struct {
	t         *testing.T
	o         *Object
	id, count int
	rnd       *rand.Rand
	names     map[string]*modelBlock
	hidden    map[string]bool // of these
	blocks    []*modelBlock
}

func (w *modelWorker) fail(format string, args ...any) { w.t.Errorf(format, args...) }

func (w *modelWorker) name() string {
	return fmt.Sprintf("w%d_%d", w.id, w.rnd.IntN(200))
}

func (w *modelWorker) block() *modelBlock {
	if len(w.blocks) == 0 {
		return nil
	}
	return w.blocks[w.rnd.IntN(len(w.blocks))]
}

func (w *modelWorker) step() {
	o := w.o
	switch k := w.rnd.IntN(100); {
	case k < 25:
		w.count++
		n := uint32(w.id<<20 | w.count)
		code := append(returns(n), make([]byte, w.rnd.IntN(200))...)
		b, err := o.Alloc(len(code), 1<<w.rnd.IntN(7), Text)
		if err != nil {
			w.fail("alloc: %v", err)
			return
		}
		if err := b.Write(0, code); err != nil {
			w.fail("write: %v", err)
		}
		w.blocks = append(w.blocks, &modelBlock{b: b, n: n, names: map[string]bool{}})
	case k < 50:
		name, b := w.name(), w.block()
		if b == nil {
			return
		}
		was := w.names[name]
		var opts []BindOption
		replace := w.rnd.IntN(2) == 0
		if replace {
			opts = append(opts, Replace)
		}
		if w.rnd.IntN(4) == 0 {
			opts = append(opts, Size(len(returns(0))))
		}
		if w.rnd.IntN(8) == 0 {
			opts = append(opts, Lines(Line{0, "model.x", 1, 0}))
		}
		hidden := w.rnd.IntN(8) == 0
		if hidden {
			opts = append(opts, Hidden)
		}
		err := o.Bind(name, b.b, opts...)
		if was != nil && !replace {
			if !errors.Is(err, ErrBound) {
				w.fail("bind %s: %v", name, err)
			}
			return
		}
		if err != nil {
			w.fail("bind %s: %v", name, err)
			return
		}
		if was != nil {
			delete(was.names, name)
		}
		w.names[name], w.hidden[name] = b, hidden
		b.names[name] = true
	case k < 60:
		name := w.name()
		err := o.Unbind(name)
		if b := w.names[name]; b != nil {
			if err != nil {
				w.fail("unbind %s: %v", name, err)
			}
			delete(b.names, name)
			delete(w.names, name)
		} else if !errors.Is(err, ErrNotFound) {
			w.fail("unbind %s: %v", name, err)
		}
	case k < 67:
		from, to := w.name(), w.name()
		err := o.Rename(from, to)
		b := w.names[from]
		switch {
		case b == nil:
			if !errors.Is(err, ErrNotFound) {
				w.fail("rename %s: %v", from, err)
			}
		case from == to:
			if err != nil {
				w.fail("rename %s: %v", from, err)
			}
		case w.names[to] != nil:
			if !errors.Is(err, ErrBound) {
				w.fail("rename %s to %s: %v", from, to, err)
			}
		default:
			if err != nil {
				w.fail("rename %s: %v", from, err)
			}
			delete(w.names, from)
			delete(b.names, from)
			w.names[to], w.hidden[to] = b, w.hidden[from]
			b.names[to] = true
		}
	case k < 77:
		if len(w.blocks) == 0 {
			return
		}
		i := w.rnd.IntN(len(w.blocks))
		b := w.blocks[i]
		free := b.b.Free
		if k%2 == 0 {
			free = b.b.FreeNow
		}
		if err := free(); err != nil {
			w.fail("free: %v", err)
		}
		for name := range b.names {
			delete(w.names, name)
		}
		w.blocks[i] = w.blocks[len(w.blocks)-1]
		w.blocks = w.blocks[:len(w.blocks)-1]
		if err := b.b.Free(); !errors.Is(err, ErrFreed) {
			w.fail("second free: %v", err)
		}
		if err := o.Bind("freed", b.b); !errors.Is(err, ErrFreed) {
			w.fail("bind of what is freed: %v", err)
		}
	case k < 80:
		if err := o.Commit(); err != nil {
			w.fail("commit: %v", err)
		}
	case k < 90:
		// What another commit has published meanwhile cannot be known; what it says must be so.
		name := w.name()
		if s, err := o.Lookup(name); err == nil && s.Name != name {
			w.fail("lookup of %s: %v", name, s)
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			w.fail("lookup of %s: %v", name, err)
		}
		if s, err := o.Library().Lookup(name); err == nil && s.Name != name {
			w.fail("lookup of %s in the library: %v", name, s)
		} else if err != nil && !errors.Is(err, weld.ErrNotFound) {
			w.fail("lookup of %s in the library: %v", name, err)
		}
	default:
		b := w.block()
		if b == nil {
			return
		}
		if s, ok := o.FindAddr(b.b.Addr() + 3); ok && s.Addr != b.b.Addr() {
			w.fail("at %#x is %v", b.b.Addr(), s)
		}
		if at, ok := weld.FindAddr(b.b.Addr() + 3); !ok || at.Library != o.Library() {
			w.fail("at %#x is %v", b.b.Addr(), at)
		}
	}
}
