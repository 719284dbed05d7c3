package live

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"weld"
	"weld/image/elf"
	"weld/internal/rtld"
	"weld/native"
)

// Options say how an object is made. The zero value is good for most.
type Options struct {
	// Folder is where the file is, for as long as the object is open. It must not be one that others can write to.
	// "" is a private folder, the first that can be used of $XDG_RUNTIME_DIR/weld, weld/live in the user's cache
	// folder, and one in the folder for temporary files; where none can, the file is in memory.
	Folder string
	// Memory has the file in memory only (memfd_create), where perf, and uprobes from other processes, do not find it, and nobody
	// can truncate it.
	Memory bool
	// Near, if not 0, is an address that all of the object is to be within 2 GiB of, so that a call with a 32-bit
	// displacement reaches from one to the other.
	Near uintptr
	// Text, ROData, Data and BSS are the bytes of address space for each kind of memory, Symbols is the number of symbols
	// to have room for. Address space costs nothing; it does not grow later. 0 is 128 MiB, 32 MiB, 16 MiB, 32 MiB
	// and 300,000, which makes 277 MiB. All together must be less than 2 GiB.
	Text, ROData, Data, BSS int
	Symbols                 int
	// MayReuse tells whether what was freed before the commit of that number may be used again, in place of the rule of
	// Free. It is called with the object locked, and must not call it.
	MayReuse func(seq uint64) bool
	// Counted says that nobody enters the code but calls made by this module, and threads that native code makes which this module has
	// loaded. Then what was freed is used again in a process with a C library of its own too: see Block.Free.
	Counted bool
	// Global has all libraries of the namespace see the object's symbols: those that are opened later by any reference, those
	// that are there by calls that are yet to be bound. Else they are found by those who ask the object for them (Object.Library,
	// dlsym with a handle), and by libraries that name the object as needed (DT_NEEDED).
	Global bool
	// Needs are libraries in which the object's imports are looked up, after the global scope and the object itself. They stay
	// loaded as long as it is open.
	Needs []*weld.Library
}

// Kind is a kind of memory.
type Kind uint8

const (
	Text   Kind = iota // code: read and executed, written through a second mapping
	ROData             // constants: read, written through a second mapping
	Data               // variables, whose first values are in the file
	BSS                // variables that are zero at first
	numKinds

	// What no one allocates from: tables that are part of the image, and those only files have.
	meta       = numKinds
	aux        = numKinds + 1
	numRegions = numKinds + 2
)

