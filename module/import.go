package module

import (
	"fmt"
	"reflect"
	"unsafe"

	"weld"
	"weld/ctype"
	"weld/native"
)

// Import returns a symbol that the module exports as a T. A func type is that of a function, and is checked as by weld.Func; calls of it
// keep the module from being freed, and panic with ErrFreed afterwards. A pointer type, unsafe.Pointer or uintptr is the address of a
// variable or function, good until the module is freed.
//
// The error is that of errors.Is with ErrNotFound or ErrFreed, a *weld.TypeError with both types, a *weld.SignatureError, or a
// *ctype.UnknownError if the module does not say what type the symbol has and Options.AllowUntyped is not set.
func Import[T any](m *Module, name string) (T, error) {
	var zero T
	p, err := m.lookup(name, reflect.TypeFor[T]())
	if err != nil {
		return zero, err
	}
	return *(*T)(unsafe.Pointer(&p)), nil
}

// lookup returns what a variable of a func or pointer type holds for a symbol.
func (m *Module) lookup(name string, t reflect.Type) (unsafe.Pointer, error) {
	if !m.guard.Enter() {
		return nil, ErrFreed
	}
	defer m.guard.Leave()
	s := m.exports.FindSym(name)
	if s == nil {
		return nil, fmt.Errorf("module %s: %s: %w", m.Name, name, ErrNotFound)
	}
	if s.Type == nil && !m.opts.AllowUntyped {
		return nil, &ctype.UnknownError{File: "module " + m.Name, Name: name, Why: "its table of exports does not say it", Kind: ctype.ErrNotFound}
	}
	wrong := func(err error) error {
		return &weld.TypeError{Library: "module " + m.Name, Symbol: name, C: s.Type, From: ctype.FromTable, File: "module " + m.Name, Go: t, Err: err}
	}
	switch t.Kind() {
	case reflect.Func:
		if s.Variable && s.Type == nil {
			return nil, fmt.Errorf("module %s: %s is a variable, not a function", m.Name, name)
		}
		f, err := native.NewGuarded(s.Addr, t, false, m.guard)
		if err != nil {
			return nil, err
		}
		if s.Type != nil {
			if err := ctype.Check(s.Type, t, ctype.Call); err != nil {
				return nil, wrong(err)
			}
		}
		return f.Pointer(), nil
	case reflect.Pointer, reflect.UnsafePointer, reflect.Uintptr:
		if s.Type != nil && s.Variable && t.Kind() == reflect.Pointer {
			if err := ctype.CheckVariable(s.Type, t); err != nil {
				return nil, wrong(err)
			}
		}
		return native.Pointer(s.Addr), nil
	}
	return nil, fmt.Errorf("module %s: %s: a %v cannot stand for a symbol", m.Name, name, t)
}
