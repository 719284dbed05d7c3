package live

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weld"
	image "weld/image/elf"
	"weld/internal/testenv"
	"weld/native"
)

// TestAtOnce has readers see all of a commit or nothing: the two names of each pair are bound and unbound together, and the
// names of a generation replace all those of the one before.
func TestAtOnce(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "code", returns(1))
	c := emit(t, o, "other", returns(2))
	check(t, o.Bind("first", b))
	check(t, o.Bind("second", b))
	check(t, o.Commit())
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for !stop.Load() {
				seq := o.Seq()
				x, err1 := o.Lookup("first")
				y, err2 := o.Lookup("second")
				if err1 != nil || err2 != nil {
					t.Errorf("%v, %v", err1, err2)
					return
				}
				if o.Seq() == seq && x.Addr != y.Addr {
					t.Errorf("commit %d: %#x and %#x", seq, x.Addr, y.Addr)
					return
				}
				if s, ok := o.FindAddr(b.Addr() + 1); !ok || s.Block != b {
					t.Errorf("%v", s)
					return
				}
				n := 0
				for s := range o.Symbols() {
					if strings.HasPrefix(s.Name, "pair") {
						n++
					}
				}
			}
		})
	}
	n := 3000
	if testing.Short() || testenv.Race {
		n = 600
	}
	for i := range n {
		to := b
		if i%2 == 0 {
			to = c
		}
		check(t, o.Bind("first", to, Replace))
		check(t, o.Bind("second", to, Replace))
		check(t, o.Bind(fmt.Sprintf("pair%d", i), to))
		if i > 10 {
			check(t, o.Unbind(fmt.Sprintf("pair%d", i-10)))
		}
		check(t, o.Commit())
	}
	stop.Store(true)
	wg.Wait()
	verify(t, o)
}

// TestVersionsMeanwhile looks a version up while versions of the same name come.
func TestVersionsMeanwhile(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "f", returns(1), Version("V"))
	check(t, o.Commit())
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				if s, err := o.LookupVersion("f", "none"); err == nil {
					t.Errorf("%v", s)
					return
				}
			}
		})
	}
	n := 2000
	if testenv.Race {
		n = 500
	}
	for i := range n {
		check(t, o.Bind("f", b, OldVersion(fmt.Sprint("W", i))))
	}
	stop.Store(true)
	wg.Wait()
}

// TestReaders has others read the tables in memory while they change, by what the object says at the moment: a name that
// stays bound is always found, by DT_GNU_HASH or DT_HASH, and a function's frame.
func TestReaders(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "stays", returns(1))
	check(t, o.Commit())
	var stop atomic.Bool
	var wg sync.WaitGroup
	h := image.Hash("stays")
	wg.Go(func() {
		for !stop.Load() {
			start := time.Now()
			o.mu.Lock()
			at, n := o.program()
			dynamic := o.dynamic()
			o.mu.Unlock()
			progs := make([]image.Prog, 0, n)
			for i := range n {
				p := native.Bytes(at+uintptr(i)*phdrSize, phdrSize)
				progs = append(progs, image.Prog{
					Type: image.ProgType(le.Uint32(p)), Flags: image.ProgFlag(le.Uint32(p[4:])), Off: le.Uint64(p[8:]),
					Vaddr: le.Uint64(p[16:]), Filesz: le.Uint64(p[32:]), Memsz: le.Uint64(p[40:]), Align: le.Uint64(p[48:]),
				})
				if p := &progs[i]; p.Type == image.PT_DYNAMIC {
					p.Vaddr, p.Filesz = uint64(dynamic-o.Base()), 16*16
					p.Memsz = p.Filesz
				}
			}
			err := func() error {
				f, err := image.NewLoaded("test", native.Bytes(o.Base(), o.Size()), progs, image.LoadedOptions{})
				if err != nil {
					return err
				}
				for range 50 {
					if _, s, ok := f.Lookup(&h, nil); !ok || uintptr(s.Value) != b.Addr()-o.Base() {
						return fmt.Errorf("%v, %v", s, ok)
					}
				}
				if e, err := f.ParseEhFrameHdr(); err != nil || !e.HasTable() {
					return fmt.Errorf("%v, %v", e, err)
				}
				return nil
			}()
			if d := time.Since(start); err != nil && d <= retirement { // tables are not kept longer
				t.Errorf("after %v: %v", d, err)
				return
			}
		}
	})
	n := 3000
	if testing.Short() {
		n = 600
	}
	var blocks []*Block
	for i := range n {
		blocks = append(blocks, emit(t, o, fmt.Sprintf("name%d", i), returns(uint32(i))))
		if i%50 == 49 {
			check(t, blocks[i-30].FreeNow())
		}
		check(t, o.Commit())
	}
	stop.Store(true)
	wg.Wait()
}

