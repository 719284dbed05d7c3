package live

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"weld/image/elf"
	"weld/internal/rtld"
	"weld/native"
)

// The functions of include/weld/dlbind.h, which says what they do. A handle is the address of the link_map.

func init() {
	for name, f := range map[string]func(native.Upcall) error{
		"dlwrite": cWrite, "dlunbind": cUnbind, "dlcommit": cCommit, "dlfree": cFree, "dlfree_now": cFreeNow,
		"dlquiesce": cQuiesce, "dldelete": cDelete, "dlimport": cImport, "dlrename": cRename, "dlsave": cSave,
	} {
		rtld.Offer(name, rtld.Service{Failing: true, Serve: func(u native.Upcall) {
			if err := f(u); err != nil {
				rtld.Fail(u, err.Error())
				u.SetResult(^uintptr(0))
			}
		}})
	}
	for name, f := range map[string]func(native.Upcall) (uintptr, error){
		"dlcreate": cCreate, "dlcreatex": cCreateX, "dlalloc": cAlloc, "dlalias": cAlias, "dlbind": cBind, "dlbindx": cBindX,
		"dlreload": cReload,
	} {
		rtld.Offer(name, rtld.Service{Serve: func(u native.Upcall) {
			r, err := f(u)
			if err != nil {
				rtld.Fail(u, err.Error())
				return
			}
			u.SetResult(r)
		}})
	}
}

func init() {
	// All that it is for has been done when a service is called.
	rtld.Offer("dlcheckpoint", rtld.Service{Serve: func(native.Upcall) {}})
}

// cObject is an object that native code has made.
type cObject struct {
	o      *Object
	handle uintptr
	mu     sync.Mutex
	blocks map[uintptr]*Block   // by address
	pages  map[uintptr][]*Block // by page, those that have a part of it
}

// cObjects are those there are.
var cObjects struct {
	sync.RWMutex
	m map[uintptr]*cObject
}

var errHandle = errors.New("invalid handle: it is not that of an object made by dlcreate")

// cArgument is an argument that cannot be.
func cArgument(op, detail string) error {
	return &Error{Op: op, Reason: ErrArgument, Detail: detail}
}

// object returns what the first argument is the handle of.
func cHandle(u native.Upcall) (*cObject, error) {
	cObjects.RLock()
	defer cObjects.RUnlock()
	if c := cObjects.m[u.Arg(0)]; c != nil {
		return c, nil
	}
	return nil, errHandle
}

func cCreate(u native.Upcall) (uintptr, error) { return cNew(u, Options{Global: true}) }

// cCreateOptions is struct dlcreate_options.
type cCreateOptions struct {
	size                          uintptr
	flags                         uint32
	folder                        uintptr
	nearby                        uintptr
	text, rodata, data, bss, syms uintptr
}

func cCreateX(u native.Upcall) (uintptr, error) {
	const op, local, memory = "create", 1, 2
	p := u.Arg(1)
	if p == 0 {
		return cCreate(u)
	}
	c := (*cCreateOptions)(native.Pointer(p))
	if c.size != unsafe.Sizeof(*c) {
		return 0, cArgument(op, fmt.Sprintf("struct dlcreate_options is of %d bytes, not %d", unsafe.Sizeof(*c), c.size))
	}
	if c.flags&^(local|memory) != 0 {
		return 0, cArgument(op, fmt.Sprintf("flags %#x", c.flags))
	}
	opt := Options{Global: c.flags&local == 0, Memory: c.flags&memory != 0, Folder: native.String(c.folder), Near: c.nearby}
	for _, r := range []struct {
		n  uintptr
		to *int
	}{{c.text, &opt.Text}, {c.rodata, &opt.ROData}, {c.data, &opt.Data}, {c.bss, &opt.BSS}, {c.syms, &opt.Symbols}} {
		*r.to = int(min(r.n, maxSize+1))
	}
	return cNew(u, opt)
}

func cNew(u native.Upcall, opt Options) (uintptr, error) {
	name := "jit"
	if u.Arg(0) != 0 {
		name = native.String(u.Arg(0))
	}
	o, err := create(name, opt, &spaceLoader{ns: rtld.SpaceOf(u), global: opt.Global})
	if err != nil {
		return 0, err
	}
	c := &cObject{o: o, handle: o.loader.(*spaceLoader).obj.LinkMap, blocks: map[uintptr]*Block{}, pages: map[uintptr][]*Block{}}
	cObjects.Lock()
	defer cObjects.Unlock()
	if cObjects.m == nil {
		cObjects.m = map[uintptr]*cObject{}
	}
	cObjects.m[c.handle] = c
	return c.handle, nil
}

