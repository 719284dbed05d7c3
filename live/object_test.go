package live

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	image "weld/image/elf"
	"weld/internal/testenv"
	"weld/native"
)

func TestKinds(t *testing.T) {
	o := newObject(t, Options{})
	blocks := map[Kind]*Block{}
	for _, k := range []Kind{ROData, Data, BSS} {
		b, err := o.Alloc(100, 64, k)
		check(t, err)
		blocks[k] = b
		if b.Addr()%64 != 0 || b.Size() != 100 || b.Kind() != k || b.Object() != o {
			t.Errorf("%v: %#x, %d bytes, %v", k, b.Addr(), b.Size(), b.Kind())
		}
		check(t, b.Write(3, []byte{1, 2, byte(k)}))
		at, err := b.At(90)
		check(t, err)
		if len(at) != 10 {
			t.Errorf("%d bytes from 90 on", len(at))
		}
		at[9] = 9
		check(t, o.Bind("v_"+strings.ReplaceAll(k.String(), " ", "_"), b))
	}
	check(t, o.Commit())
	for k, b := range blocks {
		m := native.Bytes(b.Addr(), 100)
		if !bytes.Equal(m[3:6], []byte{1, 2, byte(k)}) || m[99] != 9 || m[0] != 0 {
			t.Errorf("%v: %v", k, m)
		}
	}
	verify(t, o)
	// Data is the process's own; its file has the values that it had at the commit.
	m := native.Bytes(blocks[Data].Addr(), 100)
	m[50] = 77
	check(t, o.Commit())
	if v := o.bytes(blocks[Data].ext.off, 100); v[50] != 0 || v[99] != 9 {
		t.Errorf("in the file: %v", v)
	}
	check(t, blocks[Data].Write(51, []byte{1}))
	check(t, o.Commit())
	if v := o.bytes(blocks[Data].ext.off, 100); v[50] != 77 || v[51] != 1 {
		t.Errorf("in the file, written again: %v", v)
	}
	for _, k := range []Kind{ROData, Data, BSS} {
		b := blocks[k]
		check(t, b.FreeNow())
		check(t, o.Commit())
		c, err := o.Alloc(100, 64, k)
		check(t, err)
		if c.Addr() != b.Addr() {
			t.Errorf("%v: freed space at %#x is not used again, but %#x", k, b.Addr(), c.Addr())
		}
		if m := native.Bytes(c.Addr(), 100); len(bytes.Trim(m, "\x00")) != 0 {
			t.Errorf("%v: used again: %v", k, m)
		}
	}
}

func TestWriteXorExecute(t *testing.T) {
	o := newObject(t, Options{})
	for i := range 1000 {
		emit(t, o, fmt.Sprint("f", i), bytes.Repeat([]byte{0x90}, 300))
	}
	check(t, o.Commit())
	n := 0
	for _, m := range testenv.Maps(t) {
		if !strings.Contains(m.Path, filepath.Base(o.Path())) {
			continue
		}
		n++
		if strings.Contains(m.Perm, "w") && strings.Contains(m.Perm, "x") {
			t.Errorf("%v", m)
		}
		if strings.Contains(m.Perm, "x") && strings.Contains(m.Perm, "s") {
			t.Errorf("text is shared, so no debugger can write to it: %v", m)
		}
	}
	if n == 0 || n > 20 {
		t.Errorf("%d mappings", n)
	}
}

