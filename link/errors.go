package link

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of [FileError], for errors.Is.
var (
	ErrFormat    = errors.New("not a file that can be linked")
	ErrTruncated = errors.New("truncated")
	ErrMachine   = errors.New("wrong machine")
	ErrLTO       = errors.New("an LTO object without code")
	ErrScript    = errors.New("a linker script that is not supported")
	ErrNotFound  = errors.New("not found")
	ErrReloc     = errors.New("a relocation that cannot be done")
	ErrTooLarge  = errors.New("too large")
)

// A FileError says what is wrong with an input, and where.
type FileError struct {
	File  string // the path or name of the input; of a member of an archive, archive(member)
	Place string // the section, offset, symbol or line; "" if it is the whole file
	What  string // what is wrong, and what was wanted
	Kind  error  // one of the Err variables or a cause; reported by Unwrap
}

func (e *FileError) Error() string {
	if e.Place == "" {
		return e.File + ": " + e.What
	}
	return e.File + ": " + e.Place + ": " + e.What
}

// Unwrap returns Kind.
func (e *FileError) Unwrap() error { return e.Kind }

func fileErr(kind error, file, place, format string, args ...any) error {
	return &FileError{File: file, Place: place, What: fmt.Sprintf(format, args...), Kind: kind}
}

// A Ref is a place in an input that refers to a symbol or defines it.
type Ref struct {
	File     string
	Section  string // "" for a place in a shared library, a common or an absolute symbol
	Offset   uint64 // in the section
	Function string // the symbol whose range the place is in, if any
}

func (r Ref) String() string {
	switch {
	case r.Section == "":
		return r.File
	case r.Function != "":
		return fmt.Sprintf("%s:(%s+%#x) in %s", r.File, r.Section, r.Offset, demangleName(r.Function))
	}
	return fmt.Sprintf("%s:(%s+%#x)", r.File, r.Section, r.Offset)
}

// newRef makes a Ref that does not share memory with the inputs, which are unmapped when the link ends.
func newRef(file, section string, off uint64, function string) Ref {
	return Ref{strings.Clone(file), strings.Clone(section), off, strings.Clone(function)}
}

// An UndefinedError is a symbol that is referred to and not defined.
type UndefinedError struct {
	Symbol string
	Hidden bool  // a definition in a shared library does not count, as the symbol is hidden
	Refs   []Ref // the first few references
	More   int   // the number of further references
}

func (e *UndefinedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "undefined symbol: %s", readable(e.Symbol))
	if e.Hidden {
		b.WriteString(" (hidden: only an object could define it)")
	}
	for _, r := range e.Refs {
		fmt.Fprintf(&b, "\n\treferenced by %s", r)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n\treferenced %d more times", e.More)
	}
	return b.String()
}

// readable returns a name as its language has it, with the symbol behind it if that differs.
func readable(symbol string) string {
	if d := demangleName(symbol); d != symbol {
		return d + " (" + symbol + ")"
	}
	return symbol
}

// A DuplicateError is a symbol with two strong definitions.
type DuplicateError struct {
	Symbol        string
	First, Second Ref
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("duplicate symbol: %s\n\tdefined at %s\n\tdefined at %s", readable(e.Symbol), e.First, e.Second)
}

// An OptionError is a setting of [Options] that cannot be honoured.
type OptionError struct {
	Option string
	What   string
}

func (e *OptionError) Error() string { return e.Option + ": " + e.What }

// Errors are all the errors of one pass.
type Errors []error

func (e Errors) Error() string {
	s := make([]string, len(e))
	for i, err := range e {
		s[i] = err.Error()
	}
	return strings.Join(s, "\n")
}

// Unwrap returns the errors.
func (e Errors) Unwrap() []error { return e }

// errorList collects the errors of a pass.
type errorList []error

func (l *errorList) add(err error) {
	if err == nil {
		return
	}
	if list, ok := err.(Errors); ok {
		*l = append(*l, list...)
		return
	}
	*l = append(*l, err)
}

func (l errorList) err() error {
	switch len(l) {
	case 0:
		return nil
	case 1:
		return l[0]
	}
	return Errors(l)
}
