package link

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of [FileError], for errors.Is. ErrWarning is returned as it is.
var (
	ErrFormat    = errors.New("not a file that can be linked")
	ErrTruncated = errors.New("truncated")
	ErrMachine   = errors.New("wrong machine")
	ErrLTO       = errors.New("an LTO object without code")
	ErrScript    = errors.New("a linker script that is not supported")
	ErrNotFound  = errors.New("not found")
	ErrReloc     = errors.New("a relocation that cannot be done")
	ErrTooLarge  = errors.New("too large")
	ErrWarning   = errors.New("there were warnings, which are errors")
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
	Function string // the function or variable whose range the place is in, if any
	Source   string // file:line of the source, "" if no debug information says it

	mangled bool
}

func (r Ref) String() string {
	s := r.File
	if r.Section != "" {
		s = fmt.Sprintf("%s:(%s+%#x)", r.File, r.Section, r.Offset)
	}
	if r.Function != "" {
		s += " in " + spell(r.Function, r.mangled)
	}
	if r.Source != "" {
		s = r.Source + " (" + s + ")"
	}
	return s
}

// spell returns a name as its language has it, or as it is.
func spell(name string, mangled bool) string {
	if mangled {
		return name
	}
	return demangleName(name)
}

// newRef makes a Ref that does not share memory with the inputs, which are unmapped when the link ends.
func newRef(file, section string, off uint64, function string) Ref {
	return Ref{File: strings.Clone(file), Section: strings.Clone(section), Offset: off, Function: strings.Clone(function)}
}

// An UndefinedError is a symbol that is referred to and not defined.
type UndefinedError struct {
	Symbol  string
	Hidden  bool   // a definition in a shared library does not count, as the symbol is hidden
	Refs    []Ref  // the first few references, and the first one of each further file
	More    int    // the number of further references
	Hint    string // what could be wrong, such as a name that differs by a letter; "" if nothing is known
	Mangled bool   // Error writes names as they are in the files
}

func (e *UndefinedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "undefined symbol: %s", readable(e.Symbol, e.Mangled))
	if e.Hidden {
		b.WriteString(" (hidden: only an object could define it)")
	}
	for _, r := range e.Refs {
		fmt.Fprintf(&b, "\n\treferenced by %s", r)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n\treferenced %d more times", e.More)
	}
	if e.Hint != "" {
		b.WriteString("\n\t" + e.Hint)
	}
	return b.String()
}

// readable returns a name as its language has it, with the symbol behind it if that differs.
func readable(symbol string, mangled bool) string {
	if d := spell(symbol, mangled); d != symbol {
		return d + " (" + symbol + ")"
	}
	return symbol
}

// A DuplicateError is a symbol with two strong definitions.
type DuplicateError struct {
	Symbol        string
	First, Second Ref
	Mangled       bool // Error writes names as they are in the files
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("duplicate symbol: %s\n\tdefined at %s\n\tdefined at %s", readable(e.Symbol, e.Mangled), e.First, e.Second)
}

// An OptionError is a setting of [Options] that cannot be honoured.
type OptionError struct {
	Option string
	What   string
}

func (e *OptionError) Error() string { return e.Option + ": " + e.What }

// A MoreError stands for errors beyond [Options.ErrorLimit].
type MoreError struct {
	Count int
	What  string // what there are more of
}

func (e *MoreError) Error() string {
	return fmt.Sprintf("%d more %s (the limit of errors is reached)", e.Count, e.What)
}

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

// more adds that there are n more errors, if n is not 0.
func (l *errorList) more(n int, what string) {
	if n > 0 {
		l.add(&MoreError{n, what})
	}
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
