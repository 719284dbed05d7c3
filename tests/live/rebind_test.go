package live_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"weld"
	"weld/internal/testenv"
	"weld/live"
	"weld/native"
)

// Whoever calls a function by its name gets the new one once it is replaced: by the PLT, by words in RELRO, by pointers in data,
// by imports of other objects, by funcs of Go's, with interpositions or without.
func TestRebind(t *testing.T) {
	for _, flags := range [][]string{{"-O1"}, {"-O1", "-fno-plt", "-Wl,-z,now", "-Wl,-z,relro"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			d := testenv.NewDir(t)
			path := d.Shared("liblook.so", append([]string{"look.c"}, flags...)...)
			o, gen := generated(t, nil)
			lib := open(t, nil, path)
			other := newObject(t, nil, live.Options{})
			m, err := other.Import("gen")
			check(t, err)
			b, err := other.Alloc(11, 16, live.Text)
			check(t, err)
			check(t, b.Write(0, calls(b.Addr(), m.PLT())))
			check(t, other.Bind("call_gen", b))
			check(t, other.Commit())

			all := map[string]func() int32{
				"lib":     function[func() int32](t, lib, "call_gen"),
				"pointer": function[func() int32](t, lib, "call_pointer"),
				"other":   function[func() int32](t, other.Library(), "call_gen"),
				"func":    function[func() int32](t, o.Library(), "gen"),
				"leaf":    function[func() int32](t, o.Library(), "gen", weld.Leaf),
			}
			expect := func(n int32) {
				t.Helper()
				for name, f := range all {
					want := n
					if name == "lib" || name == "pointer" {
						want++
					}
					same(t, name, f(), want)
				}
			}
			expect(41)
			old := gen
			check(t, o.Bind("gen", emit(t, o, "second", returns(50)), live.Replace))
			expect(41)
			check(t, o.Commit())
			expect(50)
			same(t, "the old one", native.Call(old.Addr()), 41)

			ip, err := weld.InterposeWith(nil, "gen", func(next func() int32) func() int32 { return func() int32 { return next() + 100 } })
			if err != nil {
				t.Fatal(err)
			}
			check(t, o.Bind("gen", emit(t, o, "third", returns(60)), live.Replace))
			check(t, o.Commit())
			same(t, "interposed", all["lib"](), 161)
			same(t, "interposed, an import", all["other"](), 160)
			check(t, ip.Close())
			expect(60)

			// What is unbound stays where it was for those who are bound, and they follow when it comes back.
			check(t, o.Unbind("gen"))
			check(t, o.Commit())
			expect(60)
			check(t, o.Bind("gen", old))
			check(t, o.Commit())
			expect(41)
			check(t, lib.Close())
			check(t, other.Close())
			check(t, o.Close())
		})
	}
}

// Several goroutines call a function through a library's PLT while it is replaced: nobody is ever led anywhere but to the
// function as it was when the call was made, or a later one.
func TestRebindWhileCalled(t *testing.T) {
	const replaced = 300
	d := testenv.NewDir(t)
	path := d.Shared("liblook.so", "look.c", "-O1")
	second := d.Shared("libsecond.so", "look.c", "-O1", "-fno-plt")
	o := newObject(t, nil, live.Options{Global: true})
	b := emit(t, o, "gen", returns(0))
	check(t, o.Bind("gen_value", emit(t, o, "code", returns(0)), live.Label))
	check(t, o.Commit())
	lib := open(t, nil, path)
	often := function[func(stop *int32, from, to int32, calls *int64) int64](t, lib, "call_often")
	byName := function[func() int32](t, o.Library(), "gen")

	stop := (*int32)(newWord(t))
	var wg sync.WaitGroup
	var total atomic.Int64
	for range 3 {
		wg.Go(func() {
			var calls int64
			same(t, "calls that went elsewhere", often(stop, 0, replaced, &calls), 0)
			total.Add(calls)
		})
	}
	wg.Go(func() {
		last := int32(0)
		for atomic.LoadInt32(stop) == 0 {
			v := byName()
			if v < last || v > replaced {
				t.Errorf("%d after %d", v, last)
			}
			last = v
			total.Add(1)
		}
	})
	wg.Go(func() { // others come and go, and are bound meanwhile
		for atomic.LoadInt32(stop) == 0 {
			l, err := weld.Open(second)
			if err != nil {
				t.Error(err)
				return
			}
			f, err := weld.Func[func() int32](l, "call_gen")
			if err != nil || f() < 1 || f() > replaced+1 {
				t.Errorf("a library that was opened meanwhile: %v", err)
			}
			if s, err := o.Lookup("gen"); err != nil {
				t.Error(err)
			} else if at, ok := weld.FindAddr(s.Addr); !ok || at.Library != o.Library() {
				t.Errorf("%#x is in %+v", s.Addr, at)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range replaced {
		next := emit(t, o, "next", returns(i+1), live.Replace)
		check(t, o.Bind("gen", next, live.Replace))
		check(t, o.Commit())
		check(t, b.Free())
		b = next
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	atomic.StoreInt32(stop, 1)
	wg.Wait()
	same(t, "the last one", byName(), replaced)
	if total.Load() < replaced {
		t.Errorf("only %d calls", total.Load())
	}
	t.Logf("%d calls, %d replacements", total.Load(), replaced)
}

// newWord is a word that both Go and native code use.
func newWord(t *testing.T) unsafe.Pointer {
	o := newObject(t, nil, live.Options{})
	b, err := o.Alloc(8, 8, live.BSS)
	check(t, err)
	check(t, o.Commit())
	return native.Pointer(b.Addr())
}
