package weld

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"weld/ctype"
	"weld/native"
)

// FuncOption says how a function is called.
type FuncOption struct {
	leaf    bool
	version string
	types   typeCheck
	decl    string

	header   *ctype.Header
	debugDir string
}

// Leaf makes calls faster by not telling Go's scheduler: for functions that return in well under a microsecond and do
// not block. The garbage collector, and whatever else stops the world, waits for such a call.
var Leaf = FuncOption{leaf: true}

// Version asks for a version of the function's symbol.
func Version(v string) FuncOption { return FuncOption{version: v} }

func optionsOf(opts []FuncOption) (o FuncOption) {
	for _, x := range opts {
		o.leaf = o.leaf || x.leaf
		if x.version != "" {
			o.version = x.version
		}
		if x.decl != "" {
			o.decl = x.decl
		}
		if x.header != nil {
			o.header = x.header
		}
		if x.debugDir != "" {
			o.debugDir = x.debugDir
		}
		o.types = max(o.types, x.types)
	}
	return o
}

// Func returns a function of the library, or of what it needs, as a Go func of type F (see the package comment). It may
// be called from any number of goroutines, until the library is closed; then it panics with ErrClosed. A call panics
// with a *ThreadError if no native thread can be made for it. The error is a *SymbolError, a *SignatureError, a *TypeError
// or ErrClosed.
//
// F is compared with what is known of the function's C type; see TypeError.
func Func[F any](lib *Library, name string, opts ...FuncOption) (F, error) {
	var zero F
	f, err := lib.function(name, reflect.TypeFor[F](), optionsOf(opts))
	if err != nil {
		return zero, err
	}
	p := f.Pointer()
	return *(*F)(unsafe.Pointer(&p)), nil
}

func (l *Library) function(name string, t reflect.Type, o FuncOption) (*native.Func, error) {
	s, err := l.LookupVersion(name, o.version)
	if err != nil {
		return nil, err
	}
	// What is not closed by its own Close goes with what needs it, or with its namespace.
	l.hook.Do(func() { l.obj.AtClose(l.unloaded) })
	key := l.keyOf(&s, t, o)
	if err := l.checkType(key, &s, o); err != nil {
		return nil, err
	}
	f, made, err := l.cached(key, s.Addr)
	if made && key.name != "" {
		l.follow(key, &s)
	}
	return f, err
}

// cached returns the function of a key, made if it is not there.
func (l *Library) cached(key funcKey, addr uintptr) (f *native.Func, made bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.obj.Closed() {
		return nil, false, ErrClosed
	}
	if f := l.funcs[key]; f != nil {
		return f, false, nil
	}
	if f, err = native.NewFunc(addr, key.typ, key.leaf); err != nil {
		return nil, false, err
	}
	if l.funcs == nil {
		l.funcs = map[funcKey]*native.Func{}
	}
	l.funcs[key] = f
	return f, true, nil
}

// funcKey tells functions of a library apart, so that asking for one again makes nothing new.
type funcKey struct {
	addr uintptr
	typ  reflect.Type
	leaf bool
	name string // of a live object's function, with the version: addr is 0 then
}

// FuncAt returns the native function at an address as a Go func of type F, for a pointer that native code handed out.
// It must not be called once its library is unloaded: nothing checks that. Of the options Version means nothing here.
// The error is a *SignatureError.
func FuncAt[F any](addr uintptr, opts ...FuncOption) (F, error) {
	var zero F
	f, err := native.NewFunc(addr, reflect.TypeFor[F](), optionsOf(opts).leaf)
	if err != nil {
		return zero, err
	}
	p := f.Pointer()
	return *(*F)(unsafe.Pointer(&p)), nil
}

// MakeFunc is FuncAt for a func type that is known at run time only.
func MakeFunc(addr uintptr, typ reflect.Type, opts ...FuncOption) (reflect.Value, error) {
	f, err := native.NewFunc(addr, typ, optionsOf(opts).leaf)
	if err != nil {
		return reflect.Value{}, err
	}
	p := f.Pointer()
	return reflect.NewAt(typ, unsafe.Pointer(&p)).Elem(), nil
}