// spans calls f for the pages that a block has a part of.
func (b *Block) spans(f func(page uintptr)) {
	for p := b.Addr() >> pageBits; p <= (b.Addr()+uintptr(b.size)-1)>>pageBits; p++ {
		f(p)
	}
}

func (c *cObject) add(b *Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks[b.Addr()] = b
	b.spans(func(p uintptr) { c.pages[p] = append(c.pages[p], b) })
}

// remove takes a block away that begins at an address, so that no one else finds it.
func (c *cObject) remove(op string, at uintptr) (*Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.blocks[at]
	if b == nil {
		return nil, c.nothing(op, at)
	}
	delete(c.blocks, at)
	b.spans(func(p uintptr) {
		list := c.pages[p]
		for i := range list {
			if list[i] == b {
				list[i] = list[len(list)-1]
				list[len(list)-1] = nil
				list = list[:len(list)-1]
				break
			}
		}
		if c.pages[p] = list; len(list) == 0 {
			delete(c.pages, p)
		}
	})
	return b, nil
}

// at returns the block that has an address.
func (c *cObject) at(op string, at uintptr) (*Block, int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.blocks[at]; b != nil {
		return b, 0, nil
	}
	for _, b := range c.pages[at>>pageBits] {
		if off := at - b.Addr(); off < uintptr(b.size) {
			return b, int(off), nil
		}
	}
	return nil, 0, c.nothing(op, at)
}

func (c *cObject) nothing(op string, at uintptr) error {
	return &Error{Op: op, Object: c.o.name, Reason: ErrNoBlock, Detail: fmt.Sprintf("%#x", at)}
}

func cAlloc(u native.Upcall) (uintptr, error) {
	const op, write, exec, zero, alignShift = "alloc", 1, 4, 0x1000, 16
	c, err := cHandle(u)
	if err != nil {
		return 0, err
	}
	size, flags := u.Arg(1), uint32(u.Arg(2))
	var kind Kind
	switch flags & (1<<alignShift - 1) {
	case exec, exec | 2: // SHF_ALLOC goes without saying
		kind = Text
	case 0, 2:
		kind = ROData
	case write, write | 2:
		kind = Data
	case write | zero, write | zero | 2:
		kind = BSS
	default:
		return 0, &Error{Op: op, Object: c.o.name, Reason: ErrKind, Detail: fmt.Sprintf("flags %#x", flags)}
	}
	if size > maxSize {
		return 0, &Error{Op: op, Object: c.o.name, Reason: ErrRange, Detail: fmt.Sprintf("%d bytes", size)}
	}
	b, err := c.o.Alloc(int(size), int(flags>>alignShift), kind)
	if err != nil {
		return 0, err
	}
	c.add(b)
	return b.Addr(), nil
}

func cWrite(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	b, off, err := c.at("write", u.Arg(1))
	if err != nil {
		return err
	}
	n := u.Arg(3)
	if n == 0 {
		return nil
	}
	if u.Arg(2) == 0 {
		return cArgument("write", "the data is at NULL")
	}
	if n > uintptr(b.size) {
		n = uintptr(b.size) + 1 // too many in any case
	}
	return b.Write(off, native.Bytes(u.Arg(2), n))
}

func cAlias(u native.Upcall) (uintptr, error) {
	c, err := cHandle(u)
	if err != nil {
		return 0, err
	}
	b, off, err := c.at("write", u.Arg(1))
	if err != nil {
		return 0, err
	}
	s, err := b.At(off)
	if err != nil {
		return 0, err
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(s))), nil
}

func cBind(u native.Upcall) (uintptr, error) { return cBindWith(u, nil) }

// cLine is struct dlline, cBindInfo struct dlbind_info.
type cLine struct {
	offset, file uintptr
	line, column uint32
}

type cBindInfo struct {
	size       uintptr
	version    uintptr
	lines      uintptr
	count      uintptr
	frame      uint32
	cfi, ncfis uintptr
}

func cBindX(u native.Upcall) (uintptr, error) {
	const op = "bind"
	p := u.Arg(5)
	if p == 0 {
		return cBind(u)
	}
	info := (*cBindInfo)(native.Pointer(p))
	if info.size != unsafe.Sizeof(*info) {
		return 0, cArgument(op, fmt.Sprintf("struct dlbind_info is of %d bytes, not %d", unsafe.Sizeof(*info), info.size))
	}
	return cBindWith(u, info)
}

// Flags of dlbind.
const (
	cReplace = 0x100 << iota
	cWeak
	cHidden
	cProtected
	cOldVersion
	cTypeMask = 0xf
	cAllFlags = cTypeMask | cReplace | cWeak | cHidden | cProtected | cOldVersion
)

