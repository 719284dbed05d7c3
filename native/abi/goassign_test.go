package abi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"weld/native/abi/internal/abitest"
)

// goSig is a random func type with where goAssigner puts its values.
type goSig struct {
	typ     reflect.Type
	in, out []goHome
	args    uintptr // bytes of stack-assigned arguments
	stack   uintptr // and of results with them
}

// goSig makes a func type of any Go types whose stack area a probe can hold.
func (g typeGen) goSig() goSig {
	for {
		var in, out []reflect.Type
		for range g.IntN(12) {
			in = append(in, g.anyGoType())
		}
		for range g.IntN(3) {
			out = append(out, g.anyGoType())
		}
		s := goSig{typ: reflect.FuncOf(in, out, false)}
		var a goAssigner
		for _, t := range in {
			s.in = append(s.in, a.assign(t))
		}
		a.results()
		s.args = a.stack
		for _, t := range out {
			s.out = append(s.out, a.assign(t))
		}
		if s.stack = alignUp(a.stack, 8); s.stack <= abitest.MaxStack {
			return s
		}
	}
}

// pick returns what the value of type t at h is in regs and stack, less its
// padding.
func (h *goHome) pick(t reflect.Type, regs, stack []byte) []byte {
	var b []byte
	if !h.onStack {
		for i, l := range h.leaves {
			b = append(b, regs[h.regs[i].Off:][:l.size]...)
		}
		return b
	}
	for _, l := range leavesOf(t) {
		b = append(b, stack[uintptr(h.stack.Off)+l.off:][:l.typ.Size()]...)
	}
	return b
}

// put stores the memory image m of a value at h.
func (h *goHome) put(m, regs, stack []byte) {
	if h.onStack {
		copy(stack[h.stack.Off:], m)
		return
	}
	for i, l := range h.leaves {
		copy(regs[h.regs[i].Off:], m[l.off:l.off+l.size])
	}
}

func regBytes(r *abitest.Regs) []byte {
	return memory(unsafe.Pointer(r), unsafe.Sizeof(*r))
}

// TestGoAssignReflect compares with the frames that reflect makes.
func TestGoAssignReflect(t *testing.T) {
	g := newGen(1)
	for n := range 1000 {
		s := g.goSig()
		fn := reflect.New(s.typ)
		abitest.Probe(fn.UnsafePointer())
		var args []reflect.Value
		for i := range s.typ.NumIn() {
			args = append(args, g.newValue(s.typ.In(i)))
		}
		out := make([]byte, abitest.MaxStack)
		for i := range regBytes(&abitest.Out) {
			regBytes(&abitest.Out)[i] = 0xa5
		}
		var want [][]byte
		for i := range s.typ.NumOut() {
			v := g.newValue(s.typ.Out(i))
			s.out[i].put(image(v), regBytes(&abitest.Out), out)
			want = append(want, leafBytes(v))
		}
		abitest.StackLen = s.args
		abitest.ResultOff, abitest.ResultLen = s.args, s.stack-s.args
		copy(memory(unsafe.Pointer(&abitest.OutStack), abitest.MaxStack), out[s.args:])

		res := fn.Elem().Call(args)

		stack := memory(unsafe.Pointer(&abitest.InStack), abitest.MaxStack)
		for i, v := range args {
			if got := s.in[i].pick(v.Type(), regBytes(&abitest.In), stack); !bytes.Equal(got, leafBytes(v)) {
				t.Errorf("%d: %v: argument #%d: %x, want %x", n, s.typ, i+1, got, leafBytes(v))
			}
		}
		for i, v := range res {
			if got := leafBytes(v); !bytes.Equal(got, want[i]) {
				t.Errorf("%d: %v: result #%d: %x, want %x", n, s.typ, i+1, got, want[i])
			}
		}
	}
}