func TestErrors(t *testing.T) {
	o, other := newObject(t, Options{}), newObject(t, Options{})
	b, err := o.Alloc(16, 0, Text)
	check(t, err)
	d, err := o.Alloc(16, 0, Data)
	check(t, err)
	foreign, err := other.Alloc(16, 0, Text)
	check(t, err)
	freed, err := o.Alloc(16, 0, Text)
	check(t, err)
	check(t, freed.Free())
	check(t, o.Bind("bound", b))
	check(t, o.Bind("versioned", b, Version("V1")))
	alloc := func(size, align int, k Kind) error { _, err := o.Alloc(size, align, k); return err }
	at := func(b *Block, off int) error { _, err := b.At(off); return err }
	lookup := func(name string) error { _, err := o.Lookup(name); return err }
	create := func(name string, opt Options) error {
		x, err := New(nil, name, opt)
		if err == nil {
			x.Close()
		}
		return err
	}
	for i, c := range []struct {
		err, want error
	}{
		{alloc(0, 0, Text), ErrRange},
		{alloc(-1, 0, Text), ErrRange},
		{alloc(1, 3, Text), ErrAlign},
		{alloc(1, -8, Text), ErrAlign},
		{alloc(1, 8192, Text), ErrAlign},
		{alloc(1, 1, numKinds), ErrKind},
		{alloc(1, 1, 200), ErrKind},
		{alloc(math.MaxInt, 1, Text), ErrFull},
		{alloc(1<<30, 1, Text), ErrFull},
		{b.Write(0, make([]byte, 17)), ErrRange},
		{b.Write(-1, nil), ErrRange},
		{b.Write(17, nil), ErrRange},
		{at(b, 17), ErrRange},
		{at(b, -1), ErrRange},
		{at(freed, 0), ErrFreed},
		{freed.Write(0, nil), ErrFreed},
		{freed.Free(), ErrFreed},
		{freed.FreeNow(), ErrFreed},
		{o.Bind("", b), ErrName},
		{o.Bind("a\x00b", b), ErrName},
		{o.Bind(strings.Repeat("x", maxName+1), b), ErrName},
		{o.Bind("x", b, Version("a\x00b")), ErrName},
		{o.Bind("x", nil), ErrForeign},
		{o.Bind("x", foreign), ErrForeign},
		{o.Bind("x", freed), ErrFreed},
		{o.Bind("bound", b), ErrBound},
		{o.Bind("versioned", b, Version("V1")), ErrBound},
		{o.Bind("versioned", b, Version("V2")), ErrBound},
		{o.Bind("versioned", b, Version("V3"), Replace), ErrBound},
		{o.Bind("x", b, Size(17)), ErrRange},
		{o.Bind("x", b, Size(-1)), ErrRange},
		{o.Bind("x", b, Offset(-1)), ErrRange},
		{o.Bind("x", b, Offset(17)), ErrRange},
		{o.Bind("x", b, Offset(8), Size(9)), ErrRange},
		{o.Bind("x", d, Function), ErrKind},
		{o.Bind("x", d, Lines(Line{0, "f", 1, 0})), ErrLines},
		{o.Bind("x", b, Lines(Line{0, "", 1, 0})), ErrLines},
		{o.Bind("x", b, Lines(Line{16, "f", 1, 0})), ErrLines},
		{o.Bind("x", b, Lines(Line{0, "f\x00", 1, 0})), ErrLines},
		{o.Bind("x", b, Lines(Line{0, "f", -1, 0})), ErrLines},
		{o.Bind("x", b, Lines(Line{1, "f", 1, 0}, Line{1, "f", 2, 0})), ErrLines},
		{o.Bind("x", b, Frame(Steps(Row{At: 16, CFA: RSP, Add: 8}))), ErrUnwind},
		{o.Bind("x", b, Frame(Steps(Row{At: 1, CFA: 99, Add: 8}))), ErrUnwind},
		{o.Bind("x", b, Frame(Steps(Row{At: 1, CFA: RBP, Add: 8, Saved: []Saved{{RBX, -3}}}))), ErrUnwind},
		{o.Bind("x", b, Frame(Steps(Row{At: 1, CFA: RBP}, Row{At: 1, CFA: RBP}))), ErrUnwind},
		{o.Unbind("x"), ErrNotFound},
		{o.Unbind("bound", Version("V1")), ErrNotFound},
		{o.Rename("x", "y"), ErrNotFound},
		{o.Rename("bound", ""), ErrName},
		{lookup("bound"), ErrNotFound}, // not committed
		{lookup("x"), ErrNotFound},
		{create("", Options{}), ErrName},
		{create("a\x00", Options{}), ErrName},
		{create("a", Options{Text: -1}), ErrRange},
		{create("a", Options{Text: 1 << 31}), ErrRange},
		{create("a", Options{Symbols: 1 << 30}), ErrRange},
		{create("a", Options{Text: 1, ROData: 1, Data: 1, BSS: 1<<31 - 1<<20, Symbols: 1 << 20}), ErrRange},
		{create("a", Options{Folder: "/nonexistent/folder"}), ErrFolder},
		{create("a", Options{Folder: "/dev/null"}), ErrFolder},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%d: %v, wanted %v", i, c.err, c.want)
			continue
		}
		var e *Error
		if !errors.As(c.err, &e) || e.Op == "" || !strings.HasPrefix(c.err.Error(), "live: "+e.Op) {
			t.Errorf("%d: %#v", i, c.err)
		}
	}
	check(t, o.Commit())
	verify(t, o)
	if list := *o.versionList.Load(); len(list) != 1 {
		t.Errorf("versions that nothing was bound with are there: %q", list)
	}
	check(t, o.Close())
	if w := o.Waits(); w != (Waits{}) {
		t.Errorf("closed, waits for %+v", w)
	}
	for i, err := range []error{
		alloc(1, 0, Text), b.Write(0, nil), at(b, 0), b.Free(), o.Bind("x", b), o.Unbind("bound"), o.Rename("bound", "x"),
		o.Commit(), o.Quiesce(), o.Close(), lookup("bound"), lookup("nothing"), o.Save("/nonexistent"),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("closed, %d: %v", i, err)
		}
	}
	if _, ok := o.FindAddr(b.Addr()); ok {
		t.Error("an address is found in what is closed")
	}
	for s := range o.Symbols() {
		t.Errorf("%v in what is closed", s)
	}
}

