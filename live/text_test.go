package live

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"weld/native"
)

// poke writes to memory as a debugger does.
func poke(t testing.TB, addr uintptr, data ...byte) {
	t.Helper()
	f, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	_, err = f.WriteAt(data, int64(addr))
	check(t, err)
}

// TestBreakpoint has a breakpoint in code, which makes the page the process's own, while code is added beside it.
func TestBreakpoint(t *testing.T) {
	for _, memory := range []bool{false, true} {
		o := newObject(t, Options{Memory: memory})
		a := emit(t, o, "a", returns(1))
		check(t, o.Commit())
		poke(t, a.Addr(), int3)
		b := emit(t, o, "b", returns(2))
		if native.Bytes(b.Addr(), 1)[0] == 0x55 {
			t.Error("code is there before the commit: the page is not a private copy, so this tests nothing")
		}
		check(t, o.Commit())
		if n := native.Call(b.Addr()); n != 2 {
			t.Errorf("beside the breakpoint: %d", n)
		}
		if c := native.Bytes(a.Addr(), 1)[0]; c != int3 {
			t.Errorf("the breakpoint is gone: %#x", c)
		}
		if c := o.bytes(a.ext.off, 1)[0]; c != 0x55 {
			t.Errorf("in the file there is %#x", c)
		}
		// It is taken away, and the code replaced in place.
		poke(t, a.Addr(), 0x55)
		if n := native.Call(a.Addr()); n != 1 {
			t.Errorf("after the breakpoint: %d", n)
		}
		poke(t, b.Addr()+1, int3)
		check(t, a.Write(0, returns(3)))
		check(t, o.Commit())
		if n := native.Call(a.Addr()); n != 3 {
			t.Errorf("written again: %d", n)
		}
		if c := native.Bytes(b.Addr()+1, 1)[0]; c != int3 {
			t.Errorf("the second breakpoint is gone: %#x", c)
		}
		poke(t, b.Addr()+1, 0x48)
		// Space is used again on such a page.
		check(t, a.FreeNow())
		check(t, o.Commit())
		c := emit(t, o, "c", returns(4))
		if c.Addr() != a.Addr() {
			t.Error("the space is not used again")
		}
		check(t, o.Commit())
		if n := native.Call(c.Addr()); n != 4 {
			t.Errorf("used again: %d", n)
		}
		verify(t, o)
	}
}

// TestAt has what is written to the slice of At after a commit, as another thread's may be, be there once the block is bound.
func TestAt(t *testing.T) {
	o := newObject(t, Options{})
	a := emit(t, o, "a", returns(1))
	check(t, o.Commit())
	poke(t, a.Addr(), int3)
	for _, k := range []Kind{Text, Data} {
		b, err := o.Alloc(len(returns(2)), 16, k)
		check(t, err)
		s, err := b.At(0)
		check(t, err)
		check(t, o.Commit())
		copy(s, returns(2))
		check(t, o.Bind("b", b, Replace))
		check(t, o.Commit())
		if m := native.Bytes(b.Addr(), uintptr(b.size)); !bytes.HasPrefix(m, returns(2)) {
			t.Errorf("%v: in memory %x", k, m)
		}
		if m := o.bytes(b.ext.off, b.size); !bytes.Equal(m, returns(2)) {
			t.Errorf("%v: in the file %x", k, m)
		}
	}
}