func (k Kind) String() string {
	if k < numKinds {
		return [...]string{"text", "read-only data", "data", "zeroed data"}[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Object is an ELF shared object that grows while it is in use. Its methods may be called from several goroutines.
type Object struct {
	name         string
	file         *file
	loader       loader
	mayReuse     func(uint64) bool
	counted      bool
	base         uintptr
	size         uint64 // of the address range
	alias        uintptr
	aliasSize    uint64
	runs, writes []byte // the two ranges

	seq         atomic.Uint64 // of the last commit
	shut        atomic.Bool
	names       nameTable
	addrs       addrTable
	versionList atomic.Pointer[[]string] // index 0 is version 1

	mu        sync.Mutex
	regions   [numRegions]region
	changed   entryList    // names with something to commit
	fresh     functionList // functions to describe
	written   []span       // of text, since the last commit
	stale     []*Block     // of data, whose values are not in the file
	rewritten []*Block     // with functions whose code was written since the last commit
	freed     []*Block     // since the last commit
	limbo     []waiting    // freed, and not to be used again yet
	quiet     uint64       // nobody is in what was freed before this commit
	urgent    bool         // limbo has what is freed by FreeNow
	grace     grace
	retired   []oldTable
	oldSize   uint64 // of them in bytes
	segments  int    // chunks of the image that are in use
	imports   importTable
	needs     []string // DT_NEEDED
	known     uint64   // end of the text that has been committed
	deleted   bool     // that the file has no name has been said
	forked    bool     // it is another process's
	entries   entryTable
	blocks    slab[Block]
	functions slab[function]
	syms      slab[sym]
	work      commitPlan
	buf       []byte
	dyn       dynTable
	eh        ehTable
	tab       symTable
	dwarf     dwarfTable
	heads     headTable

	display    view
	marked     []mark // taken out, while debuggers are told
	lastLayout *rtld.LiveLayout
	lastProgs  []prog // that it was made of
}

// Symbol is a name in an object. It is a snapshot.
type Symbol struct {
	Name       string
	Version    string // "" if it has none
	Addr       uintptr
	Size       uintptr
	Type       elf.SymType
	Visibility elf.SymVis
	Block      *Block
}

const (
	defaultText    = 128 << 20
	defaultROData  = 32 << 20
	defaultData    = 16 << 20
	defaultBSS     = 32 << 20
	defaultSymbols = 300_000
	perSymbol      = 240 // bytes in the image: old tables are kept for a while
	maxSize        = 1<<31 - 1<<20
	firstChunk     = 16 * page
	firstTables    = 48 * page // of which the file has only what is in use
	firstDebug     = 64 * page // the same
)

// New makes an empty object, which is a library of the namespace from then on; nil is the default namespace. Its name becomes the
// DT_SONAME. It lives until Close, also if the namespace is closed before; if the process ends without that, its file is removed by the
// next process that uses the folder.
func New(ns *weld.Namespace, name string, opt Options) (*Object, error) {
	return create(name, opt, newSpaceLoader(ns, &opt))
}

func create(name string, opt Options, l loader) (*Object, error) {
	o := &Object{name: name, loader: l, mayReuse: opt.MayReuse, counted: opt.Counted}
	for _, lib := range opt.Needs {
		o.needs = append(o.needs, cmp.Or(lib.Soname, lib.Path))
	}
	if name == "" || len(name) > maxName || strings.IndexByte(name, 0) >= 0 {
		return nil, &Error{Op: "create", Object: name, Reason: ErrName}
	}
	room := [numRegions]int{opt.Text, opt.ROData, opt.Data, opt.BSS, 0}
	for k, n := range [...]int{defaultText, defaultROData, defaultData, defaultBSS} {
		room[k] = cmp.Or(room[k], n)
	}
	symbols := cmp.Or(opt.Symbols, defaultSymbols)
	total := 0
	tooLarge := &Error{Op: "create", Object: name, Reason: ErrRange, Detail: "address space of less than 0 or more than 2 GiB is asked for"}
	if symbols >= 0 && symbols <= maxSize/perSymbol {
		room[meta] = symbols*perSymbol + 16*page
	} else {
		room[meta] = -1
	}
	for _, n := range room {
		if n < 0 || n > maxSize || total > maxSize {
			return nil, tooLarge
		}
		total += n
	}
	if total > maxSize {
		return nil, tooLarge
	}
	const rx, r, rw = syscall.PROT_READ | syscall.PROT_EXEC, syscall.PROT_READ, syscall.PROT_READ | syscall.PROT_WRITE
	const private, shared = syscall.MAP_PRIVATE, syscall.MAP_SHARED
	at := uint64(0)
	place := func(i Kind, what string, prot, flags int, file bool) {
		n := pageUp(uint64(room[i]))
		o.regions[i] = region{name: what, kind: i, off: at, cap: n, first: firstChunk, prot: prot, flags: flags, file: file}
		at += n
	}
	place(meta, "symbols", r, shared, true)
	place(Text, Text.String(), rx, private, true)
	place(ROData, ROData.String(), r, shared, true)
	place(Data, Data.String(), rw, private, true)
	place(BSS, BSS.String(), rw, private|syscall.MAP_ANON, false)
	o.regions[ROData].first, o.regions[Data].first = minStep, minStep
	o.regions[meta].first = firstTables
	o.regions[BSS].first = o.regions[BSS].cap
	o.size = at
	room[aux] = int(max(o.size, 64<<20))
	place(aux, "debugging information", 0, 0, true)
	o.regions[aux].first = firstDebug
	o.aliasSize = at
	o.addrs.init(o.size)
	o.versionList.Store(new([]string))

	if err := o.open(opt); err != nil {
		return nil, err
	}
	if err := o.begin(); err != nil {
		o.unmap()
		o.file.close()
		return nil, err
	}
	objects.add(o)
	return o, nil
}

// open makes the file and reserves the address ranges.
func (o *Object) open(opt Options) (err error) {
	if o.file, err = newFile(o.name, opt.Folder, opt.Memory); err != nil {
		return err
	}
	fail := func(err error) error {
		o.unmap()
		o.file.close()
		return &Error{Op: "create", Object: o.name, Reason: ErrNoMemory, Err: err}
	}
	if o.base, err = reserve(o.name, o.size, opt.Near); err != nil {
		return fail(err)
	}
	if o.alias, err = reserveAlias(o.name, o.aliasSize); err != nil {
		return fail(err)
	}
	o.runs, o.writes = native.Bytes(o.base, uintptr(o.size)), native.Bytes(o.alias, uintptr(o.aliasSize))
	return nil
}

// begin writes the tables of an object that has nothing in it. There is a page of each kind from the beginning, so that the
// program headers stay the same.
func (o *Object) begin() error {
	const op = "create"
	for _, k := range []Kind{meta, Text, ROData, Data, BSS, aux} {
		r := &o.regions[k]
		if err := o.extend(op, r, page); err != nil {
			return err
		}
		n := uint64(page)
		if k == meta || k == aux {
			n = minStep
		}
		if err := o.ensure(op, r, r.chunks[0], r.off+n); err != nil {
			return err
		}
	}
	err := o.guard(op, func() error {
		if err := o.beginHeaders(); err != nil {
			return err
		}
		return o.publish(op, func() bool { return true })
	})
	if err != nil || o.loader == nil {
		return err
	}
	if err := o.loader.attach(o); err != nil {
		return &Error{Op: op, Object: o.name, Reason: ErrLoader, Err: err}
	}
	return nil
}

func (o *Object) unmap() {
	if o.base != 0 {
		native.Unmap(o.base, uintptr(o.size))
	}
	if o.alias != 0 {
		native.Unmap(o.alias, uintptr(o.aliasSize))
	}
}

// Close unmaps the object and removes its file. Nothing of it may be in use: no thread in its code, no pointer into its
// memory, no library bound to it.
// The error is an *Error with ErrClosed if it was closed before, or with ErrInUse if libraries are bound to it, or it was
// opened: then it stays open.
func (o *Object) Close() error {
	if o.loader != nil {
		defer o.loader.detached()
		o.loader.Lock()
		defer o.loader.Unlock()
	}
	defer func() {
		if o.shut.Load() {
			objects.remove(o)
		}
	}()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut.Load() {
		return o.closed("close")
	}
	if o.loader != nil {
		if err := o.loader.detach(o); err != nil {
			return &Error{Op: "close", Object: o.name, Path: o.file.path, Reason: ErrInUse, Err: err}
		}
	}
	o.shut.Store(true)
	if c := o.grace.calls; c != nil {
		c.Drop()
	}
	o.grace = grace{}
	o.unmap()
	o.file.close()
	o.changed, o.fresh, o.stale, o.freed, o.limbo = entryList{}, functionList{}, nil, nil, nil
	return nil
}

func (o *Object) closed(op string) error { return &Error{Op: op, Object: o.name, Reason: ErrClosed} }

// lockAll is lock for what the loader is told of.
func (o *Object) lockAll(op string) (unlock func(), err error) {
	if o.loader != nil {
		o.loader.Lock()
	}
	err = o.lock(op)
	if err != nil {
		if o.loader != nil {
			o.loader.Unlock()
		}
		return nil, err
	}
	return func() {
		o.mu.Unlock()
		if o.loader != nil {
			o.loader.Unlock()
		}
	}, nil
}

// lock is for what changes the object. It fails if that is closed.
func (o *Object) lock(op string) error {
	o.mu.Lock()
	if o.shut.Load() {
		o.mu.Unlock()
		return o.closed(op)
	}
	if o.forked {
		o.mu.Unlock()
		return &Error{Op: op, Object: o.name, Reason: ErrForked}
	}
	return nil
}

// Name returns the name the object was made with.
func (o *Object) Name() string { return o.name }

// Path returns the file's path; of one in memory, the path in /proc by which other processes open it.
func (o *Object) Path() string { return o.file.path }

// InMemory reports whether the file is in memory, and if that was not asked for, why: no folder could be used,
// or it is on a file system that is mounted noexec.
func (o *Object) InMemory() (bool, error) { return o.file.name == "", o.file.why }

// Base returns the address that the vaddrs of the file are relative to, and where the object begins.
func (o *Object) Base() uintptr { return o.base }

// Size returns the bytes of address space from Base on that are the object's. Not all of them are mapped.
func (o *Object) Size() uintptr { return uintptr(o.size) }

// Seq returns the number of the last commit.
func (o *Object) Seq() uint64 { return o.seq.Load() }

// Usage is how much of an object is in use, in bytes but for Symbols.
type Usage struct {
	Text, ROData, Data, BSS int // allocated, what waits to be used again included
	Tables                  int // symbols, their names and descriptions of frames
	Debug                   int // what only files have
	Waiting                 int // blocks that are freed and wait
	Mapped                  int // memory and file
	Symbols                 int // published
}

// Usage returns how much is in use.
func (o *Object) Usage() Usage {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut.Load() {
		return Usage{}
	}
	used := func(i Kind) int { return int(o.regions[i].used) }
	u := Usage{
		Text: used(Text), ROData: used(ROData), Data: used(Data), BSS: used(BSS),
		Tables: used(meta), Debug: used(aux), Waiting: len(o.limbo) + len(o.freed), Symbols: o.tab.len(),
	}
	for i := range o.regions {
		for _, c := range o.regions[i].chunks {
			u.Mapped += int(c.mapped)
		}
	}
	return u
}
