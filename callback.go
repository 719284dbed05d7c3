package weld

import (
	"fmt"
	"reflect"

	"weld/ctype"
)

// CallbackOf is a Callback whose Go func type is in its own type. Where a parameter of a bound function is of type *CallbackOf[F], Go's compiler
// checks what is passed, and Func and Bind check F against what is known of the C function pointer.
//
//	var c struct {
//		Qsort func(base []int32, n, size uint64, compare *weld.CallbackOf[func(a, b *int32) int32]) `sym:"qsort"`
//	}
type CallbackOf[F any] struct{ Callback }

// NewCallbackOf is NewCallback for a CallbackOf.
func NewCallbackOf[F any](fn F) (*CallbackOf[F], error) {
	c, err := NewCallback(fn)
	if err != nil {
		return nil, err
	}
	return &CallbackOf[F]{*c}, nil
}

// CallbackAt stands for a function that native code has handed out, or for a special value such as SQLITE_TRANSIENT, which is -1. Closing it does
// nothing.
func CallbackAt[F any](addr uintptr) *CallbackOf[F] {
	return &CallbackOf[F]{Callback{addr: addr}}
}

// FuncType returns the type F, also of a nil pointer.
func (*CallbackOf[F]) FuncType() reflect.Type { return reflect.TypeFor[F]() }

// NewCallback is the function NewCallback for argument arg, counted from 1, of a function of the library, or of what it needs: fn is compared
// with what is known of what that calls. The error is a *TypeError if it does not fit or the function has no such argument, or else
// that of NewCallback or Lookup. The options RequireTypes, IgnoreTypes, Declared, Version and DebugDir mean what they mean for Func.
func (l *Library) NewCallback(name string, arg int, fn any, opts ...FuncOption) (*Callback, error) {
	o := optionsOf(opts)
	s, err := l.LookupVersion(name, o.version)
	if err != nil {
		return nil, err
	}
	if o.types != typesIgnored || o.decl != "" {
		k, of, err := l.knownFor(&s, o)
		if err != nil {
			return nil, err
		}
		if k != nil {
			if err := checkCallback(k, arg, fn); err != nil {
				return nil, &TypeError{of.Path, s.Name, k.Type, k.From, k.File, reflect.TypeOf(fn), err}
			}
		}
	}
	return NewCallback(fn)
}

// checkCallback compares a Go func with argument arg of a C function.
func checkCallback(k *ctype.Known, arg int, fn any) error {
	t := k.Type.Strip()
	if t.Kind != ctype.Func || t.Unchecked {
		return nil
	}
	if arg < 1 || arg > len(t.Params) && !t.Variadic {
		return fmt.Errorf("it has no argument %d", arg)
	}
	if arg > len(t.Params) {
		return nil
	}
	p := t.Params[arg-1].Type.Strip()
	if p.Kind == ctype.Pointer {
		p = p.Elem.Strip()
	}
	switch p.Kind {
	case ctype.Void: // such as the address that dlsym gives
		return nil
	case ctype.Func:
		if err := ctype.Check(p, reflect.TypeOf(fn), ctype.Callback); err != nil {
			return fmt.Errorf("argument %d: what it calls: %w", arg, err)
		}
		return nil
	}
	return fmt.Errorf("argument %d is no function: %s", arg, t.Params[arg-1].Type)
}
