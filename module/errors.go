package module

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of errors, for errors.Is.
var (
	ErrNotModule = errors.New("not a module")
	ErrPlatform  = errors.New("a module for another platform")
	ErrTooBig    = errors.New("a module that is too big")
	ErrRead      = errors.New("a module that cannot be read")
	ErrChecksum  = errors.New("another file than was wanted")
	ErrTable     = errors.New("a damaged table of symbols")
	ErrReloc     = errors.New("a relocation that cannot be done")
	ErrRefused   = errors.New("what modules may not have")
	ErrMap       = errors.New("a module that cannot be mapped")

	ErrUndefined = errors.New("not in the host's table of exports")
	ErrMismatch  = errors.New("of another type")
	ErrUntyped   = errors.New("of a type that is not known")
	ErrUnlisted  = errors.New("not in the module's table of imports")

	ErrNotFound = errors.New("not in the table of exports")
	ErrInUse    = errors.New("in use")
	ErrFreed    = errors.New("the module has been freed")
	ErrClosed   = errors.New("the table of exports is closed")
)

// LoadError says why Load has refused a module for other reasons than its imports.
type LoadError struct {
	Module string // the name given to Load
	Place  string // in the file: "relocation 3", "segment 1", "export f"; "" for all of it
	What   string // what is wrong, and what was wanted
	Kind   error  // one of the Err variables
	Err    error  // the error of what was called, such as an *elf.FormatError; nil if there is none
}

func (e *LoadError) Error() string {
	s := "module " + e.Module + ": "
	if e.Place != "" {
		s += e.Place + ": "
	}
	return s + e.What
}

// Unwrap returns Kind and Err.
func (e *LoadError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// ImportError says why a symbol that a module imports is not bound.
type ImportError struct {
	Name   string
	Kind   error  // ErrUndefined, ErrMismatch, ErrUntyped or ErrUnlisted
	Module string // the type that the module has, as a declaration; "" if it is not known
	Host   string // the type that the host gives: a declaration, or a Go func type
	Why    string // the differences in words
}

func (e *ImportError) Error() string {
	s := e.Name + ": " + e.Kind.Error()
	if e.Why != "" {
		s += ": " + e.Why
	}
	if e.Module != "" {
		s += "\n\tmodule: " + e.Module
	}
	if e.Host != "" {
		s += "\n\thost:   " + e.Host
	}
	return s
}

// Unwrap returns Kind.
func (e *ImportError) Unwrap() error { return e.Kind }

// ImportsError lists all imports of a module that could not be bound, in the order of their names.
type ImportsError struct {
	Module  string
	Imports []*ImportError
}

func (e *ImportsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s: %d import", e.Module, len(e.Imports))
	if len(e.Imports) != 1 {
		b.WriteByte('s')
	}
	b.WriteString(" cannot be bound:")
	for _, x := range e.Imports {
		b.WriteString("\n" + x.Error())
	}
	return b.String()
}

// Unwrap returns the errors of the imports.
func (e *ImportsError) Unwrap() []error {
	list := make([]error, len(e.Imports))
	for i, x := range e.Imports {
		list[i] = x
	}
	return list
}

// InUseError says why a module or a table of exports cannot be freed: nothing has changed then.
type InUseError struct {
	Name  string
	Users int64 // of a module: calls in progress, Holds, and tables that have its symbols; of a table, modules
}

func (e *InUseError) Error() string { return fmt.Sprintf("%s is in use by %d", e.Name, e.Users) }

// Is makes errors.Is find ErrInUse.
func (e *InUseError) Is(target error) bool { return target == ErrInUse }
