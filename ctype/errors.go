package ctype

import (
	"errors"
	"fmt"
)

// Kinds of [FormatError], for errors.Is.
var (
	ErrTruncated   = errors.New("truncated")
	ErrCorrupt     = errors.New("corrupt")
	ErrTooLarge    = errors.New("too large")
	ErrUnsupported = errors.New("not supported")
)

// Kinds of [UnknownError], for errors.Is.
var (
	ErrNoDebugInfo = errors.New("no debugging information")
	ErrNotFound    = errors.New("not in the debugging information")
	ErrIndirect    = errors.New("an indirect function")
	ErrAssembly    = errors.New("written in assembly")
	ErrNoPrototype = errors.New("declared without a prototype")
	ErrLanguage    = errors.New("of a language whose calls are not C's")
)

// FormatError says what is wrong with debugging information and where.
type FormatError struct {
	File    string // the file, as it was named or found
	Section string // such as .debug_info; "" for the file as a whole
	Off     uint64 // in the section, decompressed
	What    string
	Kind    error // one of the Err variables; reported by Unwrap
}

func (e *FormatError) Error() string {
	if e.Section == "" {
		return fmt.Sprintf("%s: %s", e.File, e.What)
	}
	return fmt.Sprintf("%s: %s offset %#x: %s", e.File, e.Section, e.Off, e.What)
}

// Unwrap returns Kind.
func (e *FormatError) Unwrap() error { return e.Kind }

// UnknownError says why the type of a symbol is not known, which is no fault of the file.
type UnknownError struct {
	File string
	Name string // the symbol
	Why  string
	Kind error // one of the Err variables; reported by Unwrap
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s: the type of %s is not known: %s", e.File, e.Name, e.Why)
}

// Unwrap returns Kind.
func (e *UnknownError) Unwrap() error { return e.Kind }

func unknown(file, name string, kind error, format string, args ...any) error {
	return &UnknownError{File: file, Name: name, Kind: kind, Why: fmt.Sprintf(format, args...)}
}
