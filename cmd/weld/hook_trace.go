package main

import (
	"strings"
	"syscall"
	"unsafe"

	"weld/internal/cproto"
	"weld/internal/rtld"
	"weld/native"
)

// callTracer prints the calls of one function. In a child of fork Go has no collector, so what it does for each call
// takes no memory of Go's, structs and JSON aside.
type callTracer struct {
	h      *hooks
	name   string
	proto  *cproto.Prototype // nil: nothing is known
	params []cproto.Home
	result cproto.Home
	rest   cproto.Assigner // where variable arguments begin
	alone  bool
	errno  bool // it sets errno
	table  bool // the prototype is weld's own
	format int  // the parameter that is a format, -1 if none is
}

func newCallTracer(h *hooks, s *hookSpec, o *rtld.Object) *callTracer {
	c := &callTracer{h: h, name: s.name, proto: s.proto, alone: alone[s.name], format: -1}
	c.errno = o == nil || o.System
	if c.proto == nil {
		return c
	}
	c.params, c.result, c.rest = c.proto.Homes()
	if k := known(s.name); k != nil && k.String() == c.proto.String() {
		c.table = true
	}
	if n := len(c.proto.Params); c.proto.Variadic && n > 0 && (c.proto.Params[n-1].Name == "format" || strings.HasSuffix(c.name, "printf")) &&
		!strings.Contains(c.name, "scanf") && c.proto.Params[n-1].Type.IsString() {
		c.format = n - 1
	}
	return c
}

// Sizes of the native blocks that a call's text is in: of the arguments, and of the line.
const (
	argsRoom = 2 << 10
	lineRoom = 4 << 10
	// argsEnd is between arguments in the text, and outBytes stands for what is known when the call has returned.
	argsEnd, outBytes = 0, 1
)

// Enter is native.Tracer's.
func (c *callTracer) Enter(f *native.CallFrame, u native.Upcall) (words int, leave bool) {
	block, err := native.Alloc(argsRoom)
	if err != nil {
		return 0, false
	}
	t := text{native.Bytes(block+8, argsRoom-8)[:0]}
	words = c.arguments(&t, f)
	*(*uint64)(native.Pointer(block)) = uint64(len(t.b))
	if c.alone {
		c.print(f, t.b, true, 0)
		native.Free(block, argsRoom)
		return 0, false
	}
	f.User = block
	return words, true
}

// Leave is native.Tracer's.
func (c *callTracer) Leave(f *native.CallFrame, u native.Upcall) {
	block := f.User
	n := *(*uint64)(native.Pointer(block))
	c.print(f, native.Bytes(block+8, uintptr(n)), false, u.Errno())
	native.Free(block, argsRoom)
}

// words32 is how many words of variable arguments in memory are passed on at least, if they are there.
const words32 = 32

// arguments appends the arguments and returns how many words of them are in memory.
func (c *callTracer) arguments(t *text, f *native.CallFrame) int {
	if c.proto == nil {
		for i := range 4 {
			if i > 0 {
				t.byte(argsEnd)
			}
			t.pointer(f.Int[i])
		}
		t.byte(argsEnd)
		t.str("...")
		return readableWords(f)
	}
	var room [64]byte
	for i, p := range c.proto.Params {
		if i > 0 {
			t.byte(argsEnd)
		}
		v := load(c.params[i], f, room[:0])
		switch {
		case c.isBytes(i) && p.Type.Elem.Const:
			n := load(c.params[i+1], f, nil)
			t.quote(uintptr(word(v)), word(n), true)
		case c.isBytes(i):
			t.byte(outBytes)
		case c.table && p.Type.IsString() && !p.Type.Elem.Const:
			t.pointer(word(v))
		default:
			t.value(p.Type, v)
		}
	}
	if !c.proto.Variadic {
		return c.rest.Words
	}
	a := c.rest
	switch e := extra[c.name]; {
	case c.format >= 0:
		c.variable(t, f, &a)
	case !c.table || e.kind == "":
		t.byte(argsEnd)
		t.str("...")
	case e.kind == "word":
		t.byte(argsEnd)
		t.pointer(word(load(a.Assign(wordType), f, room[:0])))
	case word(load(c.params[e.flags], f, nil))&(syscall.O_CREAT|0o20000000) != 0: // O_TMPFILE
		t.byte(argsEnd)
		t.byte('0')
		t.uint(word(load(a.Assign(wordType), f, room[:0]))&0o7777, 8)
	}
	return max(a.Words, readableWords(f))
}

