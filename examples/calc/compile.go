package main

import (
	"fmt"

	"weld/live"
)

// compiler is the state of one function.
type compiler struct {
	*calc
	f     *fn
	c     *code
	vars  map[string]int
	lines []live.Line
}

// compile returns the code of a function and its line table. Every variable has a place in the frame, which %rbp leads to.
func (c *calc) compile(f *fn) (*code, []live.Line, error) {
	k := &compiler{calc: c, f: f, c: &code{}, vars: map[string]int{}}
	k.mark(f.line)
	k.c.emit(0x55, 0x48, 0x89, 0xe5) // push %rbp; mov %rsp, %rbp
	k.c.emit(0x48, 0x81, 0xec)       // sub $size, %rsp
	size := len(k.c.b)
	k.c.word32(0)
	for i, name := range f.params {
		k.vars[name] = i
		k.c.emit(saveArg[i]...)
		k.c.word32(int32(-8 * (i + 1)))
	}
	if err := k.block(f.body); err != nil {
		return nil, nil, err
	}
	k.mark(f.end)
	k.c.emit(0x31, 0xc0) // xor %eax, %eax
	k.leave()
	n := len(k.vars) + len(k.vars)%2
	k.c.b[size], k.c.b[size+1] = byte(n*8), byte(n*8>>8)
	return k.c, k.lines, nil
}

// mark says that what follows is of a line.
func (k *compiler) mark(line int) {
	at := len(k.c.b)
	if n := len(k.lines); n > 0 && k.lines[n-1].Offset == at {
		k.lines = k.lines[:n-1]
	}
	k.lines = append(k.lines, live.Line{Offset: at, File: k.f.file, Line: line})
}

func (k *compiler) leave() { k.c.emit(0xc9, 0xc3) } // leave; ret

func (k *compiler) fail(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", k.f.file, line, fmt.Sprintf(format, args...))
}

func (k *compiler) block(list []stmt) error {
	for i := range list {
		if err := k.stmt(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (k *compiler) stmt(s *stmt) error {
	k.mark(s.line)
	top := len(k.c.b)
	if err := k.expr(s.e, s.line); err != nil { // its value is in %rax
		return err
	}
	switch s.kind {
	case assign:
		i, ok := k.vars[s.name]
		if !ok {
			i = len(k.vars)
			k.vars[s.name] = i
		}
		k.c.store(i)
	case ret:
		k.leave()
	case show:
		k.c.emit(0x48, 0x89, 0xc7) // mov %rax, %rdi
		k.c.far(k.print)
	case branch, loop:
		k.c.emit(0x48, 0x85, 0xc0) // test %rax, %rax
		out := k.c.jump(0x0f, 0x84)
		if err := k.block(s.body); err != nil {
			return err
		}
		if s.kind == loop {
			k.mark(s.end)
			k.c.back(top)
		}
		k.c.land(out)
	}
	return nil
}

// expr computes an expression into %rax.
func (k *compiler) expr(e *expr, line int) error {
	c := k.c
	switch e.op {
	case "number":
		c.constant(e.value)
		return nil
	case "name":
		i, ok := k.vars[e.name]
		if !ok {
			return k.fail(line, "%s has no value", e.name)
		}
		c.load(i)
		return nil
	case "call":
		return k.call(e, line)
	}
	for _, a := range e.args {
		if err := k.expr(a, line); err != nil {
			return err
		}
		c.push()
	}
	c.emit(0x59) // pop %rcx
	c.depth--
	c.pop()
	switch e.op {
	case "+":
		c.emit(0x48, 0x01, 0xc8)
	case "-":
		c.emit(0x48, 0x29, 0xc8)
	case "*":
		c.emit(0x48, 0x0f, 0xaf, 0xc1)
	case "/", "%":
		c.emit(0x48, 0x85, 0xc9) // test %rcx, %rcx
		ok := c.jump(0x0f, 0x85)
		c.aligned(func() { c.far(k.divide) })
		c.land(ok)
		// The least number by -1 would be a fault too.
		c.emit(0x48, 0x83, 0xf9, 0xff) // cmp $-1, %rcx
		ordinary := c.jump(0x0f, 0x85)
		if e.op == "/" {
			c.emit(0x48, 0xf7, 0xd8) // neg %rax
		} else {
			c.emit(0x31, 0xc0)
		}
		done := c.jump(0xe9)
		c.land(ordinary)
		c.emit(0x48, 0x99, 0x48, 0xf7, 0xf9) // cqto; idiv %rcx
		if e.op == "%" {
			c.emit(0x48, 0x89, 0xd0)
		}
		c.land(done)
	default:
		set := map[string]byte{"<": 0x9c, ">": 0x9f, "==": 0x94}[e.op]
		c.emit(0x48, 0x39, 0xc8, 0x0f, set, 0xc0, 0x0f, 0xb6, 0xc0) // cmp %rcx, %rax; setcc %al; movzbl %al, %eax
	}
	return nil
}

// call computes a call by way of the object's PLT: so it reaches what has the name when it is made.
func (k *compiler) call(e *expr, line int) (err error) {
	c := k.c
	c.aligned(func() {
		before := c.depth
		c.depth += c.depth % 2
		defer func() { c.depth = before }()
		for _, a := range e.args {
			if err = k.expr(a, line); err != nil {
				return
			}
			c.push()
		}
		for i := len(e.args) - 1; i >= 0; i-- {
			c.emit(popArg[i]...)
			c.depth--
		}
		if e.name == "load" && len(e.args) == 1 {
			c.far(k.loads)
			return
		}
		m, e := k.object.Import(e.name, live.Weak)
		if err = e; err != nil {
			return
		}
		c.constant(int64(m.Slot()))
		c.emit(0x48, 0x83, 0x38, 0x00) // cmpq $0, (%rax)
		ok := c.jump(0x0f, 0x85)
		c.far(k.missing)
		c.land(ok)
		c.near(m.PLT())
	})
	return err
}
