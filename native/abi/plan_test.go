package abi

import (
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"structs"
	"syscall"
	"testing"
	"unsafe"

	"weld/native/abi/internal/abitest"
)

func mustNew(t testing.TB, fn any, dir Direction) *Plan {
	t.Helper()
	p, err := New(reflect.TypeOf(fn), dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOffsets checks the layout that assembly relies on.
func TestOffsets(t *testing.T) {
	for _, x := range []struct {
		name      string
		got, want uintptr
	}{
		{"GoFrame.Int", unsafe.Offsetof(GoFrame{}.Int), 0},
		{"GoFrame.Float", unsafe.Offsetof(GoFrame{}.Float), 72},
		{"GoFrame.Stack", unsafe.Offsetof(GoFrame{}.Stack), 192},
		{"GoFrame", unsafe.Sizeof(GoFrame{}), 200},
		{"CFrame.Int", unsafe.Offsetof(CFrame{}.Int), 0},
		{"CFrame.Float", unsafe.Offsetof(CFrame{}.Float), 48},
		{"CFrame.NFloat", unsafe.Offsetof(CFrame{}.NFloat), 112},
		{"CFrame.NStack", unsafe.Offsetof(CFrame{}.NStack), 120},
		{"CFrame.Stack", unsafe.Offsetof(CFrame{}.Stack), 128},
		{"CFrame.Ret", unsafe.Offsetof(CFrame{}.Ret), 136},
		{"CFrame.FRet", unsafe.Offsetof(CFrame{}.FRet), 152},
		{"CFrame.SRet", unsafe.Offsetof(CFrame{}.SRet), 168},
		{"CFrame", unsafe.Sizeof(CFrame{}), 176},
	} {
		if x.got != x.want {
			t.Errorf("%s: %d, want %d", x.name, x.got, x.want)
		}
	}
}

func TestDirect(t *testing.T) {
	type errno = syscall.Errno
	type word struct{ A int64 }
	yes := []any{
		func() {}, func() errno { return 0 },
		func(int32, *byte, uintptr, unsafe.Pointer, uint32, int) uint8 { return 0 },
		func(float64, int, float32, int, float64, float64, float64, float64, float64, int, float64) float32 {
			return 0
		},
		func(int64) (bool, errno) { return false, 0 }, func(*int, struct{}) *int { return nil },
		func([]byte) int16 { return 0 }, func(int, []byte) {},
		func(complex128) {}, func(struct {
			a int
			b float64
		}) {
		},
	}
	no := []any{
		func(int8) {}, func(uint16) {}, func(bool) {}, func(string) {}, func([]byte, int) {}, func(*fixedAddr) {},
		func(complex64) {}, func(...any) {}, func() string { return "" }, func() complex64 { return 0 },
		func() word { return word{} }, func(int, int, int, int, int, int, int) {},
		func(_, _, _, _, _, _, _, _, _ float64) {}, func() [0]int8 { return [0]int8{} },
		func(struct{ a, b int32 }) {},
	}
	for _, fn := range yes {
		if p := mustNew(t, fn, Call); !p.Direct {
			t.Errorf("%T: not direct", fn)
		}
	}
	for _, fn := range no {
		if p, err := New(reflect.TypeOf(fn), Call); err == nil && p.Direct {
			t.Errorf("%T: direct", fn)
		}
	}
	if p := mustNew(t, func() uint8 { return 0 }, Callback); p.Direct {
		t.Errorf("narrow result of a callback: direct")
	}
	if p := mustNew(t, func(int32, float32) int32 { return 0 }, Callback); !p.Direct || p.NInt != 1 || p.NFloat != 1 {
		t.Errorf("callback: %+v", p)
	}
}

// TestExtension checks that narrow arguments and results are extended to 32
// bits, in registers and on the stack, whatever the bits above them were.
func TestExtension(t *testing.T) {
	fn := func(int8, uint8, int16, uint16, bool, bool,
		int8, uint8, int16, uint16, bool, int32, uint32, float32) int8 {
		return 0
	}
	p := mustNew(t, fn, Call)
	const junk = 0xabcdef0123450000
	g := &GoFrame{}
	g.Int = [9]uint64{junk | 0x45<<8 | 0x80, junk | 0xfff0, junk | 0x8000, junk | 0x8000, junk | 0x7700, junk | 0x7701,
		junk | 0x45<<8 | 0x81, junk | 0xfff1, junk | 0x8001}
	stack := []byte{0x01, 0x80, 0x01, 0x99, 0xfe, 0xff, 0xff, 0xff, 0xfd, 0xff, 0xff, 0xff}
	g.Stack = unsafe.Pointer(&stack[0])
	g.Float[0] = junk | 0x1234
	c := junkFrame(p.StackWords, 0)
	p.ToC(g, c)
	var got []uint32
	for _, w := range append(c.Int[:], unsafe.Slice(c.Stack, p.StackWords)...) {
		got = append(got, uint32(w))
	}
	want := []uint32{0xffffff80, 0xf0, 0xffff8000, 0x8000, 0, 1,
		0xffffff81, 0xf1, 0xffff8001, 0x8001, 1, 0xfffffffe, 0xfffffffd}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("arguments %x, want %x", got, want)
	}
	if uint32(c.Float[0]) != 0x23451234 || c.NFloat != 1 || c.NStack != 7 {
		t.Errorf("float %x, NFloat %d, NStack %d", c.Float[0], c.NFloat, c.NStack)
	}

	// A callback returns them extended, and takes a bool as 0 or 1.
	for _, x := range []struct {
		fn   any
		want uint32
	}{
		{func() int8 { return 0 }, 0xfffffff0}, {func() uint8 { return 0 }, 0xf0},
		{func() int16 { return 0 }, 0xfffffff0}, {func() uint16 { return 0 }, 0xfff0},
	} {
		g.Int[0] = junk | 0xfff0
		mustNew(t, x.fn, Callback).ToCResult(g, c)
		if uint32(c.Ret[0]) != x.want {
			t.Errorf("%T: rax %x, want %x", x.fn, c.Ret[0], x.want)
		}
	}
	c.Int[0] = junk | 0x2
	mustNew(t, func(bool) {}, Callback).FromCArgs(c, c.Stack, g)
	if g.Int[0] != 1 {
		t.Errorf("bool argument of a callback: %x", g.Int[0])
	}
}

// TestLayout checks structs whose C type differs from what their Go fields say
// at first sight: by their classes and size in C.
func TestLayout(t *testing.T) {
	const i, s = classInteger, classSSE
	for _, x := range []struct {
		v    any
		size uintptr
		cls  [2]class
	}{
		{struct {
			_ structs.HostLayout
			A float32
			B int32
		}{}, 8, [2]class{i}},
		{struct {
			A float64
			_ struct{}
		}{}, 8, [2]class{s}},
		{struct {
			A float64
			B [0]int32
		}{}, 8, [2]class{s}},
		{struct {
			A float32
			_ [4]byte
			B float64
		}{}, 16, [2]class{s, s}},
		{struct {
			A float64
			B float32
			_ [4]byte
		}{}, 16, [2]class{s, s}},
		{struct {
			A float64
			_ [8]byte
		}{}, 16, [2]class{s, i}},
		{struct {
			A float32
			_ int32
			B float64
		}{}, 16, [2]class{i, s}},
		{struct {
			A float32
			P [4]byte
		}{}, 8, [2]class{i}},
		{struct {
			A float32
			B complex64
		}{}, 12, [2]class{s, s}},
		{struct {
			A int32
			B complex64
		}{}, 12, [2]class{i, s}},
		{[1]struct{ A [3]float32 }{}[0], 12, [2]class{s, s}},
	} {
		ty := reflect.TypeOf(x.v)
		if why := whyNotValue(ty); why != "" {
			t.Errorf("%v: %s", ty, why)
			continue
		}
		size := sizeInC(ty)
		cls, ok := classesOf(ty, size)
		if size != x.size || cls != x.cls || !ok {
			t.Errorf("%v: size %d, classes %v, want %d, %v", ty, size, cls, x.size, x.cls)
		}
	}
}

// TestEmpty checks that arrays of nothing are not walked.
func TestEmpty(t *testing.T) {
	type none struct{ A, B struct{} }
	mustNew(t, func(_ struct {
		E [1 << 40]none
		F [0][1 << 40]int
		N int
	}, _ none) (_ struct {
		E [1 << 40]none
		N float32
	}) {
		return
	}, Call)
}

func TestErrors(t *testing.T) {
	type tail struct {
		A int64
		B struct{}
	}
	type huge struct{ A [300]int64 }
	type cbInside struct{ CB *fixedAddr }
	type deep struct {
		A struct{ B [2]struct{ C string } }
	}
	for _, x := range []struct {
		fn   any
		dir  Direction
		arg  int
		text string
	}{
		{nil, Call, ArgFunc, "not a func type"},
		{1, Call, ArgFunc, "not a func type"},
		{func(int, func()) {}, Call, 1, "weld.NewCallback"},
		{func(map[int]int) {}, Call, 0, "a Go map has no C equivalent"},
		{func(chan int) {}, Call, 0, "a Go chan"},
		{func(any) {}, Call, 0, "a Go interface"},
		{func(error) {}, Callback, 0, "a Go interface"},
		{func([4]int) {}, Call, 0, "C passes no arrays"},
		{func() [4]int { return [4]int{} }, Call, ArgResult, "C passes no arrays"},
		{func(deep) {}, Call, 0, "field A.B[0].C of type string"},
		{func() (d deep) { return }, Callback, ArgResult, "field A.B[0].C of type string"},
		{func(struct{ F func() }) {}, Call, 0, "field F of type func()"},
		{func(struct{ M map[int]int }) {}, Call, 0, "field M"},
		{func(struct{ S []byte }) {}, Call, 0, "field S"},
		{func(struct{ E error }) {}, Call, 0, "field E"},
		{func(cbInside) {}, Call, 0, "use a uintptr field and its Addr()"},
		{func(struct {
			T tail
			N int64
		}) {
		}, Call, 0, "field N lies at offset 16 in Go and 8 in C"},
		{func(struct{ T [2]tail }) {}, Call, 0, "elements are 16 bytes apart in Go and 8 in C"},
		{func(int, huge) {}, Call, 1, "300 words of stack"},
		{func() (h huge) { return }, Call, ArgResult, "2400 bytes"},
		{func() []byte { return nil }, Call, ArgResult, "without a length"},
		{func() *fixedAddr { return nil }, Call, ArgResult, "function pointer"},
		{func() (int, int) { return 0, 0 }, Call, ArgResult, "one result"},
		{func() (int, syscall.Errno, int) { return 0, 0, 0 }, Call, ArgResult, "one result"},
		{func(...int) {}, Call, 0, "written ...any"},
		{func(...any) {}, Callback, 0, "unknown in a callback"},
		{func([]byte) {}, Callback, 0, "without a length"},
		{func() string { return "" }, Callback, ArgResult, "nothing would own"},
		{func(*fixedAddr) {}, Callback, 0, "function pointer"},
	} {
		p, err := New(reflect.TypeOf(x.fn), x.dir)
		var se *SignatureError
		if !errors.As(err, &se) || p != nil {
			t.Errorf("%T (%v): %v, want a SignatureError", x.fn, x.dir, err)
			continue
		}
		if se.Func != reflect.TypeOf(x.fn) || se.Arg != x.arg || !strings.Contains(err.Error(), x.text) {
			t.Errorf("%T (%v): arg %d: %v, want %d and %q", x.fn, x.dir, se.Arg, err, x.arg, x.text)
		}
	}

	p := mustNew(t, func(int, ...any) {}, Call)
	for _, x := range []struct {
		args []any
		arg  int
		text string
	}{
		{[]any{1, func() {}}, 2, "weld.NewCallback"},
		{[]any{errors.New("")}, 1, ""},
		{[]any{map[int]int{}}, 1, "a Go map"},
		{[]any{[2]int{}}, 1, "C passes no arrays"},
		{[]any{deep{}}, 1, "field A.B[0].C"},
		{[]any{huge{}}, 1, "300 words"},
		{make([]any, 300), 262, "257 words"},
	} {
		_, err := p.PlanVariadic(x.args)
		if x.text == "" { // a pointer like any other
			if err != nil {
				t.Errorf("%v: %v", x.args, err)
			}
			continue
		}
		var se *SignatureError
		if !errors.As(err, &se) || se.Arg != x.arg || !strings.Contains(err.Error(), x.text) {
			t.Errorf("%T: %v, want argument %d and %q", x.args[len(x.args)-1], err, x.arg, x.text)
		}
	}
}

// TestResults checks how results are announced.
func TestResults(t *testing.T) {
	type pair struct{ A, B int64 }
	type triple struct{ A, B, C int64 }
	type ten struct{ A [10]int64 }
	for _, x := range []struct {
		fn   any
		kind ResultKind
		sret uintptr
		err  Loc
	}{
		{func() {}, ResultNone, 0, Loc{}},
		{func() (_ struct{}) { return }, ResultNone, 0, Loc{}},
		{func() syscall.Errno { return 0 }, ResultNone, 0, goInt(0)},
		{func() (int8, syscall.Errno) { return 0, 0 }, ResultInt, 0, goInt(1)},
		{func() (float32, syscall.Errno) { return 0, 0 }, ResultFloat, 0, goInt(0)},
		{func() (complex64, syscall.Errno) { return 0, 0 }, ResultComplex, 0, goInt(0)},
		{func() (string, syscall.Errno) { return "", 0 }, ResultString, 0, goInt(2)},
		{func() (p pair, e syscall.Errno) { return }, ResultStruct, 0, goInt(2)},
		{func() (p triple, e syscall.Errno) { return }, ResultMemory, 24, goInt(3)},
		{func() (p ten, e syscall.Errno) { return }, ResultMemory, 80, goInt(0)},
		{func() (syscall.Errno, syscall.Errno) { return 0, 0 }, ResultInt, 0, goInt(1)},
	} {
		p := mustNew(t, x.fn, Call)
		if p.ResultKind != x.kind || p.SRetSize != x.sret || p.ErrnoLoc != x.err {
			t.Errorf("%T: kind %d, sret %d, errno %v; want %d, %d, %v", x.fn, p.ResultKind, p.SRetSize, p.ErrnoLoc, x.kind, x.sret, x.err)
		}
	}
	if p := mustNew(t, func(int) (t triple) { return }, Callback); p.NInt != 2 || p.GoStackBytes != 0 {
		t.Errorf("hidden argument: NInt %d, GoStackBytes %d", p.NInt, p.GoStackBytes)
	}
}

// TestTails checks what is written at the end of a struct that is no whole
// number of words: zeros in an argument word, nothing behind a result.
func TestTails(t *testing.T) {
	type regs struct{ A, B, C, D, E int32 }
	type stack struct{ A [5]int32 }
	junk := [3]uint64{0x1111111111111111, 0x1111111111111111, 0x1111111111111111}
	for _, x := range []any{
		func(regs) (r regs) { return },
		func(stack) (s stack) { return },
	} {
		mem := junk
		g := &GoFrame{Int: [9]uint64{junk[0], junk[0], junk[0], junk[0], junk[0]}}
		area := [6]uint64{junk[0], junk[0], junk[0], junk[0], junk[0], junk[0]}
		g.Stack = unsafe.Pointer(&area[0])
		c := junkFrame(3, 0)
		mustNew(t, x, Call).ToC(g, c)
		if w := unsafe.Slice(c.Stack, 3)[2]; w != 0x11111111 {
			t.Errorf("%T: last argument word %x", x, w)
		}
		p := mustNew(t, x, Callback)
		mem[2] = 0xdbdbdbdb22222222
		c.SRet = unsafe.Pointer(&mem[0])
		p.ToCResult(g, c)
		if mem[2] != 0xdbdbdbdb11111111 {
			t.Errorf("%T: end of the result %x", x, mem[2])
		}
	}
}

func TestAddrs(t *testing.T) {
	p := mustNew(t, func(int, *fixedAddr, string, string, string, *fixedAddr) {}, Call)
	a := &fixedAddr{0x1234}
	vals := []reflect.Value{reflect.ValueOf(1), reflect.ValueOf(a), reflect.ValueOf(""), reflect.ValueOf(""), reflect.ValueOf(""), reflect.Zero(reflect.TypeOf(a))}
	g := spill(p, vals)
	c := junkFrame(p.StackWords, 0)
	p.ToC(g, c)
	if len(p.Addrs) != 2 || p.Addrs[0].Arg != 1 || p.Addrs[0].C != cInt(1) || p.Addrs[1].C != cInt(5) {
		t.Fatalf("%+v", p.Addrs)
	}
	if c.Int[1] != 0 || p.Addrs[0].Addr(g) != 0x1234 || p.Addrs[1].Addr(g) != 0 {
		t.Errorf("addresses %x %x", p.Addrs[0].Addr(g), p.Addrs[1].Addr(g))
	}
	runtime.KeepAlive(vals)
}

// TestVarArgsOnStack takes the variable arguments from the Go stack.
func TestVarArgsOnStack(t *testing.T) {
	p := mustNew(t, func(_, _, _, _, _, _, _, _ int, _ ...any) {}, Call)
	va := []any{1.5, "x"}
	var vals []reflect.Value
	for range 8 {
		vals = append(vals, reflect.ValueOf(7))
	}
	g := spill(p, append(vals, reflect.ValueOf(va)))
	if got := p.VarArgs(g); !reflect.DeepEqual(got, va) {
		t.Errorf("%v", got)
	}
	if got := mustNew(t, func(int) {}, Call).VarArgs(g); got != nil {
		t.Errorf("%v", got)
	}
	v, err := p.PlanVariadic(va)
	if err != nil || v.StackWords != 3 || v.NFloat != 1 || len(v.Strings) != 1 || v.Strings[0].C != (Loc{CStack, 16}) {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := p.PlanVariadic(nil); err != nil || v.StackWords != 2 || v.NFloat != 0 {
		t.Errorf("none: %+v %v", v, err)
	}
	runtime.KeepAlive(va)
}

func TestNoAllocation(t *testing.T) {
	p := mustNew(t, func(int8, struct{ A, B, C int64 }, bool, complex64) struct{ A, B, C int32 } {
		return struct{ A, B, C int32 }{}
	}, Call)
	n := testing.AllocsPerRun(100, func() {
		var g GoFrame
		var c CFrame
		var stack [8]uint64
		c.Stack = &stack[0]
		p.ToC(&g, &c)
		p.FromC(&c, &g)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkToC(b *testing.B) {
	for _, x := range []struct {
		name string
		fn   any
	}{
		{"6scalars", func(int8, uint16, bool, *byte, int, float64) int { return 0 }},
		{"string", func(string, int) int { return 0 }},
		{"structs", func(struct{ A, B float32 }, struct {
			A int32
			B float64
		}, struct{ A, B, C int64 }) {
		}},
	} {
		p := mustNew(b, x.fn, Call)
		b.Run(x.name, func(b *testing.B) {
			var g GoFrame
			var c CFrame
			var stack [8]uint64
			c.Stack = &stack[0]
			for b.Loop() {
				p.ToC(&g, &c)
			}
		})
	}
	p := mustNew(b, func(int, *byte, uintptr, float64, int32, float32) (int, syscall.Errno) { return 0, 0 }, Call)
	if !p.Direct {
		b.Errorf("six words are not direct")
	}
}

func BenchmarkPlanVariadic(b *testing.B) {
	p := mustNew(b, func(string, ...any) int32 { return 0 }, Call)
	args := []any{1, 2.5, "three", int8(4)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.PlanVariadic(args); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzPlan feeds random types and frames: no panic, nothing written outside
// the stack areas.
func FuzzPlan(f *testing.F) {
	f.Add(uint64(1), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, seed, fill uint64) {
		g := newGen(seed)
		for _, dir := range []Direction{Call, Callback} {
			ty := g.goSig().typ
			if seed%2 == 0 {
				ty = g.cSig(dir)
			}
			p, err := New(ty, dir)
			if err != nil {
				var se *SignatureError
				if !errors.As(err, &se) || err.Error() == "" {
					t.Fatalf("%v: %v", ty, err)
				}
				continue
			}
			c := junkFrame(p.StackWords, p.SRetSize)
			stack := make([]uint64, abitest.MaxStack/8+1)
			stack[p.GoStackBytes/8] = fill
			gf := &GoFrame{Stack: unsafe.Pointer(&stack[0])}
			if dir == Call {
				p.ToC(gf, c)
				p.FromC(c, gf)
			} else {
				c.Int[0] = uint64(uintptr(c.SRet))
				p.FromCArgs(c, c.Stack, gf)
				p.ToCResult(gf, c)
			}
			if stack[p.GoStackBytes/8] != fill || unsafe.Slice(c.Stack, p.StackWords+1)[p.StackWords] != 0xdbdbdbdbdbdbdbdb {
				t.Fatalf("%v: written beyond an area", ty)
			}
		}
	})
}
