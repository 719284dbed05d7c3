package search

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Errors by which an accept function has a file passed over: it is an ELF file of another class (32 bits, say), or for
// another processor.
var (
	ErrWrongClass   = errors.New("wrong ELF class")
	ErrWrongMachine = errors.New("ELF file for another machine")
)

// ErrNotInCache is the Err of the attempt that stands for an ld.so.cache without the name.
var ErrNotInCache = errors.New("not listed")

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = fmt.Errorf("more than %d bytes", maxFile)
	errNotDir     = errors.New("not a directory")
	errNoDefLib   = errors.New("in a default directory, which DF_1_NODEFLIB rules out")
)

// Attempt is one file that was tried.
type Attempt struct {
	Path string
	Why  string // where the directory came from: "RUNPATH of /x/y.so", "LD_LIBRARY_PATH", "ld.so.cache", ...
	Err  error  // why the file was not taken
}

func (a Attempt) String() string {
	if a.Err == nil {
		return a.Path + " (" + a.Why + ")"
	}
	return a.Path + " (" + a.Why + "): " + reason(a.Err)
}

// reason is the error without the path that a *fs.PathError would say a second time.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// NotFoundError says that no directory has the library. errors.Is finds fs.ErrNotExist in it, and ErrWrongClass or
// ErrWrongMachine when a file of that name was passed over.
type NotFoundError struct {
	Name     string
	NeededBy string // path of the object that asked; "" if none did
	Tried    []Attempt
}

const shownAttempts = 4

// Error is one line with the first few attempts. Format with %+v for all, one a line.
func (e *NotFoundError) Error() string {
	var b strings.Builder
	e.head(&b)
	shown := e.worthSaying(shownAttempts)
	for i, a := range shown {
		if i == 0 {
			b.WriteString("; tried ")
		} else {
			b.WriteString(", ")
		}
		if errors.Is(a.Err, fs.ErrNotExist) {
			a.Err = nil
		}
		b.WriteString(a.String())
	}
	if n := len(e.Tried) - len(shown); n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}

func (e *NotFoundError) head(b *strings.Builder) {
	b.WriteString(e.Name)
	b.WriteString(": shared library not found")
	if e.NeededBy != "" {
		fmt.Fprintf(b, " (needed by %s)", e.NeededBy)
	}
}

// worthSaying picks n attempts: those that failed for another reason than absence first.
func (e *NotFoundError) worthSaying(n int) []Attempt {
	if len(e.Tried) <= n {
		return e.Tried
	}
	var odd, absent []Attempt
	for _, a := range e.Tried {
		if errors.Is(a.Err, fs.ErrNotExist) || errors.Is(a.Err, ErrNotInCache) {
			absent = append(absent, a)
		} else {
			odd = append(odd, a)
		}
	}
	return append(odd, absent...)[:n]
}

// Format prints like Error, and with %+v all attempts, one a line.
func (e *NotFoundError) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('+'):
		var b strings.Builder
		e.head(&b)
		for _, a := range e.Tried {
			b.WriteString("\n\t")
			b.WriteString(a.String())
		}
		fmt.Fprint(f, b.String())
	case verb == 'q':
		fmt.Fprintf(f, "%q", e.Error())
	default:
		fmt.Fprint(f, e.Error())
	}
}

// Unwrap gives fs.ErrNotExist and what else the attempts amount to.
func (e *NotFoundError) Unwrap() []error {
	errs := []error{fs.ErrNotExist}
	for _, kind := range []error{ErrWrongClass, ErrWrongMachine} {
		for _, a := range e.Tried {
			if errors.Is(a.Err, kind) {
				errs = append(errs, a.Err)
				break
			}
		}
	}
	return errs
}

// CandidateError says that a file of the right name was found, but is of no use, and that the search ended there as it
// does in the run-time linker.
type CandidateError struct {
	Name     string
	NeededBy string // path of the object that asked; "" if none did
	Path     string
	Why      string // as in Attempt
	Err      error
}

func (e *CandidateError) Error() string {
	s := e.Path
	if e.Name != e.Path {
		s = e.Name + ": " + s
	}
	return s + " (" + e.Why + "): " + reason(e.Err)
}

func (e *CandidateError) Unwrap() error { return e.Err }

// NameError says that a name cannot be searched for.
type NameError struct {
	Name string
	What string
}

func (e *NameError) Error() string { return fmt.Sprintf("library name %q: %s", e.Name, e.What) }