// TestOldTables has the tables of some commits stay for longer than the retirement, as readers may be held up, and those of many go
// after it.
func TestOldTables(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "stays", returns(1))
	check(t, o.Commit())
	old := o.dyn.hash
	text := slices.Clone(o.bytes(old.off, old.size))
	for i := range 20 {
		check(t, o.Bind(fmt.Sprint("name", i), b))
		check(t, o.Commit())
		time.Sleep(2 * retirement / 20)
	}
	if !bytes.Equal(text, o.bytes(old.off, old.size)) {
		t.Error("the space of a table was used again")
	}
	for i := 0; o.oldSize <= maxRetired; i++ {
		check(t, o.Bind(fmt.Sprint("more", i%500), b, Replace))
		o.dyn.resort = true
		check(t, o.Commit())
	}
	time.Sleep(retirement)
	check(t, o.Commit())
	if o.oldSize > maxRetired || o.oldSize == 0 {
		t.Errorf("%d bytes of old tables are kept", o.oldSize)
	}
}

// TestWholeFile has another program's reader open the file while it grows.
func TestWholeFile(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "stays", returns(1))
	check(t, o.Commit())
	for i := range 300 {
		check(t, o.Bind(fmt.Sprintf("name%d", i), b))
		check(t, o.Commit())
		if i%29 != 0 {
			continue
		}
		f, err := elf.Open(o.Path())
		check(t, err)
		syms, err := f.DynamicSymbols()
		check(t, err)
		if len(syms) != i+2 {
			t.Errorf("%d symbols, wanted %d", len(syms), i+2)
		}
		if id := f.Section(".note.gnu.build-id"); id == nil {
			t.Error("no build-id")
		} else if d, err := id.Data(); err != nil || le.Uint32(d[len(d)-4:]) != uint32(o.Seq()) {
			t.Errorf("the build-id does not change: %x, %v", d, err)
		}
		f.Close()
	}
}

// TestCloseMeanwhile closes objects while others do all that can be done with them: that fails with ErrClosed from then on.
func TestCloseMeanwhile(t *testing.T) {
	for range 50 {
		o := newObject(t, Options{Memory: true})
		b := emit(t, o, "stays", returns(1))
		check(t, o.Commit())
		pc := b.Addr()
		var wg sync.WaitGroup
		started := make(chan bool, 5)
		until := func(name string, f func(i int) error) {
			wg.Go(func() {
				for i := 0; ; i++ {
					runtime.Gosched()
					err := f(i)
					if i == 0 {
						started <- true
					}
					if errors.Is(err, ErrClosed) || err == errGone {
						return
					} else if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			})
		}
		until("commit", func(i int) error {
			c, err := o.Alloc(20, 0, Kind(i%4))
			if err == nil {
				err = cmp.Or(c.Write(0, []byte{1}), o.Bind(fmt.Sprint("n", i), c, Version("V")), o.Commit(), o.Unbind(fmt.Sprint("n", i)), c.Free())
			}
			return err
		})
		until("lookup", func(int) error {
			o.Usage()
			o.Waits()
			for range o.Symbols() {
			}
			_, err := o.Lookup("stays")
			return err
		})
		until("address", func(int) error {
			if s, ok := o.FindAddr(pc); !ok || s.Addr != pc {
				return errGone
			}
			return nil
		})
		until("library", func(int) error {
			if _, err := o.Library().Lookup("stays"); err != nil && !errors.Is(err, weld.ErrClosed) {
				return err
			} else if err != nil {
				return errGone
			}
			return nil
		})
		until("any address", func(int) error {
			if at, ok := weld.FindAddr(pc); !ok || at.Library != o.Library() {
				return errGone
			}
			return nil
		})
		for range cap(started) {
			<-started
		}
		check(t, o.Close())
		wg.Wait()
	}
}

var errGone = errors.New("it is not there")

// Where the tables are. The object is locked.
func (o *Object) program() (addr uintptr, n int) {
	return o.base + uintptr(o.heads.phdrs.off), len(o.heads.progs)
}
func (o *Object) dynamic() uintptr { return o.base + uintptr(o.dyn.dynamic.off) }
