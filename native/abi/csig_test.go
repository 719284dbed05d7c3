package abi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"weld/native/abi/internal/abitest"
)

// cSig makes a func type that New accepts in the given direction.
func (g typeGen) cSig(dir Direction) reflect.Type {
	for {
		var in, out []reflect.Type
		n := g.IntN(9)
		if g.IntN(6) == 0 {
			n = g.IntN(26)
		}
		for range n {
			switch k := g.IntN(16); {
			case k == 0:
				in = append(in, stringType)
			case k == 1 && dir == Call:
				in = append(in, sliceType)
			default:
				in = append(in, g.value())
			}
		}
		if g.IntN(8) != 0 {
			out = append(out, g.value())
		}
		if g.IntN(4) == 0 {
			out = append(out, reflect.TypeFor[syscall.Errno]())
		}
		t := reflect.FuncOf(in, out, false)
		p, err := New(t, dir)
		if err == nil && p.GoStackBytes <= abitest.MaxStack {
			return t
		}
	}
}

// cSource writes C declarations for Go types.
type cSource struct {
	bytes.Buffer
	structs map[reflect.Type]string
}

var cScalars = map[reflect.Kind]string{
	reflect.Bool: "_Bool", reflect.Int8: "int8_t", reflect.Int16: "int16_t", reflect.Int32: "int32_t",
	reflect.Int64: "int64_t", reflect.Int: "long", reflect.Uint8: "uint8_t", reflect.Uint16: "uint16_t",
	reflect.Uint32: "uint32_t", reflect.Uint64: "uint64_t", reflect.Uint: "unsigned long",
	reflect.Uintptr: "uintptr_t", reflect.Float32: "float", reflect.Float64: "double",
	reflect.Complex64: "float _Complex", reflect.Complex128: "double _Complex",
	reflect.UnsafePointer: "void *", reflect.Pointer: "int32_t *", reflect.Slice: "uint16_t *",
	reflect.String: "const char *",
}

// typeName returns the C name of t, declaring structs where needed.
func (c *cSource) typeName(t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return cScalars[t.Kind()]
	}
	if s, ok := c.structs[t]; ok {
		return s
	}
	var body strings.Builder
	for i := range t.NumField() {
		f := t.Field(i)
		ft, dims := f.Type, ""
		for ; ft.Kind() == reflect.Array; ft = ft.Elem() {
			dims += fmt.Sprintf("[%d]", ft.Len())
		}
		fmt.Fprintf(&body, " %s %s%s;", c.typeName(ft), f.Name, dims)
	}
	if c.structs == nil {
		c.structs = map[reflect.Type]string{}
	}
	s := fmt.Sprintf("S%d", len(c.structs))
	c.structs[t] = s
	fmt.Fprintf(c, "typedef struct {%s } %s;\n", body.String(), s)
	return s
}

// each writes a macro call for every leaf of the variable name of type t.
func (c *cSource) each(macro, name string, t reflect.Type) string {
	var b strings.Builder
	if t.Kind() == reflect.String {
		return fmt.Sprintf(" %s_STRING(%s);", macro, name)
	}
	for _, l := range leavesOf(t) {
		fmt.Fprintf(&b, " %s(%s%s);", macro, name, l.path)
	}
	return b.String()
}

// cResult returns the type of the C result, nil for none.
func cResult(t reflect.Type) reflect.Type {
	if t.NumOut() == 0 || t.NumOut() == 1 && t.Out(0) == errnoType {
		return nil
	}
	return t.Out(0)
}

// arg is an argument of a random call: its value, and what the C function
// dumps for it.
type arg struct {
	val  reflect.Value
	dump []byte
}

