package abi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"weld/native/abi/internal/abitest"
)

// fewer is how many of n generated signatures short tests try.
func fewer(n int) int {
	if testing.Short() {
		return n / 4
	}
	return n
}

// table ends a C source with the table of its n functions.
func (c *cSource) table(n int) []byte {
	c.WriteString("typedef void (*function)(void);\nstatic const function functions[] = {\n")
	for i := range n {
		fmt.Fprintf(c, "\t(function)f%d,\n", i)
	}
	c.WriteString("};\n")
	return c.Bytes()
}

// dumper writes function n: it dumps its arguments, then va, and makes its
// result of the bytes it is given.
func (c *cSource) dumper(n int, t reflect.Type, params []reflect.Type, va string) {
	ret := "void"
	result := cResult(t)
	if result != nil {
		ret = c.typeName(result)
	}
	var decl []string
	body := ""
	for i, p := range params {
		decl = append(decl, fmt.Sprintf("%s a%d", c.typeName(p), i))
		body += c.each("D", fmt.Sprintf("a%d", i), p)
	}
	if va != "" {
		decl = append(decl, "...")
		body += fmt.Sprintf(" va_list ap; va_start(ap, a%d); %s va_end(ap);", len(params)-1, va)
	} else if len(decl) == 0 {
		decl = []string{"void"}
	}
	if result != nil {
		body = fmt.Sprintf(" %s r; JUNK(r);%s%s return r;", ret, body, c.each("G", "r", result))
	}
	fmt.Fprintf(c, "static %s f%d(%s) {%s }\n", ret, n, strings.Join(decl, ", "), body)
}

// called is a call made of a Go frame, and what its answer must be.
type called struct {
	plan *Plan
	dump []byte
	res  []byte
	c    *CFrame
}

// call converts the arguments of a call of function n, through v if it is
// variadic, and adds the request.
func (r *request) call(n int, g typeGen, p *Plan, f *GoFrame, dump []byte, v *VarPlan) called {
	words := p.StackWords
	if v != nil {
		words = v.StackWords
	}
	c := junkFrame(words, p.SRetSize)
	sret := c.SRet
	p.ToC(f, c)
	type str struct {
		loc Loc
		s   []byte
	}
	var strs []str
	for _, s := range p.Strings {
		at := (*string)(s.Go.Addr(f, c))
		strs = append(strs, str{s.C, []byte(*at)})
	}
	if v != nil {
		v.ToC(c)
		for _, s := range v.Strings {
			strs = append(strs, str{s.C, []byte(s.S)})
		}
	}
	res := called{plan: p, dump: dump, c: c}
	if rt := cResult(p.Type); rt != nil {
		res.res = leafBytes(g.newValue(rt))
	}
	if p.SRetSize != 0 && c.Int[0] != uint64(uintptr(sret)) {
		panic("SRet is not the first argument")
	}
	if c.NStack != uint64(words) || unsafe.Slice(c.Stack, words+1)[words] != 0xdbdbdbdbdbdbdbdb {
		panic("wrong number of memory words")
	}
	r.words(0, uint64(n))
	r.frame(c, words)
	r.words(uint64(p.SRetSize), uint64(len(strs)))
	for _, s := range strs {
		r.slot(s.loc)
		r.blob(s.s)
	}
	r.blob(res.res)
	return res
}

// check compares the driver's answer to a call.
func (r *reply) check(n int, d called) {
	dump := r.blob()
	r.words(d.c.Ret[:])
	r.words(d.c.FRet[:])
	same := r.word()
	mem := r.blob()
	copy(memory(d.c.SRet, uintptr(len(mem))), mem)
	if !bytes.Equal(dump, d.dump) {
		r.t.Errorf("%d: %v: C saw arguments\n%x, want\n%x", n, d.plan.Type, dump, d.dump)
	}
	if (d.plan.SRetSize != 0) != (same == 1) {
		r.t.Errorf("%d: %v: result address not returned", n, d.plan.Type)
	}
	stack := make([]uint64, d.plan.GoStackBytes/8+1)
	for i := range stack {
		stack[i] = 0xa5a5a5a5a5a5a5a5
	}
	g := &GoFrame{Stack: unsafe.Pointer(&stack[0])}
	d.plan.FromC(d.c, g)
	if stack[len(stack)-1] != 0xa5a5a5a5a5a5a5a5 {
		r.t.Errorf("%d: %v: FromC wrote beyond the stack area", n, d.plan.Type)
	}
	if d.plan.Errno {
		*(*uint64)(d.plan.ErrnoLoc.Addr(g, nil)) = uint64(n)
	}
	out := returns(d.plan, g)
	if cResult(d.plan.Type) != nil {
		if got := leafBytes(out[0]); !bytes.Equal(got, d.res) {
			r.t.Errorf("%d: %v: result %x, want %x", n, d.plan.Type, got, d.res)
		}
	}
	if d.plan.Errno && out[len(out)-1].Uint() != uint64(n) {
		r.t.Errorf("%d: %v: errno %d, want %d", n, d.plan.Type, out[len(out)-1].Uint(), n)
	}
}

