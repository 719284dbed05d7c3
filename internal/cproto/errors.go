package cproto

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrUnsupported is what errors.Is finds in a [SyntaxError] for C that is well formed but that this package does not
// handle, such as a long double passed by value or a bit-field.
var ErrUnsupported = errors.New("not supported")

// SyntaxError says that a text is not a C prototype or type this package takes, and where.
type SyntaxError struct {
	Input string // the whole text
	Col   int    // the place in it: bytes, from 1
	What  string // what is wrong
	Err   error  // ErrUnsupported or nil
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Col, e.What) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// Format prints Error(); the verb %+v adds the line of the input with a caret under the place.
func (e *SyntaxError) Format(s fmt.State, verb rune) {
	io.WriteString(s, e.Error())
	if verb == 'v' && s.Flag('+') {
		io.WriteString(s, "\n"+e.caret())
	}
}

func (e *SyntaxError) caret() string {
	at := max(0, min(e.Col-1, len(e.Input)))
	begin := strings.LastIndexByte(e.Input[:at], '\n') + 1
	end := len(e.Input)
	if i := strings.IndexByte(e.Input[at:], '\n'); i >= 0 {
		end = at + i
	}
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, e.Input[begin:at])
	return "  " + e.Input[begin:end] + "\n  " + pad + "^"
}

// ArgError says that a text is not a value of the C type it was given for.
type ArgError struct {
	Type string // the C type
	Text string // the argument as given
	What string // what is wrong
	Err  error  // the cause, where there is one: of reading a file, say
}

func (e *ArgError) Error() string {
	s := fmt.Sprintf("%q is no %s: %s", e.Text, e.Type, e.What)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *ArgError) Unwrap() error { return e.Err }
