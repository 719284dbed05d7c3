package weld

import (
	"reflect"
	"sync/atomic"
	"unsafe"

	"weld/internal/rtld"
	"weld/native"
)

// InterposeError says why a name cannot be interposed.
type InterposeError = rtld.InterposeError

// Interposition is a Go func that stands in for a C function. See Interpose.
type Interposition[F any] struct {
	// Next calls what Interpose stands in for: in a call that the Go func answers, the function that the call would have
	// reached, be it of the C library, of one version or another, or chosen by an IFUNC resolver; outside of such calls,
	// the one that a reference in the namespace was bound to when Interpose was called. It may be called at any time,
	// after Close too, as long as the library that defines the function is loaded.
	Next F

	ip     *rtld.Interposition
	native *native.Interposer
	closed atomic.Bool
}

// Interpose has fn stand in for the C function of a name in a namespace, nil for the default one: whatever calls it
// through a GOT or PLT calls fn instead, in libraries that are loaded and in those that are loaded later, and so does
// who looks it up with dlsym(RTLD_DEFAULT) or in the handle of dlopen(NULL). In the default namespace that holds for
// references that the C library has to functions of its own, such as malloc, too, unless the process was started with
// that C library (built with cgo): then the Go runtime is behind some of them. It is what a library in LD_PRELOAD
// does, in a static process, and has the same bounds: calls within a library that the static linker has bound (-Bsymbolic, hidden or static
// functions, most calls within the C library) are not seen, and RTLD_NEXT, a handle of a library, Library.Lookup and
// Func lead to the function itself.
//
// The C signature is what F stands for, as for NewCallback. A variadic function is declared with the parameters that
// its callers may pass: open as func(path *byte, flags int32, mode uint32) int32, where mode means nothing unless flags
// ask for it. That is right as long as these are integers and pointers, and fit the registers with all before them (six
// in total), or floating-point numbers (eight). A function such as printf, whose arguments depend on the call, cannot be
// passed on to Next.
//
// Every version of the name is interposed, unless Version asks for one; Leaf is for calls of Next. If several
// interpositions have one name, the last comes first, and its Next is the one before.
//
// fn runs as a callback does: on the native thread of the caller, for threads that a library made by way of a
// dispatcher, with Next on the same native thread. What Next leaves as errno the caller finds, unless native calls come
// after it or F ends in a syscall.Errno result. fn may be called from the moment that Interpose is called; where it needs
// Next, see InterposeWith. It may itself call C functions that lead to fn again, which is not told apart: Go itself calls
// no C function, so malloc can be interposed as any other. In a child process that native code has forked from a thread
// that it made itself there is no Go, and the function is called as if nothing stood in for it. A function that looks at
// its caller (dlsym), returns twice (setjmp, vfork) or not at all must not be interposed.
//
// The error is a *SymbolError if nothing that is loaded defines the name (open the library first), a *SignatureError, an
// *InterposeError for a variable, or ErrClosed for a closed namespace.
func Interpose[F any](ns *Namespace, name string, fn F, opts ...FuncOption) (*Interposition[F], error) {
	return InterposeWith(ns, name, func(F) F { return fn }, opts...)
}

// InterposeWith is Interpose for a func that needs Next from its first call on: with is called once, before anything
// leads to what it returns, with what becomes Next.
func InterposeWith[F any](ns *Namespace, name string, with func(next F) F, opts ...FuncOption) (*Interposition[F], error) {
	in := rtld.Default
	if ns != nil {
		in = ns.ns
	}
	o := optionsOf(opts)
	next, err := in.Definition(name, o.version)
	if err != nil {
		return nil, err
	}
	i := &Interposition[F]{}
	if i.native, err = native.NewInterposer(next); err != nil {
		return nil, err
	}
	f, err := native.NewFunc(i.native.Next(), reflect.TypeFor[F](), o.leaf)
	if err != nil {
		return nil, err
	}
	p := f.Pointer()
	i.Next = *(*F)(unsafe.Pointer(&p))
	if err := i.native.SetFunc(with(i.Next)); err != nil {
		return nil, err
	}
	i.ip, err = in.Interpose(name, o.version, func(next, _ uintptr) (uintptr, error) {
		h, err := i.native.NewHook(next)
		if err != nil {
			return 0, err
		}
		return h.Addr(), nil
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Close ends the interposition: references lead again to where they led without it. Calls that are under way are
// answered by the func, and it may be called by who still has its address; that goes to the function itself from now
// on. A few bytes of code stay. It returns ErrClosed if it was called before.
func (i *Interposition[F]) Close() error {
	if i.closed.Swap(true) {
		return ErrClosed
	}
	err := i.ip.Close()
	i.native.Release()
	return err
}
