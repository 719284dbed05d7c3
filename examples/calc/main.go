// Command calc runs a small language of integers by compiling it to machine code, function by function, as it reads it. The
// code goes into a live object: so gdb, perf, and whatever else knows shared libraries, knows each function by its name and
// each instruction by its source line.
//
//	fn square(n)
//	  return n * n
//	end
//	print square(7)
//
// There are the statements NAME = EXPR, return EXPR, print EXPR, if EXPR ... end, while EXPR ... end, and a call by itself;
// the operators + - * / % < > ==, and calls. A function may be called before it is there, and defined anew at any time, also
// while it runs: whoever calls it then gets the new one. load N runs the Nth of the files that follow the first one.
//
//	calc FILE [FILE...]
//
//	main.go     this: reads, compiles and runs one definition or statement after the other
//	parse.go    the language
//	compile.go  the compiler
//	asm.go      the instructions that it knows
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"weld"
	"weld/live"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: calc FILE [FILE...]")
		os.Exit(2)
	}
	c, err := newCalc(os.Args[1:])
	if err == nil {
		err = errors.Join(c.load(0), c.close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "calc:", err)
		os.Exit(1)
	}
}

// calc is the state of a run.
type calc struct {
	files     []string
	object    *live.Object
	functions map[string]*live.Block
	replaced  []*live.Block // by what is not committed yet
	callbacks []*weld.Callback
	print     uintptr
	loads     uintptr
	divide    uintptr // called for a division by zero
	missing   uintptr // called for a call of what is not defined
}

func newCalc(files []string) (c *calc, err error) {
	c = &calc{files: files, functions: map[string]*live.Block{}}
	if c.object, err = live.New(nil, "calc", live.Options{}); err != nil {
		return nil, err
	}
	c.print = c.callback(func(n int64) int64 { fmt.Println(n); return n }, &err)
	c.divide = c.callback(func() { panic(errors.New("division by zero")) }, &err)
	c.missing = c.callback(func() { panic(errors.New("the function is not defined")) }, &err)
	c.loads = c.callback(func(n int64) int64 {
		if n < 0 || n >= int64(len(c.files)) {
			panic(fmt.Errorf("there is no file %d", n))
		}
		if err := c.load(int(n)); err != nil {
			panic(err)
		}
		return n
	}, &err)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// callback makes a Go func callable by generated code. A panic in it goes back through that, to who has called it.
func (c *calc) callback(f any, err *error) uintptr {
	cb, e := weld.NewCallback(f)
	if e != nil {
		*err = e
		return 0
	}
	c.callbacks = append(c.callbacks, cb)
	return cb.Addr()
}

func (c *calc) close() error {
	errs := []error{c.object.Close()}
	for _, cb := range c.callbacks {
		errs = append(errs, cb.Close())
	}
	return errors.Join(errs...)
}

// load runs a file.
func (c *calc) load(n int) error {
	path, err := filepath.Abs(c.files[n])
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	p := newParser(path, string(text))
	for {
		f, err := p.next()
		if err != nil || f == nil {
			return err
		}
		if err := c.define(f); err != nil {
			return err
		}
		if f.statement {
			if err := c.run(f); err != nil {
				return err
			}
		}
	}
}

// define compiles a function and gives it its name.
func (c *calc) define(f *fn) error {
	code, lines, err := c.compile(f)
	if err != nil {
		return err
	}
	b, err := c.object.Alloc(len(code.b), 16, live.Text)
	if err != nil {
		return err
	}
	if err := errors.Join(
		b.Write(0, code.link(b.Addr())),
		c.object.Bind(f.name, b, live.Lines(lines...), live.Frame(live.FramePointer), live.Replace),
	); err != nil {
		return errors.Join(err, b.Free())
	}
	if old := c.functions[f.name]; old != nil {
		c.replaced = append(c.replaced, old)
	}
	c.functions[f.name] = b
	return nil
}

// commit makes what was defined since the last time known to all, at once. What it replaces is freed: it may be running.
func (c *calc) commit() error {
	if err := c.object.Commit(); err != nil {
		return err
	}
	for _, b := range c.replaced {
		if err := b.Free(); err != nil {
			return err
		}
	}
	c.replaced = c.replaced[:0]
	return nil
}

// run calls what a statement was made into.
func (c *calc) run(f *fn) (err error) {
	if err := c.commit(); err != nil {
		return err
	}
	run, err := weld.Func[func() int64](c.object.Library(), f.name)
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s:%d: %w", f.file, f.line, e)
		}
	}()
	run()
	return nil
}
