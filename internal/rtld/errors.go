package rtld

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"weld/image/elf"
	"weld/internal/search"
)

var (
	// ErrNotFound is in the error of a lookup or an open that found nothing.
	ErrNotFound = errors.New("not found")
	// ErrClosed is returned by what needs a library that was closed.
	ErrClosed = errors.New("library is closed")
	// ErrUnsupported is in the error of what weld does not do.
	ErrUnsupported = errors.New("not supported")
)

// OpenError says why a library could not be opened. Err tells what was wrong; with it errors.As finds an
// *elf.FormatError, *search.NotFoundError, *UndefinedError, *VersionError, *RelocError or *native.LibcError.
type OpenError struct {
	Name     string   // as asked for
	Path     string   // the file, if one was found
	NeededBy string   // path of the object that needs it, "" for the one that was opened
	Tried    []string // files that were tried
	Err      error
}

func (e *OpenError) Error() string {
	var b strings.Builder
	b.WriteString("open ")
	b.WriteString(e.Name)
	if e.NeededBy != "" {
		fmt.Fprintf(&b, " (needed by %s)", e.NeededBy)
	}
	b.WriteString(": ")
	var nf *search.NotFoundError
	if errors.As(e.Err, new(*MultiError)) {
		b.WriteString(e.Err.Error())
		return b.String()
	}
	if errors.As(e.Err, &nf) {
		b.WriteString("not found")
		for i, a := range nf.Tried {
			switch {
			case i == 0:
				b.WriteString("; tried ")
			case i == shownTries:
				fmt.Fprintf(&b, " and %d more", len(nf.Tried)-i)
				return b.String()
			default:
				b.WriteString(", ")
			}
			if errors.Is(a.Err, fs.ErrNotExist) {
				a.Err = nil
			}
			b.WriteString(a.String())
		}
		return b.String()
	}
	// What is wrong with a file names it; once is enough.
	b.WriteString(strings.TrimPrefix(e.Err.Error(), e.Name+": "))
	return b.String()
}

// shownTries is how many of the files that were tried an error's text names.
const shownTries = 4

func (e *OpenError) Unwrap() error { return e.Err }

// Is makes errors.Is find ErrNotFound where no file was.
func (e *OpenError) Is(target error) bool {
	var nf *search.NotFoundError
	return target == ErrNotFound && errors.As(e.Err, &nf)
}

// asOpenError makes an *OpenError of what went wrong when root, if it came to that, was opened.
func asOpenError(name string, root *Object, err error) error {
	if e, ok := err.(*OpenError); ok {
		return e
	}
	e := &OpenError{Name: name, Err: err}
	if root != nil {
		e.Path = root.Path
	}
	return e
}

func joinErrors(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return &MultiError{errs}
}

// MultiError is several errors of one open.
type MultiError struct{ Errs []error }

func (e *MultiError) Error() string {
	s := make([]string, len(e.Errs))
	for i, err := range e.Errs {
		s[i] = err.Error()
	}
	return strings.Join(s, "; ")
}

func (e *MultiError) Unwrap() []error { return e.Errs }

// SymbolError says that a symbol is not defined where it was looked for.
type SymbolError struct {
	Library string // path of the library that was asked, or that refers to the symbol
	Name    string
	Version string // "" if none was asked for
}

func (e *SymbolError) Error() string {
	return fmt.Sprintf("%s: symbol %s: not found", e.Library, versioned(e.Name, e.Version))
}

func (e *SymbolError) Is(target error) bool { return target == ErrNotFound }

func versioned(name, version string) string {
	if version == "" {
		return name
	}
	return name + "@" + version
}

// UndefinedError lists the symbols that a closure refers to and nothing defines, all at once.
type UndefinedError struct{ Symbols []SymbolError }

func (e *UndefinedError) Error() string {
	if len(e.Symbols) == 1 {
		s := e.Symbols[0]
		return fmt.Sprintf("undefined symbol %s (referred to by %s)", versioned(s.Name, s.Version), s.Library)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d undefined symbols:", len(e.Symbols))
	for i, s := range e.Symbols {
		if i == 10 {
			fmt.Fprintf(&b, " ... and %d more", len(e.Symbols)-i)
			break
		}
		fmt.Fprintf(&b, " %s (%s)", versioned(s.Name, s.Version), s.Library)
	}
	return b.String()
}

func (e *UndefinedError) Unwrap() []error {
	errs := make([]error, len(e.Symbols))
	for i := range e.Symbols {
		errs[i] = &e.Symbols[i]
	}
	return errs
}

// MissingVersion is a version that one object needs of another, which does not define it.
type MissingVersion struct{ Library, Version, NeededBy string }

// VersionError lists versions that are needed and not defined, all at once.
type VersionError struct{ Missing []MissingVersion }

func (e *VersionError) Error() string {
	var b strings.Builder
	for i, m := range e.Missing {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "version %s not found in %s (needed by %s)", m.Version, m.Library, m.NeededBy)
	}
	return b.String()
}

// RelocError says which relocation could not be applied.
type RelocError struct {
	Library string
	Offset  uint64 // r_offset, a vaddr
	Type    elf.R_X86_64
	Symbol  string
	Err     error
}

func (e *RelocError) Error() string {
	s := ""
	if e.Symbol != "" {
		s = " against " + e.Symbol
	}
	return fmt.Sprintf("%s: relocation %v at %#x%s: %v", e.Library, e.Type, e.Offset, s, e.Err)
}

func (e *RelocError) Unwrap() error { return e.Err }