// TestCall calls C functions compiled by gcc through plans.
func TestCall(t *testing.T) {
	sigs := fewer(600)
	g := newGen(10)
	var src cSource
	var req request
	var all []called
	for n := range sigs {
		ty := g.cSig(Call)
		p, err := New(ty, Call)
		if err != nil {
			t.Fatal(err)
		}
		var params []reflect.Type
		var vals []reflect.Value
		var dump []byte
		for i := range ty.NumIn() {
			a := g.arg(ty.In(i))
			params = append(params, ty.In(i))
			vals = append(vals, a.val)
			dump = append(dump, a.dump...)
		}
		src.dumper(n, ty, params, "")
		f := spill(p, vals)
		all = append(all, req.call(n, g, p, f, dump, nil))
		runtime.KeepAlive(vals)
	}
	rep := runDriver(t, src.table(sigs), req.Bytes())
	for n, d := range all {
		rep.check(n, d)
	}
}

// variableArg makes a variable argument, and the C code that dumps it.
func (g typeGen) variableArg(c *cSource) (any, string, []byte) {
	t := g.value()
	switch g.IntN(12) {
	case 0:
		t = stringType
	case 1:
		t = sliceType
	case 2:
		return nil, " { void *v = va_arg(ap, void *); D(v); }", make([]byte, 8)
	case 3:
		a := &fixedAddr{uintptr(nowhere + g.IntN(1000))}
		return a, " { void *v = va_arg(ap, void *); D(v); }", binary.LittleEndian.AppendUint64(nil, uint64(a.at))
	}
	if t.Kind() == reflect.Struct && whyNotParam(t, Call) != "" {
		t = g.scalar()
	}
	a := g.arg(t)
	name, dump := c.typeName(t), a.dump
	promoted := func(n string, v any) {
		b, _ := binary.Append(nil, binary.LittleEndian, v)
		name, dump = n, b
	}
	switch t.Kind() {
	case reflect.Bool:
		promoted("int", int32(truthOf(a.val.Bool())))
	case reflect.Int8, reflect.Int16:
		promoted("int", int32(a.val.Int()))
	case reflect.Uint8, reflect.Uint16:
		promoted("int", int32(a.val.Uint()))
	case reflect.Float32:
		promoted("double", a.val.Float())
	}
	code := fmt.Sprintf(" { %s v = va_arg(ap, %s);%s }", name, name, c.each("D", "v", t))
	if t.Kind() != reflect.Struct && t.Kind() != reflect.String {
		code = fmt.Sprintf(" { %s v = va_arg(ap, %s); D(v); }", name, name)
	}
	return a.val.Interface(), code, dump
}

type fixedAddr struct{ at uintptr }

func (a *fixedAddr) Addr() uintptr { return a.at }

// TestCallVariadic calls variadic C functions compiled by gcc through plans.
func TestCallVariadic(t *testing.T) {
	sigs := fewer(300)
	g := newGen(11)
	var src cSource
	var req request
	var all []called
	for n := range sigs {
		fixed := g.cSig(Call)
		var params, out []reflect.Type
		var vals []reflect.Value
		var dump []byte
		for i := range fixed.NumIn() {
			params = append(params, fixed.In(i))
		}
		if len(params) == 0 {
			params = append(params, g.scalar())
		}
		last := len(params) - 1
		// C leaves va_start undefined after a parameter of promoted type.
		for params[last].Size() < 8 {
			params[last] = g.scalar()
		}
		for _, ty := range params {
			a := g.arg(ty)
			vals = append(vals, a.val)
			dump = append(dump, a.dump...)
		}
		for i := range fixed.NumOut() {
			out = append(out, fixed.Out(i))
		}
		ty := reflect.FuncOf(append(params, reflect.TypeFor[[]any]()), out, true)
		p, err := New(ty, Call)
		if err != nil {
			t.Fatal(err)
		}
		var va []any
		code := " "
		for range g.IntN(12) {
			v, c, d := g.variableArg(&src)
			va = append(va, v)
			code += c
			dump = append(dump, d...)
		}
		src.dumper(n, ty, params, code)
		vals = append(vals, reflect.ValueOf(va))
		f := spill(p, vals)
		v, err := p.PlanVariadic(p.VarArgs(f))
		if err != nil {
			t.Fatalf("%v %v: %v", ty, va, err)
		}
		all = append(all, req.call(n, g, p, f, dump, v))
		runtime.KeepAlive(vals)
	}
	rep := runDriver(t, src.table(sigs), req.Bytes())
	for n, d := range all {
		rep.check(n, d)
	}
}

