package abi

import (
	"fmt"
	"reflect"
)

// Values of SignatureError.Arg that are not the index of an argument.
const (
	ArgResult = -1 // a result
	ArgFunc   = -2 // the func type as a whole
)

// SignatureError says why a func type has no C equivalent.
type SignatureError struct {
	Func reflect.Type // the func type; nil if there was none
	Arg  int          // index of the argument from 0, ArgResult or ArgFunc
	Type reflect.Type // type of the argument or result; nil for ArgFunc or a missing value
	Why  string
}

func (e *SignatureError) Error() string {
	switch e.Arg {
	case ArgFunc:
		return fmt.Sprintf("signature %v: %s", e.Func, e.Why)
	case ArgResult:
		return fmt.Sprintf("signature %v: result %v: %s", e.Func, e.Type, e.Why)
	}
	return fmt.Sprintf("signature %v: argument #%d %v: %s", e.Func, e.Arg+1, e.Type, e.Why)
}