func cBindWith(u native.Upcall, info *cBindInfo) (uintptr, error) {
	const op = "bind"
	c, err := cHandle(u)
	if err != nil {
		return 0, err
	}
	name := native.String(u.Arg(1))
	size, typ := u.Arg(3), uint32(u.Arg(4))
	fail := func(reason error, detail string) error {
		return &Error{Op: op, Object: c.o.name, Symbol: name, Reason: reason, Detail: detail}
	}
	var opts []BindOption
	switch t := elf.SymType(typ & cTypeMask); {
	case typ&^cAllFlags != 0:
		return 0, fail(ErrArgument, fmt.Sprintf("type %#x", typ))
	case t == elf.STT_FUNC:
		opts = append(opts, Function)
	case t == elf.STT_OBJECT:
		opts = append(opts, Variable)
	case t == elf.STT_NOTYPE:
		opts = append(opts, Label)
	default:
		return 0, fail(ErrKind, t.String())
	}
	for _, f := range []struct {
		flag uint32
		opt  BindOption
	}{{cReplace, Replace}, {cWeak, Weak}, {cProtected, Protected}, {cHidden, Hidden}} {
		if typ&f.flag != 0 {
			opts = append(opts, f.opt)
		}
	}
	b, off, err := c.at(op, u.Arg(2))
	if err != nil {
		return 0, err
	}
	opts = append(opts, Offset(off))
	if size > 0 {
		opts = append(opts, Size(int(min(size, maxSize+1))))
	}
	if info != nil {
		more, err := info.options(typ&cOldVersion != 0)
		if err != nil {
			return 0, fail(ErrArgument, err.Error())
		}
		opts = append(opts, more...)
	} else if typ&cOldVersion != 0 {
		return 0, fail(ErrArgument, "an old version without a version")
	}
	if err := c.o.Bind(name, b, opts...); err != nil {
		return 0, err
	}
	return c.handle, nil
}

// options reads what is said about a symbol.
func (info *cBindInfo) options(old bool) (opts []BindOption, err error) {
	const tooMany = 1 << 24
	switch version := native.String(info.version); {
	case version == "" && (old || info.version != 0):
		return nil, errors.New("the version has no name")
	case old:
		opts = append(opts, OldVersion(version))
	case version != "":
		opts = append(opts, Version(version))
	}
	if info.count > 0 {
		if info.count > tooMany || info.lines == 0 {
			return nil, fmt.Errorf("%d lines at %#x", info.count, info.lines)
		}
		lines := make([]Line, info.count)
		for i := range lines {
			l := (*cLine)(native.Pointer(info.lines + uintptr(i)*unsafe.Sizeof(cLine{})))
			lines[i] = Line{Offset: int(min(l.offset, maxSize)), File: native.String(l.file), Line: int(l.line), Column: int(l.column)}
		}
		opts = append(opts, Lines(lines...))
	}
	switch info.frame {
	case 0:
	case 1:
		opts = append(opts, Frame(FramePointer))
	case 2:
		opts = append(opts, Frame(NoFrame))
	case 3:
		if info.ncfis > tooMany || info.cfi == 0 && info.ncfis > 0 {
			return nil, fmt.Errorf("%d bytes of frame instructions at %#x", info.ncfis, info.cfi)
		}
		opts = append(opts, Frame(CFI(native.Bytes(info.cfi, info.ncfis))))
	default:
		return nil, fmt.Errorf("frame %d", info.frame)
	}
	return opts, nil
}

func cUnbind(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	return c.o.Unbind(native.String(u.Arg(1)))
}

func cCommit(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	return c.o.Commit()
}

func cReload(u native.Upcall) (uintptr, error) { return u.Arg(0), cCommit(u) }

func cFree(u native.Upcall) error    { return cGiveBack(u, (*Block).Free) }
func cFreeNow(u native.Upcall) error { return cGiveBack(u, (*Block).FreeNow) }

func cGiveBack(u native.Upcall, free func(*Block) error) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	b, err := c.remove("free", u.Arg(1))
	if err != nil {
		return err
	}
	if err := free(b); err != nil {
		c.add(b)
		return err
	}
	return nil
}

func cQuiesce(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	return c.o.Quiesce()
}

func cDelete(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	// First, as another object may have the handle as soon as this one is gone.
	cObjects.Lock()
	if cObjects.m[c.handle] != c {
		cObjects.Unlock()
		return errHandle
	}
	delete(cObjects.m, c.handle)
	cObjects.Unlock()
	if err := c.o.Close(); err != nil {
		cObjects.Lock()
		cObjects.m[c.handle] = c
		cObjects.Unlock()
		return err
	}
	return nil
}