// TestRemap is for kernels that let nobody write to /proc/self/mem.
func TestRemap(t *testing.T) {
	memPath = "/nonexistent"
	defer func() { memPath = selfMem }()
	o := newObject(t, Options{})
	a := emit(t, o, "a", returns(1))
	check(t, o.Commit())
	poke(t, a.Addr()+100, int3)
	b := emit(t, o, "b", returns(2))
	check(t, o.Commit())
	if n := native.Call(b.Addr()); n != 2 {
		t.Errorf("%d", n)
	}
	if n := native.Call(a.Addr()); n != 1 {
		t.Errorf("%d", n)
	}
	// Two blocks beside each other that are not beside each other in the file.
	first := o.regions[Text].chunks[0]
	c, err := o.Alloc(int(first.at+first.size-pageUp(o.regions[Text].top())), page, Text)
	check(t, err)
	_, err = o.Alloc(1<<20, 0, Data)
	check(t, err)
	d, err := o.Alloc(int(first.size), page, Text)
	check(t, err)
	if c.ext.off+c.ext.size != d.ext.off || c.ext.chunk == d.ext.chunk {
		t.Fatalf("%#x+%#x in %p, %#x in %p", c.ext.off, c.ext.size, c.ext.chunk, d.ext.off, d.ext.chunk)
	}
	check(t, o.Commit())
	poke(t, d.Addr(), int3)
	for _, b := range []*Block{c, d} {
		check(t, b.Write(0, bytes.Repeat(returns(5), b.Size()/11)))
		at, err := b.At(0)
		check(t, err)
		at[len(at)-1] = 7
	}
	check(t, o.Commit())
	for _, b := range []*Block{c, d} {
		if !bytes.Equal(o.view(b.ext.off, b.size), o.bytes(b.ext.off, b.size)) {
			t.Errorf("at %#x: not what was written", b.Addr())
		}
	}
}

// TestRewrite has code replaced in place while it runs in other threads: each call gives an old or the new number.
func TestRewrite(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "f", returns(0))
	check(t, o.Commit())
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		last := uintptr(0)
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			n := native.Call(b.Addr())
			if n < last || n > 200 {
				done <- fmt.Errorf("%d after %d", n, last)
				return
			}
			last = n
		}
	}()
	for i := range 200 {
		check(t, b.Write(5, returns(uint32(i))[5:6]))
		check(t, o.Commit())
	}
	close(stop)
	check(t, <-done)
}

// TestFrames checks descriptions by what readelf makes of them.
func TestFrames(t *testing.T) {
	o := newObject(t, Options{})
	standard := returns(1)
	endbr := append([]byte(endbr64), standard...)
	leaf := []byte{0xb8, 1, 0, 0, 0, 0xc3}
	leave := append(bytes.Clone(standard[:9]), leaveRet...)
	long := append(append(bytes.Clone(standard[:4]), bytes.Repeat([]byte{0x90}, 1<<17)...), popRbpRet...)
	emit(t, o, "standard", standard)
	emit(t, o, "endbr", endbr)
	emit(t, o, "leaf", leaf)
	emit(t, o, "leave", leave)
	emit(t, o, "long", long)
	emit(t, o, "forced", append([]byte{0x41, 0x55}, standard...), Frame(FramePointer))
	emit(t, o, "none", standard, Frame(NoFrame))
	emit(t, o, "raw", standard, Frame(CFI([]byte{cfaAdvance | 2, cfaDefCFAOffset, 24})))
	emit(t, o, "rows", bytes.Repeat([]byte{0x90}, 300), Frame(Steps(
		Row{At: 2, CFA: RSP, Add: 16, Saved: []Saved{{RBX, -16}}},
		Row{At: 6, CFA: RSP, Add: 160, Saved: []Saved{{RBX, -16}, {R15, -32}}},
		Row{At: 299, CFA: RSP, Add: 8})))
	nest := emit(t, o, "nest", append(append(bytes.Clone(standard), standard...), standard...))
	check(t, o.Bind("nested", nest, Offset(4), Size(5)))
	check(t, o.Commit())
	verify(t, o)
	rows := framesOf(t, o)
	for name, want := range map[string]string{
		"standard": "0:rsp+8 1:rsp+16,rbp=c-16 4:rbp+16,rbp=c-16 10:rsp+8",
		"endbr":    "0:rsp+8 5:rsp+16,rbp=c-16 8:rbp+16,rbp=c-16 14:rsp+8",
		"leaf":     "0:rsp+8",
		"leave":    "0:rsp+8 1:rsp+16,rbp=c-16 4:rbp+16,rbp=c-16 10:rsp+8",
		"long":     fmt.Sprintf("0:rsp+8 1:rsp+16,rbp=c-16 4:rbp+16,rbp=c-16 %d:rsp+8", len(long)-1),
		"forced":   "0:rsp+8 1:rsp+16,rbp=c-16 4:rbp+16,rbp=c-16 12:rsp+8",
		"none":     "0:rsp+8",
		"raw":      "0:rsp+8 2:rsp+24",
		"rows":     "0:rsp+8 2:rsp+16,rbx=c-16 6:rsp+160,rbx=c-16,r15=c-32 299:rsp+8",
	} {
		if rows[name] != want {
			t.Errorf("%s:\n got %s\nwant %s", name, rows[name], want)
		}
	}
	// In pieces: up to the inner one, that, and the rest as the outer one has it there.
	if got := rows["nest"]; got != "0:rsp+8 1:rsp+16,rbp=c-16 4:rbp+16,rbp=c-16 32:rsp+8" {
		t.Errorf("nest: %s", got)
	}
	if got := rows["nested"]; got != "0:rsp+8" {
		t.Errorf("nested: %s", got)
	}
	if got := rows[fmt.Sprintf("%#x", nest.Addr()-o.Base()+9)]; got != "0:rbp+16,rbp=c-16 23:rsp+8" {
		t.Errorf("the rest of nest: %s", got)
	}

	// Code that is written again is described again.
	for s := range o.Symbols() {
		if s.Name == "leaf" {
			check(t, s.Block.Write(0, []byte{0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3}))
		}
	}
	check(t, o.Commit())
	verify(t, o)
	if got := framesOf(t, o)["leaf"]; got != "0:rsp+8 1:rsp+16,rbp=c-16 4:rbp+16,rbp=c-16 5:rsp+8" {
		t.Errorf("written again: %s", got)
	}
	check(t, nest.FreeNow())
	check(t, o.Commit())
	verify(t, o)
	if got := framesOf(t, o)["nested"]; got != "" {
		t.Errorf("freed: %s", got)
	}
}