// Bind fills in the fields of the struct that dst points to: a func field is bound to the function that its tag names,
// a pointer or uintptr field gets the address of a variable or function.
//
//	var z struct {
//		CRC32   func(uint64, []byte, uint32) uint64 `sym:"crc32"`
//		Version func() string                       `sym:"zlibVersion,leaf"`
//		Gen     func(int64) uint64                  `sym:"crc32_combine_gen,optional"`
//	}
//	err := weld.Bind(lib, &z)
//
// The name may be followed by @ and a version, and by the words leaf and optional: an optional field stays as it is if
// the library does not have the symbol. Fields without the tag are left alone. The options hold for all functions. All or
// nothing: on an error, which lists every symbol that is missing (*UndefinedError) or of another type (*TypeError), no
// field has been changed.
func Bind(lib *Library, dst any, opts ...FuncOption) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("weld.Bind: %T is not a pointer to a struct", dst)
	}
	if err := lib.use(); err != nil {
		return err
	}
	v = v.Elem()
	var errs []error
	type set struct {
		field reflect.Value
		p     unsafe.Pointer
	}
	var sets []set
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, ok := field.Tag.Lookup("sym")
		if !ok {
			continue
		}
		name, words, _ := strings.Cut(tag, ",")
		name, version, _ := strings.Cut(name, "@")
		o := optionsOf(opts)
		o.version = version
		optional := false
		for word := range strings.SplitSeq(words, ",") {
			switch word {
			case "":
			case "leaf":
				o.leaf = true
			case "optional":
				optional = true
			default:
				errs = append(errs, fmt.Errorf("weld.Bind: field %s: unknown word %q in its tag", field.Name, word))
			}
		}
		if !field.IsExported() {
			errs = append(errs, fmt.Errorf("weld.Bind: field %s is not exported", field.Name))
			continue
		}
		var p unsafe.Pointer
		var err error
		switch field.Type.Kind() {
		case reflect.Func:
			var f *native.Func
			if f, err = lib.function(name, field.Type, o); err == nil {
				p = f.Pointer()
			}
		case reflect.Pointer, reflect.UnsafePointer, reflect.Uintptr:
			var s Symbol
			if s, err = lib.LookupVersion(name, version); err == nil {
				err = lib.checkVariable(&s, field.Type, o)
				p = native.Pointer(s.Addr)
			}
		default:
			err = fmt.Errorf("weld.Bind: field %s: a %v cannot stand for a symbol", field.Name, field.Type)
		}
		if err != nil {
			if optional && isNotFound(err) {
				continue
			}
			errs = append(errs, err)
			continue
		}
		sets = append(sets, set{v.Field(i), p})
	}
	if errs != nil {
		return joinMissing(errs)
	}
	for _, s := range sets {
		*(*unsafe.Pointer)(s.field.Addr().UnsafePointer()) = s.p
	}
	return nil
}

// Callback is a Go func that native code can call.
type Callback struct {
	t    *native.Thunk
	addr uintptr // of CallbackAt, which has no thunk
}

// NewCallback makes a C function of a Go func; the C signature is what the func type stands for, as for Func. It may be
// called from any native thread, also from those that libraries make, and may itself call native functions, block and
// panic: a panic unwinds through the native frames, which are abandoned as by longjmp, to the Go code that called them.
// In a thread that a library made there is no such code, and the panic ends the program. Callbacks are not limited in
// number. The error is a *SignatureError.
func NewCallback(fn any) (*Callback, error) {
	t, err := native.NewCallback(fn)
	if err != nil {
		return nil, err
	}
	return &Callback{t: t}, nil
}

// Addr returns the address to give to native code, valid until Close.
func (c *Callback) Addr() uintptr {
	if c.t == nil {
		return c.addr
	}
	return c.t.Addr()
}

// Close frees the callback. Native code must not call it any more: if it does, the call panics with a *CallbackError as
// long as the address has not been given to another callback.
func (c *Callback) Close() error {
	if c.t != nil && c.t.Close() != nil {
		return ErrClosed
	}
	return nil
}

// GoString returns a copy of the NUL-terminated string at p, which native code has handed out; "" if p is nil.
func GoString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
