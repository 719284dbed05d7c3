package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"weld"
	"weld/ctype"
	"weld/image/elf"
	"weld/internal/cproto"
)

type callCmd struct {
	JSON    bool     `help:"Print a JSON object with result, type, out and errno."`
	Errno   bool     `help:"Print errno after the call as well."`
	LibPath []string `name:"lib-path" placeholder:"DIR" sep:"none" help:"Search DIR for libraries first. May be given several times."`

	Lib  string   `arg:"" help:"The library: a path with a slash, or a soname such as libm.so.6."`
	Call []string `arg:"" name:"prototype" passthrough:"partial" help:"The C prototype of the function, as one word, or its name alone if there is debugging information; then an argument for each parameter."`
}

// Help is the second part of weld call --help.
func (*callCmd) Help() string {
	return `Examples:

    weld call libm.so.6 'double cos(double)' 0
    weld call libc.so.6 'int printf(const char *, ...)' '%s %d %.2f\n' hi 42 3.5
    weld call libm.so.6 'double frexp(double, int *exp)' 8 _
    weld call libc.so.6 'long strtol(const char *s, char **end, int base)' 12abc _ 10
    weld call libc.so.6 'div_t div(int, int)' 17 5
    weld call ./libmine.so add 2 3

All that follows LIB and PROTOTYPE is passed on, a negative number or --word too. Arguments, by the type of the parameter:

    integer     42, -1, 0x2a, 0o52, 0b101010, 'c', an enumerator
    floating    2.5, 1e-3, 0x1p-2, inf, nan; complex: 1+2i
    char *      the text, with backslash escapes (\n, \x41, \0, \@); @FILE: the file's bytes
    void *      as char *; 0x1000 is an address
    int * etc.  a value, values in braces {1,2,3}, _ for zero, _N for N zeros
    char *      _N for a zeroed buffer of N bytes; the same for void * and undescribed structs
    struct      {1,2.5}, if its members are in the prototype: struct p { int x; double y; }
    pointers    NULL; to functions and undescribed types also an address

What a pointer that is not const points to is printed after the call, as *NAME = value. In the place of the "..." the type is guessed
from the text (int, long, double, string); (long)5 forces it.

The result comes first, in one line, unless it is void. What the function prints comes before it.`
}

// outcome is the result of a call.
type outcome struct {
	Result    any            `json:"result"`
	Type      string         `json:"type"`
	Out       map[string]any `json:"out"`
	Errno     int            `json:"errno"`
	ErrnoText string         `json:"errno_text,omitempty"`
}

func (c *callCmd) Run(s *streams) error {
	if c.Lib == "" {
		return usageError{errors.New("the name of the library is empty")}
	}
	var lib *weld.Library
	text := c.Call[0]
	if isName(text) {
		var err error
		if lib, err = openLibrary(c.Lib, c.LibPath); err != nil {
			return err
		}
		if text, err = knownPrototype(lib, text); err != nil {
			return err
		}
	}
	proto, err := cproto.Parse(text)
	if err != nil {
		return usageError{fmt.Errorf("prototype: %w", err)}
	}
	args, err := proto.Args(c.Call[1:])
	if err != nil {
		if errors.As(err, new(*os.PathError)) {
			return err
		}
		return usageError{err}
	}
	if lib == nil {
		if lib, err = openLibrary(c.Lib, c.LibPath); err != nil {
			return err
		}
	}
	sym, err := lib.Lookup(proto.Name)
	if err != nil {
		return err
	}
	if sym.Type == elf.STT_OBJECT || sym.Type == elf.STT_TLS {
		return fmt.Errorf("%s of %s is a variable, not a function", proto.Name, c.Lib)
	}
	fn, err := weld.MakeFunc(sym.Addr, proto.GoType(true))
	if err != nil {
		return err
	}
	var in []reflect.Value
	for _, a := range args {
		in = append(in, a.Go())
	}
	out := fn.Call(in)
	weld.Flush() // what C code has printed comes before what is printed here
	// The memory of the arguments is passed by address only.
	defer runtime.KeepAlive(args)

	memory, err := newMemoryReader()
	if err != nil {
		return err
	}
	defer memory.Close()
	errno := out[len(out)-1].Interface().(syscall.Errno)
	if c.JSON {
		return c.printJSON(s.out, proto, args, out, memory.read, errno)
	}
	return c.printText(s.out, proto, args, out, memory.read, errno)
}

// isName reports whether s is the name of a function and nothing else.
func isName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// knownPrototype returns the prototype of a function by the library's debugging information.
func knownPrototype(lib *weld.Library, name string) (string, error) {
	k, err := lib.TypeOf(name)
	if err != nil {
		if errors.As(err, new(*ctype.UnknownError)) {
			return "", usageError{fmt.Errorf("%w: give its prototype, such as 'double %s(double x)'", err, name)}
		}
		return "", err
	}
	if k.Type.Kind != ctype.Func {
		return "", fmt.Errorf("%s is a variable, not a function", name)
	}
	return ctype.Prototype(k.Type, name)
}

func (c *callCmd) printText(w io.Writer, proto *cproto.Prototype, args []*cproto.Value, out []reflect.Value, memory cproto.Memory, errno syscall.Errno) error {
	var b strings.Builder
	if t := proto.Result; t.Kind != cproto.Void {
		text := memory.Text(t, cproto.Bytes(out[0]))
		if t.IsString() {
			if s, err := strconv.Unquote(text); err == nil {
				text = s
			}
		}
		b.WriteString(text + "\n")
	}
	for _, a := range args {
		if a.Out() {
			fmt.Fprintf(&b, "*%s = %s\n", a.Name, a.OutText(memory))
		}
	}
	if c.Errno {
		fmt.Fprintf(&b, "errno = %d", int(errno))
		if errno != 0 {
			fmt.Fprintf(&b, " (%v)", errno)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *callCmd) printJSON(w io.Writer, proto *cproto.Prototype, args []*cproto.Value, out []reflect.Value, memory cproto.Memory, errno syscall.Errno) error {
	o := outcome{Type: proto.Result.String(), Out: map[string]any{}}
	if proto.Result.Kind != cproto.Void {
		o.Result = memory.JSON(proto.Result, cproto.Bytes(out[0]))
	}
	for _, a := range args {
		if a.Out() {
			o.Out[a.Name] = a.OutJSON(memory)
		}
	}
	if o.Errno = int(errno); errno != 0 {
		o.ErrnoText = errno.Error()
	}
	return writeJSON(w, o, "")
}

// writeJSON writes v, in one line if indent is empty.
func writeJSON(w io.Writer, v any, indent string) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	return e.Encode(v)
}

// openLibrary opens a library, with dirs searched before the places that are searched anyway.
func openLibrary(name string, dirs []string) (*weld.Library, error) {
	if len(dirs) == 0 {
		return weld.Open(name)
	}
	ns, err := weld.NewNamespace(weld.Config{Path: dirs})
	if err != nil {
		return nil, err
	}
	return ns.Open(name)
}