// isBytes reports whether parameter i is a buffer whose size comes next.
func (c *callTracer) isBytes(i int) bool {
	p := c.proto.Params
	return c.table && p[i].Name == "buf" && i+1 < len(p) && p[i+1].Name == "n" && p[i].Type.Kind == cproto.Pointer
}

var (
	wordType   = cproto.Type{Kind: cproto.Int, Size: 8, Align: 8}
	intType    = cproto.Type{Kind: cproto.Int, Size: 4, Align: 4, Signed: true}
	charType   = cproto.Type{Kind: cproto.Int, Name: "char", Size: 1, Align: 1, Signed: true}
	doubleType = cproto.Type{Kind: cproto.Float, Size: 8, Align: 8}
	longDouble = cproto.Type{Kind: cproto.LongDouble, Size: 16, Align: 16}
)

// variable appends the arguments that a format asks for (C11 7.21.6.1).
func (c *callTracer) variable(t *text, f *native.CallFrame, a *cproto.Assigner) {
	var room, fmtRoom [512]byte
	format := fmtRoom[:peek(uintptr(word(load(c.params[c.format], f, room[:0]))), fmtRoom[:])]
	next := func(ty cproto.Type) []byte { return load(a.Assign(ty), f, room[:0]) }
	for i := 0; i < len(format) && format[i] != 0; i++ {
		if format[i] != '%' {
			continue
		}
		long, wide := false, false
		for i++; i < len(format); i++ {
			switch format[i] {
			case '*':
				t.byte(argsEnd)
				t.value(intType, next(intType))
			case 'l', 'j', 'z', 't', 'q':
				long = true
			case 'L':
				long, wide = true, true
			case '-', '+', ' ', '#', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.', 'h', '\'', 'I':
			case '$':
				return // numbered arguments
			default:
				goto conversion
			}
		}
		return
	conversion:
		switch format[i] {
		case '%', 'm':
			continue
		}
		t.byte(argsEnd)
		switch format[i] {
		case 'd', 'i':
			if v := int64(word(next(wordType))); long {
				t.int(v)
			} else {
				t.int(int64(int32(v)))
			}
		case 'u', 'x', 'X', 'o', 'b', 'B':
			if v := word(next(wordType)); long {
				t.uint(v, 10)
			} else {
				t.uint(uint64(uint32(v)), 10)
			}
		case 'c':
			t.value(charType, next(wordType)[:1])
		case 's':
			if v := word(next(wordType)); long {
				t.pointer(v)
			} else {
				t.quote(uintptr(v), shownBytes+1, false)
			}
		case 'p', 'n':
			t.pointer(word(next(wordType)))
		case 'f', 'F', 'e', 'E', 'g', 'G', 'a', 'A':
			ty := doubleType
			if wide {
				ty = longDouble
			}
			t.value(ty, next(ty))
		default:
			t.str("...")
			return
		}
	}
}

// print writes the line of a call; unknown says that its result is.
func (c *callTracer) print(f *native.CallFrame, args []byte, unknown bool, e syscall.Errno) {
	block, err := native.Alloc(lineRoom)
	if err != nil {
		return
	}
	defer native.Free(block, lineRoom)
	line := native.Bytes(block, lineRoom)
	t := text{line[: 0 : lineRoom-1]} // the last is for the newline
	if c.h.json {
		c.object(f, args, unknown, e, &t)
		return
	}
	if pid := syscall.Getpid(); pid != c.h.out.pid {
		t.str("[pid ")
		t.int(int64(pid))
		t.str("] ")
	}
	t.str(c.name)
	t.byte('(')
	for i, n := 0, 0; i < len(args); i++ {
		switch args[i] {
		case argsEnd:
			t.str(", ")
			n++
		case outBytes:
			c.filled(&t, f, n)
		default:
			t.byte(args[i])
		}
	}
	t.str(") = ")
	if unknown {
		t.byte('?')
	} else if c.value(&t, f) && e != 0 {
		t.byte(' ')
		t.str(errnoName(e))
	}
	line[len(t.b)] = '\n'
	c.h.out.write(line[:len(t.b)+1])
}