// TestGrace has freed space used again when it may be, not before.
func TestGrace(t *testing.T) {
	allow := uint64(0)
	for _, how := range []string{"Quiesce", "MayReuse", "FreeNow"} {
		opt := Options{}
		if how == "MayReuse" {
			opt.MayReuse = func(seq uint64) bool { return seq <= allow }
		}
		o := newObject(t, opt)
		b := emit(t, o, "f", returns(1))
		check(t, o.Commit())
		free := b.Free
		if how == "FreeNow" {
			free = b.FreeNow
		}
		check(t, free())
		again := func() bool {
			c, err := o.Alloc(b.Size(), 16, Text)
			check(t, err)
			return c.Addr() == b.Addr()
		}
		if again() {
			t.Errorf("%s: used again before the commit", how)
		}
		if s, ok := o.FindAddr(b.Addr()); !ok || s.Name != "f" {
			t.Errorf("%s: before the commit: %v", how, s)
		}
		check(t, o.Commit())
		if how != "FreeNow" {
			if again() {
				t.Errorf("%s: used again after the commit", how)
			}
			if n := native.Call(b.Addr()); n != 1 {
				t.Errorf("%s: it returns %d", how, n)
			}
			if u := o.Usage(); u.Waiting != 1 {
				t.Errorf("%s: %d blocks wait", how, u.Waiting)
			}
			if how == "Quiesce" {
				check(t, o.Quiesce())
			} else {
				allow = o.Seq()
				check(t, o.Commit())
			}
		}
		if !again() {
			t.Errorf("%s: not used again", how)
		}
	}
}

func TestNames(t *testing.T) {
	o := newObject(t, Options{})
	code := bytes.Repeat(returns(1), 4)
	b := emit(t, o, "whole", code)
	check(t, o.Bind("alias", b))
	check(t, o.Bind("inner", b, Offset(len(returns(1))), Size(len(returns(1)))))
	check(t, o.Bind("hidden", b, Hidden, Label))
	check(t, o.Bind("protected", b, Protected, Weak, Variable))
	check(t, o.Bind("old", b, OldVersion("V1")))
	check(t, o.Bind("old", b, Offset(1), Version("V2")))
	check(t, o.Bind("plain", b))
	check(t, o.Bind("plain", b, Offset(2), OldVersion("V1")))
	check(t, o.Commit())
	verify(t, o)
	readelf(t, o)
	at := func(name, version string) int {
		s, err := o.LookupVersion(name, version)
		if err != nil {
			return -1
		}
		return int(s.Addr - b.Addr())
	}
	for _, c := range []struct {
		name, version string
		want          int
	}{
		{"whole", "", 0}, {"inner", "", 11}, {"old", "", 1}, {"old", "V2", 1}, {"old", "V1", 0}, {"old", "V3", -1},
		{"plain", "", 0}, {"plain", "V1", 2}, {"plain", "V2", -1}, {"hidden", "", 0}, {"nothing", "", -1},
	} {
		if got := at(c.name, c.version); got != c.want {
			t.Errorf("%s@%s is at %d, wanted %d", c.name, c.version, got, c.want)
		}
	}
	if s, _ := o.FindAddr(b.Addr() + 12); s.Name != "inner" {
		t.Errorf("the innermost is %v", s)
	}
	if s, ok := o.FindAddr(b.Addr() + 30); !ok || s.Size != uintptr(len(code)) && s.Name != "old" && s.Name != "plain" {
		t.Errorf("behind the inner: %v", s)
	}
	// A label at the end of a block is not what begins there.
	end, next := emit(t, o, "ends", make([]byte, 32)), emit(t, o, "next", returns(1))
	check(t, o.Bind("label", end, Offset(32), Size(0)))
	check(t, o.Commit())
	if s, _ := o.FindAddr(next.Addr()); s.Name != "next" || next.Addr() != end.Addr()+32 {
		t.Errorf("at the end of a block: %v", s)
	}
	check(t, end.FreeNow())
	check(t, next.FreeNow())
	check(t, o.Commit())
	if _, ok := o.FindAddr(b.Addr() + uintptr(len(code)) + 16); ok {
		t.Error("behind the block there is something")
	}

	// Nothing changes until it is committed, and then all.
	check(t, o.Unbind("old", Version("V1")))
	check(t, o.Rename("plain", "renamed"))
	check(t, o.Bind("whole", b, Offset(3), Replace))
	check(t, o.Unbind("alias"))
	check(t, o.Bind("alias", b, Offset(5)))
	if at("old", "V1") != 0 || at("plain", "") != 0 || at("whole", "") != 0 || at("renamed", "") != -1 {
		t.Error("a change is seen before the commit")
	}
	check(t, o.Commit())
	if at("old", "V1") != -1 || at("plain", "") != -1 || at("plain", "V1") != 2 || at("whole", "") != 3 || at("renamed", "") != 0 || at("alias", "") != 5 {
		t.Error("a change is not seen after the commit")
	}
	verify(t, o)
	// A version's default may change hands.
	check(t, o.Bind("old", b, Offset(1), OldVersion("V2"), Replace))
	check(t, o.Bind("old", b, Offset(7), Version("V3")))
	check(t, o.Rename("whole", "inner", Replace))
	check(t, o.Commit())
	if at("old", "") != 7 || at("old", "V2") != 1 || at("inner", "") != 3 || at("whole", "") != -1 {
		t.Error("wrong after a change of versions")
	}
	verify(t, o)
	readelf(t, o)
	var names []string
	for s := range o.Symbols() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "alias hidden inner old old plain protected renamed" {
		t.Error(got)
	}
	if s, _ := o.Lookup("protected"); s.Visibility != image.STV_PROTECTED || s.Type != image.STT_OBJECT {
		t.Errorf("%v", s)
	}
}

