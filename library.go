package weld

import (
	"io"
	"io/fs"
	"iter"
	"sync"

	"weld/image/elf"
	"weld/internal/rtld"
	"weld/native"
)

// Library is a loaded library: there is one for each in a namespace, however often it is opened. The fields do not
// change. Its methods may be called from several goroutines; the last Close must come after every use of what was taken
// from it.
type Library struct {
	Path    string  // absolute, or the name it was loaded by
	Soname  string  // DT_SONAME, "" if it has none
	Base    uintptr // load address: what the addresses in its file were moved by
	Size    uintptr // of its address range in bytes, whole pages; the range begins at Base unless the file says otherwise
	BuildID []byte  // of its GNU build-id note, nil if it has none

	obj   *rtld.Object
	hook  sync.Once // for unloaded
	mu    sync.Mutex
	opens int // Opens without their Close
	funcs map[funcKey]*native.Func

	checked map[funcKey]struct{} // those of which the type has been compared with what the library says
	types   libraryTypes
}

// Symbol is a symbol of a library, or one that it finds in what it needs.
type Symbol = rtld.Symbol

// SymbolType is the type of a symbol, with the names of the ELF specification.
type SymbolType = elf.SymType

// Option says how to open a library.
type Option struct{ flag rtld.Flags }

var (
	// Lazy binds each call of the library when it is first made. It is what holds if Now is not given, the
	// library does not ask for immediate binding, and LD_BIND_NOW is not set.
	Lazy = Option{}
	// Now binds all calls before Open returns.
	Now = Option{rtld.Now}
	// Global makes the library and what it needs visible to libraries that are opened later.
	Global = Option{rtld.Global}
	// NoLoad opens the library only if it is loaded already; if not, the error is ErrNotFound to errors.Is.
	NoLoad = Option{rtld.NoLoad}
	// NoDelete keeps the library loaded for ever.
	NoDelete = Option{rtld.NoDelete}
	// DeepBind makes the library look in itself and what it needs before it looks at global libraries.
	DeepBind = Option{rtld.DeepBind}
	// NoInit runs no initialisers and no finalisers, of what the library needs neither: for looking at a library, not
	// for calling it. As long as it stays loaded, a later Open does not run them either.
	NoInit = Option{rtld.NoInit}
)

func flagsOf(opts []Option) (f rtld.Flags) {
	for _, o := range opts {
		f |= o.flag
	}
	return f
}

// Open loads the library that name stands for, with all that it needs, and runs their initialisers, as dlopen does. A
// name with a slash is a path; any other is searched as the C library's run-time linker does (ld.so(8)):
// LD_LIBRARY_PATH, ld.so.cache, the default directories. A library that is loaded already is not loaded again; every
// Open needs a Close. Any number of goroutines may open and close. The error is an *OpenError; nothing is left loaded
// then.
func Open(name string, opts ...Option) (*Library, error) {
	return open(rtld.Default, rtld.Source{Name: name}, opts)
}

// OpenFS loads the library in the file name of fsys. What it needs is looked for beside it in fsys first, then as Open
// does. Each call loads the file anew, also if it is loaded already.
func OpenFS(fsys fs.FS, name string, opts ...Option) (*Library, error) {
	return open(rtld.Default, rtld.Source{Name: name, FS: fsys}, opts)
}

// Load loads a library from the size bytes of r, under a name for messages and debuggers. What it needs is found as by
// Open. r is not used after Load has returned. Each call loads the library anew.
func Load(name string, r io.ReaderAt, size int64, opts ...Option) (*Library, error) {
	return open(rtld.Default, rtld.Source{Name: name, R: r, Size: size}, opts)
}

func open(ns *rtld.Namespace, src rtld.Source, opts []Option) (*Library, error) {
	o, err := ns.Open(src, flagsOf(opts), nil)
	if err != nil {
		return nil, err
	}
	l := libraryOf(o)
	l.mu.Lock()
	l.opens++
	l.mu.Unlock()
	return l, nil
}

// libraryOf returns the one Library of an object.
func libraryOf(o *rtld.Object) *Library {
	if l, ok := o.User.Load().(*Library); ok {
		return l
	}
	l := &Library{
		Path: o.Path, Soname: o.Soname, Base: o.Mapping.Bias, Size: o.Mapping.Size, BuildID: o.BuildID, obj: o,
	}
	if !o.User.CompareAndSwap(nil, l) {
		return o.User.Load().(*Library)
	}
	return l
}

// Close gives the library back. When nothing else uses it or what it needs, their finalisers run and they are
// unmapped: functions taken from it must not be called any more (those made by Func and Bind panic with ErrClosed), and
// its addresses mean nothing. The C library and its companions stay loaded. Close returns ErrClosed if there is no Open
// that it could belong to.
func (l *Library) Close() error {
	l.mu.Lock()
	if l.opens == 0 {
		l.mu.Unlock()
		return ErrClosed
	}
	l.opens--
	if l.opens == 0 {
		l.closeFuncs()
	}
	l.mu.Unlock()
	return l.obj.Close()
}

// unloaded is called before the library is unmapped.
func (l *Library) unloaded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFuncs()
}

// closeFuncs makes calls of the functions taken from the library panic. l.mu is held.
func (l *Library) closeFuncs() {
	for _, f := range l.funcs {
		f.Close(ErrClosed)
	}
	l.funcs, l.checked = nil, nil
}

// use returns ErrClosed if the library is unmapped, or has been closed by all who opened it.
func (l *Library) use() error {
	if l.obj.Closed() {
		return ErrClosed
	}
	return nil
}