// object writes the line as JSON.
func (c *callTracer) object(f *native.CallFrame, args []byte, unknown bool, e syscall.Errno, t *text) {
	o := struct {
		Call   string   `json:"call"`
		Args   []string `json:"args"`
		Result string   `json:"result,omitempty"`
		Errno  string   `json:"errno,omitempty"`
		PID    int      `json:"pid"`
	}{Call: c.name, Args: []string{}, PID: syscall.Getpid()}
	if len(args) > 0 {
		for i, s := range strings.Split(string(args), string(rune(argsEnd))) {
			if s == string(rune(outBytes)) {
				t.b = t.b[:0]
				c.filled(t, f, i)
				s = string(t.b)
			}
			o.Args = append(o.Args, s)
		}
	}
	t.b = t.b[:0]
	if !unknown {
		if c.value(t, f) && e != 0 {
			o.Errno = errnoName(e)
		}
		o.Result = string(t.b)
	}
	c.h.out.object(o)
}

// filled appends what a call has put into buffer parameter i: as many bytes as it returns.
func (c *callTracer) filled(t *text, f *native.CallFrame, i int) {
	var room [8]byte
	p, n := word(load(c.params[i], f, room[:0])), int64(f.Ret[0])
	if n <= 0 {
		t.pointer(p)
		return
	}
	t.quote(uintptr(p), uint64(n), true)
}

// value appends the result, and reports whether it says that errno is set.
func (c *callTracer) value(t *text, f *native.CallFrame) (failed bool) {
	if c.proto == nil {
		t.pointer(f.Ret[0])
		return false
	}
	ty := c.proto.Result
	switch {
	case ty.Kind == cproto.Void:
		t.str("void")
		return false
	case len(c.result.Parts) == 1 && c.result.Parts[0].In == cproto.X87:
		t.byte('?')
		return false
	}
	var room [64]byte
	v := room[:0]
	for _, p := range c.result.Parts {
		w := f.Ret[p.N&1]
		if p.In == cproto.FloatReg {
			w = f.FRet[p.N&1]
		}
		v = append(v, (*[8]byte)(unsafe.Pointer(&w))[:]...)
	}
	if c.result.Indirect {
		mem := make([]byte, ty.Size)
		if peek(uintptr(f.Ret[0]), mem) < len(mem) {
			t.pointer(f.Ret[0])
			return false
		}
		v = mem
	}
	t.value(ty, v)
	switch {
	case !c.errno:
	case ty.Kind == cproto.Int && ty.Signed:
		return signed(ty, v) == -1
	case ty.Kind == cproto.Pointer:
		return word(v) == 0 && nullErrno[c.name] || word(v) == ^uint64(0)
	}
	return false
}

// load appends the value that lies somewhere in a call to b.
func load(h cproto.Home, f *native.CallFrame, b []byte) []byte {
	for _, p := range h.Parts {
		var w uint64
		switch p.In {
		case cproto.IntReg:
			w = f.Int[p.N]
		case cproto.FloatReg:
			w = f.Float[p.N]
		case cproto.Memory8:
			w = *(*uint64)(unsafe.Add(unsafe.Pointer(f.Stack), 8*p.N))
		}
		b = append(b, (*[8]byte)(unsafe.Pointer(&w))[:]...)
	}
	return b
}

// readableWords returns how many words above the return address can be read, at most words32.
func readableWords(f *native.CallFrame) int {
	var b [8 * words32]byte
	return peek(uintptr(unsafe.Pointer(f.Stack)), b[:]) / 8
}