func TestNear(t *testing.T) {
	a := newObject(t, Options{})
	for _, near := range []uintptr{a.Base(), 0x400000, 1 << 32, 1<<47 - 4096} {
		o := newObject(t, Options{Near: near})
		if lo, hi := o.Base(), o.Base()+o.Size(); int64(lo)-int64(near) < -1<<31 || int64(hi)-int64(near) > 1<<31 {
			t.Errorf("near %#x is %#x to %#x", near, lo, hi)
		}
		emit(t, o, "f", returns(5))
		check(t, o.Commit())
		if s, _ := o.Lookup("f"); native.Call(s.Addr) != 5 {
			t.Error("it does not return 5")
		}
	}
}

// TestRoom fills an object.
func TestRoom(t *testing.T) {
	o := newObject(t, Options{Text: 1 << 20, ROData: 4096, Data: 4096, BSS: 4096, Symbols: 2000})
	var blocks []*Block
	for {
		b, err := o.Alloc(1000, 16, Text)
		if errors.Is(err, ErrFull) {
			break
		}
		check(t, err)
		blocks = append(blocks, b)
	}
	if n := len(blocks); n != 1<<20/1008 {
		t.Errorf("%d blocks", n)
	}
	for i := 0; i < len(blocks); i += 2 {
		check(t, blocks[i].FreeNow())
	}
	check(t, o.Commit())
	for range len(blocks) / 2 {
		_, err := o.Alloc(1000, 16, Text)
		check(t, err)
	}
	// Names until there is no room, and what has been committed stays.
	n, committed := 0, 0
	var err error
	for err == nil && n < 1<<20 {
		check(t, o.Bind(fmt.Sprintf("a_rather_long_name_of_a_symbol_%d", n), blocks[1]))
		if n++; n%500 == 0 {
			if err = o.Commit(); err == nil {
				committed = n
			}
		}
	}
	if !errors.Is(err, ErrFull) || committed < 1000 {
		t.Fatalf("%d symbols: %v", committed, err)
	}
	if u := o.Usage(); u.Symbols != committed {
		t.Errorf("%d symbols, wanted %d", u.Symbols, committed)
	}
	verify(t, o)
	for i := committed; i < n; i++ {
		check(t, o.Unbind(fmt.Sprintf("a_rather_long_name_of_a_symbol_%d", i)))
	}
	check(t, o.Commit())
	verify(t, o)
}

// TestAllocations binds many names: what is kept of them comes from slabs, and a name has no allocation of its own.
func TestAllocations(t *testing.T) {
	o := newObject(t, Options{Memory: true})
	b, err := o.Alloc(64, 16, ROData)
	check(t, err)
	names := make([]string, 2000)
	for i := range names {
		names[i] = fmt.Sprint("name_", i)
	}
	n := testing.AllocsPerRun(1, func() {
		for _, name := range names {
			check(t, o.Bind(name, b, Replace))
		}
		check(t, o.Commit())
	})
	if n > float64(len(names))/4 {
		t.Errorf("%v allocations for %d names", n, len(names))
	}
}