// TestGoAssignCompiler compares with the frames of code that the Go compiler
// makes of generated source.
func TestGoAssignCompiler(t *testing.T) {
	sigs := fewer(320)
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatalf("the go command is needed to compile generated source: %v", err)
	}
	dir := t.TempDir()
	for _, name := range []string{"abitest_amd64.go", "abitest_amd64.s"} {
		b, err := os.ReadFile(filepath.Join("internal", "abitest", name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "abitest", name), b)
	}
	writeFile(t, filepath.Join(dir, "go.mod"), []byte("module probe\n\ngo 1.26\n"))

	g := newGen(2)
	var src, input bytes.Buffer
	src.WriteString(probeMain)
	type expect struct {
		sig  goSig
		args []reflect.Value
		outs [][]byte
	}
	var all []expect
	for n := range sigs {
		s := g.goSig()
		e := expect{sig: s}
		fmt.Fprintf(&src, "func f%d() {\n\tvar fn %v\n\tabitest.Probe(unsafe.Pointer(&fn))\n", n, s.typ)
		var in, out []string
		var words bytes.Buffer
		for i := range s.typ.NumIn() {
			v := g.newValue(s.typ.In(i))
			e.args = append(e.args, v)
			in = append(in, fmt.Sprintf("a%d", i))
			fmt.Fprintf(&src, "\tvar a%d %v\n\ttake(unsafe.Pointer(&a%[1]d), %[3]d)\n", i, v.Type(), v.Type().Size())
			words.Write(image(v))
		}
		regs, stack := make([]byte, unsafe.Sizeof(abitest.Regs{})), make([]byte, abitest.MaxStack)
		for i := range s.typ.NumOut() {
			v := g.newValue(s.typ.Out(i))
			s.out[i].put(image(v), regs, stack)
			e.outs = append(e.outs, leafBytes(v))
			out = append(out, fmt.Sprintf("r%d", i))
		}
		fmt.Fprintf(&src, "\tprepare(%d, %d)\n\t", s.args, s.stack-s.args)
		words.Write(regs)
		words.Write(stack[s.args:s.stack])
		if len(out) > 0 {
			fmt.Fprintf(&src, "%s := ", strings.Join(out, ", "))
		}
		fmt.Fprintf(&src, "fn(%s)\n\tfinish(%d)\n", strings.Join(in, ", "), s.args)
		for i, r := range out {
			fmt.Fprintf(&src, "\tgive(unsafe.Pointer(&%s), %d)\n", r, s.typ.Out(i).Size())
		}
		src.WriteString("}\n\n")
		input.Write(words.Bytes())
		all = append(all, e)
	}
	src.WriteString("var funcs = []func(){\n")
	for n := range sigs {
		fmt.Fprintf(&src, "\tf%d,\n", n)
	}
	src.WriteString("}\n")
	writeFile(t, filepath.Join(dir, "main.go"), src.Bytes())

	bin := filepath.Join(dir, "probe")
	build := exec.Command(goTool, "build", "-o", bin, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	run := exec.Command(bin)
	run.Stdin = &input
	run.Stderr = os.Stderr
	got, err := run.Output()
	if err != nil {
		t.Fatalf("generated program: %v", err)
	}
	next := func(n uintptr) []byte {
		if uintptr(len(got)) < n {
			t.Fatalf("generated program: output too short")
		}
		b := got[:n]
		got = got[n:]
		return b
	}
	for n, e := range all {
		regs := next(unsafe.Sizeof(abitest.Regs{}))
		stack := next(e.sig.args)
		for i, v := range e.args {
			if got := e.sig.in[i].pick(v.Type(), regs, stack); !bytes.Equal(got, leafBytes(v)) {
				t.Errorf("%d: %v: argument #%d: %x, want %x", n, e.sig.typ, i+1, got, leafBytes(v))
			}
		}
		for i, want := range e.outs {
			ty := e.sig.typ.Out(i)
			m := next(ty.Size())
			var got []byte
			for _, l := range leavesOf(ty) {
				got = append(got, m[l.off:l.off+l.typ.Size()]...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d: %v: result #%d: %x, want %x", n, e.sig.typ, i+1, got, want)
			}
		}
	}
	if len(got) != 0 {
		t.Errorf("%d bytes of output left", len(got))
	}
}

const probeMain = `package main

import (
	"io"
	"os"
	"unsafe"

	"probe/abitest"
)

var in, out []byte

func memory(p unsafe.Pointer, n uintptr) []byte { return unsafe.Slice((*byte)(p), n) }

func take(p unsafe.Pointer, n uintptr) {
	copy(memory(p, n), in[:n])
	in = in[n:]
}

func give(p unsafe.Pointer, n uintptr) { out = append(out, memory(p, n)...) }

func prepare(args, results uintptr) {
	take(unsafe.Pointer(&abitest.Out), unsafe.Sizeof(abitest.Out))
	take(unsafe.Pointer(&abitest.OutStack), results)
	abitest.StackLen, abitest.ResultOff, abitest.ResultLen = args, args, results
}

func finish(args uintptr) {
	give(unsafe.Pointer(&abitest.In), unsafe.Sizeof(abitest.In))
	give(unsafe.Pointer(&abitest.InStack), args)
}

func main() {
	var err error
	if in, err = io.ReadAll(os.Stdin); err != nil {
		panic(err)
	}
	for _, f := range funcs {
		f()
	}
	if _, err := os.Stdout.Write(out); err != nil {
		panic(err)
	}
}

`

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPointers checks which words of a call are said to hold Go pointers.
func TestPointers(t *testing.T) {
	g := newGen(3)
	for range 300 {
		s := g.cSig(Call)
		p, err := New(s, Call)
		if err != nil {
			t.Fatal(err)
		}
		// Mark every pointer of the arguments and nothing else.
		var regs abitest.Regs
		stack := make([]byte, p.GoStackBytes)
		var a goAssigner
		for i := range s.NumIn() {
			ty := s.In(i)
			m := make([]byte, alignUp(ty.Size(), 8))
			for _, l := range leavesOf(ty) {
				switch l.typ.Kind() {
				case reflect.Pointer, reflect.UnsafePointer, reflect.String, reflect.Slice:
					binary.LittleEndian.PutUint64(m[l.off:], 1)
				}
			}
			h := a.assign(ty)
			h.put(m[:ty.Size()], regBytes(&regs), stack)
		}
		mask := uint16(0)
		for i, w := range regs.Int {
			mask |= uint16(w) << i
		}
		var offs []uintptr
		for o := 0; o < len(stack); o += 8 {
			if binary.LittleEndian.Uint64(stack[o:]) == 1 {
				offs = append(offs, uintptr(o))
			}
		}
		if p.PointerMask != mask || !slices.Equal(p.StackPointers, offs) {
			t.Errorf("%v: pointers %b %v, want %b %v", s, p.PointerMask, p.StackPointers, mask, offs)
		}
	}
}