// Lookup finds a symbol in the library and, breadth first, in what it needs, as dlsym does: the default version. The
// address of a thread-local symbol is that of the variable in the native thread of the calling goroutine's next call,
// which is a fixed one only under runtime.LockOSThread. The error is a *SymbolError, for which errors.Is reports
// ErrNotFound, or ErrClosed.
func (l *Library) Lookup(name string) (Symbol, error) { return l.LookupVersion(name, "") }

// LookupVersion finds the given version of a symbol, as dlvsym does; "" is Lookup.
func (l *Library) LookupVersion(name, version string) (s Symbol, err error) {
	if l.obj.Closed() {
		return Symbol{}, ErrClosed
	}
	err = l.obj.Lookup(name, version, &s)
	return s, err
}

// Symbols yields the symbols that the library itself defines for others, every version of each. The address of an IFUNC
// is that of its resolver, that of a thread-local symbol its offset in the library's TLS segment. A closed library has
// none; it must not be closed while they are gone through.
func (l *Library) Symbols() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		if l.use() != nil {
			return
		}
		l.obj.Symbols(yield)
	}
}

// Needed returns the libraries that the library names as needed (DT_NEEDED), in order.
func (l *Library) Needed() []*Library { return libraries(l.obj.Needed()) }

func libraries(objs []*rtld.Object) []*Library {
	list := make([]*Library, len(objs))
	for i, o := range objs {
		list[i] = libraryOf(o)
	}
	return list
}

// Libraries returns what is loaded in the default namespace, in load order: first what belongs to the C library, then
// what weld has loaded.
func Libraries() []*Library { return libraries(rtld.Default.Objects()) }

// Location is what lies at an address.
type Location struct {
	Library    *Library
	Symbol     string  // "" if no symbol covers the address
	SymbolAddr uintptr // where the symbol begins
	Offset     uintptr // of the address in the symbol, or in the library if there is none
	FileOffset uintptr // of the address in the library's file; 0 in memory that is not from the file
}

// FindAddr tells which library, and which symbol of those it exports, an address belongs to, as dladdr does: libraries of
// every namespace are considered. It returns false for an address in none.
func FindAddr(pc uintptr) (Location, bool) {
	p, ok := rtld.Locate(pc)
	if !ok {
		return Location{}, false
	}
	loc := Location{
		Library: libraryOf(p.Object), Symbol: p.Symbol, SymbolAddr: p.SymbolAddr, Offset: pc - p.Object.Mapping.Bias,
		FileOffset: p.FileOffset,
	}
	if p.Symbol != "" {
		loc.Offset = pc - p.SymbolAddr
	}
	return loc, true
}

// Config says how a namespace finds and binds libraries.
type Config struct {
	Path        []string // directories that are searched before all others, for what the libraries need too
	Interpreter string   // path of the run-time linker of the C library to bring up if there is none yet; "": by what is needed
	BindNow     bool     // every open is as with Now
}

// Namespace is a set of libraries that do not see those of other namespaces, and are not seen by them: the same library
// may be loaded in several. The C library is shared by all.
type Namespace struct{ ns *rtld.Namespace }

// NewNamespace makes an empty namespace. Their number is not limited.
func NewNamespace(c Config) (*Namespace, error) {
	return &Namespace{rtld.NewNamespace(rtld.Config{Path: c.Path, Interpreter: c.Interpreter, BindNow: c.BindNow})}, nil
}

// Open is the function Open in the namespace.
func (n *Namespace) Open(name string, opts ...Option) (*Library, error) {
	return open(n.ns, rtld.Source{Name: name}, opts)
}

// OpenFS is the function OpenFS in the namespace.
func (n *Namespace) OpenFS(fsys fs.FS, name string, opts ...Option) (*Library, error) {
	return open(n.ns, rtld.Source{Name: name, FS: fsys}, opts)
}

// Load is the function Load in the namespace.
func (n *Namespace) Load(name string, r io.ReaderAt, size int64, opts ...Option) (*Library, error) {
	return open(n.ns, rtld.Source{Name: name, R: r, Size: size}, opts)
}

// Libraries is the function Libraries for the namespace.
func (n *Namespace) Libraries() []*Library { return libraries(n.ns.Objects()) }

// Close closes all libraries that are open in the namespace, however often, and the namespace. It returns ErrClosed if it
// was closed before.
func (n *Namespace) Close() error { return n.ns.Close() }

// SetStackSize sets the size in bytes of the stacks of native threads that are made from now on: 8 MiB at first, at least
// 64 KiB. Only what is used counts as memory. Below each lies a guard page.
func SetStackSize(n uintptr) { native.SetStackSize(n) }

// Exit ends the program through the C library's exit: its streams are flushed, and functions registered with atexit and
// the finalisers of all libraries run. Without a C library it is os.Exit. A program that ends otherwise, by os.Exit or
// by returning from main, does none of that.
func Exit(code int) { native.Exit(code) }

// Flush writes out what the C library's streams have buffered: fflush(NULL).
func Flush() { native.Flush() }

// TraceBindings has f called for every call through a library's PLT that is bound lazily from now on, with the library
// that makes it and the name of the function; nil ends that. There is one f at a time. It runs before the call, in the
// goroutine that made it or, for a thread made by native code, in one of its own; so it may run several times at once.
// It must not call native functions.
func TraceBindings(f func(lib *Library, symbol string)) {
	if f == nil {
		rtld.TraceBindings(nil)
		return
	}
	rtld.TraceBindings(func(o *rtld.Object, symbol string) { f(libraryOf(o), symbol) })
}