func stringDump(s string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func (g typeGen) arg(t reflect.Type) arg {
	switch t.Kind() {
	case reflect.String:
		s := strings.Repeat("weld", g.IntN(4)) + fmt.Sprint(g.IntN(1000))
		return arg{reflect.ValueOf(s), stringDump(s)}
	case reflect.Slice:
		v := g.newValue(t)
		return arg{v, image(v)[:8]}
	}
	v := g.newValue(t)
	return arg{v, leafBytes(v)}
}

// spill calls through a func of type t and returns the frame it received.
func spill(p *Plan, args []reflect.Value) *GoFrame {
	fn := reflect.New(p.Type)
	abitest.Probe(fn.UnsafePointer())
	abitest.StackLen, abitest.ResultLen = p.GoStackBytes, 0
	abitest.Out = abitest.Regs{}
	if p.Type.IsVariadic() {
		fn.Elem().CallSlice(args)
	} else {
		fn.Elem().Call(args)
	}
	g := &GoFrame{Int: abitest.In.Int, Float: abitest.In.Float}
	stack := make([]uint64, abitest.MaxStack/8+1)
	copy(memory(unsafe.Pointer(&stack[0]), p.GoStackBytes), memory(unsafe.Pointer(&abitest.InStack), p.GoStackBytes))
	g.Stack = unsafe.Pointer(&stack[0])
	return g
}

// returns makes a func of type t return what is in g and returns its results.
func returns(p *Plan, g *GoFrame) []reflect.Value {
	fn := reflect.New(p.Type)
	abitest.Probe(fn.UnsafePointer())
	var args []reflect.Value
	var a goAssigner
	for i := range p.Type.NumIn() {
		args = append(args, reflect.Zero(p.Type.In(i)))
		a.assign(p.Type.In(i))
	}
	a.results()
	abitest.StackLen = 0
	abitest.ResultOff, abitest.ResultLen = a.stack, p.GoStackBytes-a.stack
	abitest.Out = abitest.Regs{Int: g.Int, Float: g.Float}
	copy(memory(unsafe.Pointer(&abitest.OutStack), abitest.MaxStack), memory(unsafe.Add(g.Stack, a.stack), abitest.ResultLen))
	if p.Type.IsVariadic() {
		return fn.Elem().CallSlice(args)
	}
	return fn.Elem().Call(args)
}

// junkFrame returns a frame in which nothing is zero by chance.
func junkFrame(stackWords int, sret uintptr) *CFrame {
	c := &CFrame{}
	for i := range memory(unsafe.Pointer(c), uintptr(offCFRet)+16) {
		memory(unsafe.Pointer(c), uintptr(offCFRet)+16)[i] = 0xdb
	}
	stack := make([]uint64, stackWords+1)
	for i := range stack {
		stack[i] = 0xdbdbdbdbdbdbdbdb
	}
	c.Stack = &stack[0]
	// The words after the result must stay as they are.
	mem := make([]uint64, sret/8+2)
	for i := range mem {
		mem[i] = 0xdbdbdbdbdbdbdbdb
	}
	c.SRet = unsafe.Pointer(&mem[0])
	return c
}

// request is one record for the driver, whose layout testdata/driver.c gives.
type request struct{ bytes.Buffer }

func (r *request) words(v ...uint64) {
	for _, w := range v {
		binary.Write(&r.Buffer, binary.LittleEndian, w)
	}
}

func (r *request) frame(c *CFrame, words int) {
	r.words(c.Int[:]...)
	r.words(c.Float[:]...)
	r.words(c.NFloat, uint64(words))
	r.words(c.Ret[:]...)
	r.words(c.FRet[:]...)
	r.words(unsafe.Slice(c.Stack, words)...)
}

// slot writes a place of the C frame as the driver numbers them: registers
// from 0, memory words from 1000.
func (r *request) slot(l Loc) {
	if l.Area == CStack {
		r.words(1000 + uint64(l.Off/8))
	} else {
		r.words(uint64(l.Off / 8))
	}
}

func (r *request) blob(b []byte) {
	r.words(uint64(len(b)))
	r.Write(b)
}

// reply is what the driver answered.
type reply struct {
	t *testing.T
	b []byte
}

func (r *reply) bytes(n int) []byte {
	if len(r.b) < n {
		r.t.Fatalf("driver: output ends early")
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reply) word() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }
func (r *reply) blob() []byte { return r.bytes(int(r.word())) }

func (r *reply) words(to []uint64) {
	for i := range to {
		to[i] = r.word()
	}
}

// runDriver compiles testdata/driver.c with the generated functions and
// feeds it the requests.
func runDriver(t *testing.T, source []byte, input []byte) *reply {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Fatalf("gcc is needed to compile the C side: install it (Debian: apt-get install gcc libc6-dev): %v", err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "functions.c"), source)
	driver, err := filepath.Abs(filepath.Join("testdata", "driver.c"))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "driver")
	args := []string{"-std=gnu11", "-O1", "-Wall", "-Wno-psabi", "-Wno-unused", "-Werror", "-I", dir, "-o", bin, driver}
	for name, off := range map[string]uintptr{
		"INT": unsafe.Offsetof(CFrame{}.Int), "FLOAT": unsafe.Offsetof(CFrame{}.Float),
		"NFLOAT": unsafe.Offsetof(CFrame{}.NFloat), "NSTACK": unsafe.Offsetof(CFrame{}.NStack),
		"STACK": unsafe.Offsetof(CFrame{}.Stack), "RET": unsafe.Offsetof(CFrame{}.Ret),
		"FRET": unsafe.Offsetof(CFrame{}.FRet), "SRET": unsafe.Offsetof(CFrame{}.SRet),
	} {
		args = append(args, fmt.Sprintf("-DOFF_%s=%d", name, off))
	}
	if out, err := exec.Command(gcc, args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	run := exec.Command(bin)
	run.Stdin = bytes.NewReader(input)
	run.Stderr = os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("driver: %v", err)
	}
	return &reply{t, out}
}
