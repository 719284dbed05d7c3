package weld

import (
	"errors"

	"weld/ctype"
	"weld/internal/rtld"
	"weld/native"
	"weld/native/abi"
)

// Errors that the functions of this package return, for errors.As.
type (
	// OpenError says why a library could not be opened. What was wrong is in Err.
	OpenError = rtld.OpenError
	// SymbolError says that a symbol was not found.
	SymbolError = rtld.SymbolError
	// UndefinedError lists all symbols that libraries refer to and none defines.
	UndefinedError = rtld.UndefinedError
	// VersionError lists all symbol versions that libraries need and do not get.
	VersionError = rtld.VersionError
	// RelocError says which relocation could not be applied.
	RelocError = rtld.RelocError
	// SignatureError says why a Go func type does not stand for a C signature.
	SignatureError = abi.SignatureError
	// TypeMismatchError is what is in a TypeError: each difference in words.
	TypeMismatchError = ctype.MismatchError
	// LibcError says why there is no C library to load against.
	LibcError = native.LibcError
	// ThreadError is the panic of a call for which no native thread could be made.
	ThreadError = native.ThreadError
	// CallbackError is the panic of a call to a callback that is closed.
	CallbackError = native.CallbackError
)

var (
	// ErrNotFound is what errors.Is finds in the error of a lookup without result.
	ErrNotFound = rtld.ErrNotFound
	// ErrClosed is returned by what needs a library, namespace or callback that is closed.
	ErrClosed = rtld.ErrClosed
	// ErrUnsupported is in the error of what weld does not do.
	ErrUnsupported = rtld.ErrUnsupported
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// joinMissing returns one error for all; those of missing symbols become one *UndefinedError.
func joinMissing(errs []error) error {
	var missing UndefinedError
	var others []error
	for _, err := range errs {
		var s *SymbolError
		if errors.As(err, &s) {
			missing.Symbols = append(missing.Symbols, *s)
		} else {
			others = append(others, err)
		}
	}
	if missing.Symbols != nil {
		others = append([]error{&missing}, others...)
	}
	if len(others) == 1 {
		return others[0]
	}
	return errors.Join(others...)
}