// TestCallback has C code compiled by gcc call Go funcs made by reflect.
func TestCallback(t *testing.T) {
	sigs := fewer(500)
	type callback struct {
		plan *Plan
		fn   *reflect.Value
		args *[]reflect.Value // what fn received
		want [][]byte
		res  []byte
	}
	g := newGen(12)
	var src cSource
	var req request
	var all []callback
	for n := range sigs {
		ty := g.cSig(Callback)
		p, err := New(ty, Callback)
		if err != nil {
			t.Fatal(err)
		}
		ret, take, give := "void", "", ""
		cb := callback{plan: p, args: new([]reflect.Value)}
		var results []reflect.Value
		if rt := cResult(ty); rt != nil {
			ret = src.typeName(rt)
			results = append(results, g.newValue(rt))
			cb.res = leafBytes(results[0])
			take, give = ret+" r = ", src.each("D", "r", rt)
		}
		if p.Errno {
			results = append(results, reflect.Zero(errnoType))
		}
		fn := reflect.New(ty)
		fn.Elem().Set(reflect.MakeFunc(ty, func(args []reflect.Value) []reflect.Value {
			*cb.args = args
			return results
		}))
		cb.fn = &fn

		var decls, types, names []string
		var input []byte
		for i := range ty.NumIn() {
			a := g.arg(ty.In(i))
			cb.want = append(cb.want, a.dump)
			input = append(input, a.dump...)
			name := fmt.Sprintf("a%d", i)
			names = append(names, name)
			types = append(types, src.typeName(ty.In(i)))
			decls = append(decls, fmt.Sprintf(" %s %s; JUNK(%s);%s", types[i], name, name, src.each("G", name, ty.In(i))))
		}
		if len(types) == 0 {
			types = []string{"void"}
		}
		fmt.Fprintf(&src, "static void f%d(void) {%s %s((%s (*)(%s))callback)(%s);%s }\n", n,
			strings.Join(decls, ""), take, ret, strings.Join(types, ", "), strings.Join(names, ", "), give)

		// The result does not depend on the arguments: make it first.
		c := junkFrame(p.StackWords, p.SRetSize)
		sret := c.SRet
		c.Int[0] = uint64(uintptr(sret))
		goStack := make([]uint64, abitest.MaxStack/8)
		f := &GoFrame{Stack: unsafe.Pointer(&goStack[0])}
		regs := abitest.Regs{}
		abitest.Call(*(*unsafe.Pointer)(fn.UnsafePointer()), &regs, f.Stack, p.GoStackBytes)
		f.Int, f.Float = regs.Int, regs.Float
		c.SRet = sret
		p.ToCResult(f, c)
		if p.SRetSize != 0 {
			if c.Ret[0] != uint64(uintptr(sret)) {
				t.Errorf("%d: %v: rax is not the result address", n, ty)
			}
			for i, b := range memory(unsafe.Add(sret, p.SRetSize), 8) {
				if b != 0xdb {
					t.Errorf("%d: %v: byte %d after the result was written", n, ty, i)
				}
			}
		}
		req.words(1, uint64(n))
		req.frame(c, 0)
		req.words(uint64(p.SRetSize))
		req.blob(memory(sret, p.SRetSize))
		req.words(uint64(p.StackWords), uint64(len(p.Strings)))
		for _, s := range p.Strings {
			req.slot(s.C)
		}
		req.blob(input)
		all = append(all, cb)
	}
	rep := runDriver(t, src.table(sigs), req.Bytes())
	for n, cb := range all {
		p := cb.plan
		res := rep.blob()
		c := &CFrame{}
		rep.words(c.Int[:])
		rep.words(c.Float[:])
		cstack := make([]uint64, p.StackWords+1)
		rep.words(cstack[:p.StackWords])
		goStack := make([]uint64, abitest.MaxStack/8)
		f := &GoFrame{Stack: unsafe.Pointer(&goStack[0])}
		goStack[p.GoStackBytes/8] = 0xa5
		p.FromCArgs(c, &cstack[0], f)
		if goStack[p.GoStackBytes/8] != 0xa5 {
			t.Errorf("%d: %v: FromCArgs wrote beyond the stack area", n, p.Type)
		}
		if p.SRetSize != 0 && uint64(uintptr(c.SRet)) != c.Int[0] {
			t.Errorf("%d: %v: SRet not recorded", n, p.Type)
		}
		var strs []string
		for _, s := range p.Strings {
			at := (*string)(s.Go.Addr(f, nil))
			if *at != "" {
				t.Errorf("%d: %v: string not empty", n, p.Type)
			}
			strs = append(strs, string(rep.blob()))
			*at = strs[len(strs)-1]
		}
		regs := abitest.Regs{Int: f.Int, Float: f.Float}
		abitest.Call(*(*unsafe.Pointer)(cb.fn.UnsafePointer()), &regs, f.Stack, p.GoStackBytes)
		for i, v := range *cb.args {
			got := leafBytes(v)
			if v.Kind() == reflect.String {
				got = stringDump(v.String())
			}
			if !bytes.Equal(got, cb.want[i]) {
				t.Errorf("%d: %v: Go saw argument #%d as %x, want %x", n, p.Type, i+1, got, cb.want[i])
			}
		}
		if !bytes.Equal(res, cb.res) {
			t.Errorf("%d: %v: C saw result %x, want %x", n, p.Type, res, cb.res)
		}
		runtime.KeepAlive(strs)
	}
}