// TestFramesReused has a function begin in another where there are rows of what was there before.
func TestFramesReused(t *testing.T) {
	o := newObject(t, Options{})
	emit(t, o, "before", returns(1))
	for range 2 {
		b, err := o.Alloc(64, 64, Text)
		check(t, err)
		check(t, o.Bind("inner", b, Offset(10), Size(16), Replace))
		check(t, o.Commit())
		check(t, o.Bind("outer", b, Replace))
		check(t, o.Commit())
		verify(t, o)
		check(t, b.FreeNow())
		check(t, o.Commit())
		c, err := o.Alloc(64, 64, Text)
		check(t, err)
		if c.Addr() != b.Addr() {
			t.Error("the space is not used again")
		}
		check(t, o.Bind("last", c, Offset(8), Size(16), Replace))
		check(t, o.Commit())
		check(t, c.FreeNow())
		check(t, o.Commit())
	}
}

// TestFramesLeftBehind has .eh_frame made anew by the commit that takes most descriptions away: those are not to be counted as
// part of the new one.
func TestFramesLeftBehind(t *testing.T) {
	o := newObject(t, Options{})
	const n, size = 2000, 16
	b, err := o.Alloc(n*size, 16, Text)
	check(t, err)
	for i := range n {
		check(t, b.Write(i*size, returns(uint32(i))))
		check(t, o.Bind(fmt.Sprint("part", i), b, Offset(i*size), Size(size)))
	}
	check(t, o.Commit())
	check(t, o.Bind("whole", b, Frame(CFI(make([]byte, 60000)))))
	check(t, o.Commit())
	if o.eh.dead > o.eh.used {
		t.Errorf("%d of %d bytes are of no use", o.eh.dead, o.eh.used)
	}
	emit(t, o, "other", returns(1))
	check(t, o.Commit())
	verify(t, o)
}
