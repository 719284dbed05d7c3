package link

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"weld/image/elf"
)

// memberBits is how many bits of a position say where in an archive a member stands.
const memberBits = 40

// maxScriptDepth bounds scripts that name scripts.
const maxScriptDepth = 16

// A lib is an archive of the command line, or an object that is linked on demand.
type lib struct {
	*archive
	base   string // for --exclude-libs
	pos    uint64
	index  int32
	names  nameBin
	pulled map[uint64]bool    // offsets of the members that are linked
	parsed map[uint64]*object // members that had to be read because there is no index
}

// A batch is files that have been found and not been read.
type batch struct {
	objs   []*object
	whole  []*lib // archives whose members are all linked
	libs   []*lib
	shared []*shared
}

// load reads all inputs and the members of archives that are wanted.
func (l *linker) load() error {
	var b batch
	var errs errorList
	for i := range l.opt.Inputs {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		errs.add(l.addInput(&b, &l.opt.Inputs[i], 0))
	}
	if err := errs.err(); err != nil {
		return err
	}
	l.wantNames()
	return l.loadBatches(&b)
}

// loadBatches reads the files of a batch, and the members of archives that become wanted.
func (l *linker) loadBatches(b *batch) error {
	for len(b.objs)+len(b.whole)+len(b.libs)+len(b.shared) > 0 {
		if err := l.read(b); err != nil {
			return err
		}
		next, err := l.pull()
		if err != nil {
			return err
		}
		b = &next
	}
	if l.mach == nil && len(l.lto.claimed) == 0 {
		return &OptionError{"inputs", "no object says what processor to link for"}
	}
	return l.ctx.Err()
}

// addInput finds the file of an input and sorts it into the batch by what it is.
func (l *linker) addInput(b *batch, in *Input, depth int) error {
	src, err := l.source(in)
	if err != nil {
		return err
	}
	if src.path != "" {
		if prev, ok := l.byPath[src.path]; ok && !in.WholeArchive {
			src.close()
			if !in.AsNeeded && prev != nil {
				prev.asNeeded = false
			}
			return nil
		}
	}
	l.sources = append(l.sources, src)
	l.ordinal++
	pos := l.ordinal << memberBits
	data := src.data
	switch {
	case bytes.HasPrefix(data, []byte("\x7fELF")):
		h, err := l.checkHeader(src.name, data)
		if err != nil {
			return err
		}
		if h.Type == elf.ET_REL {
			o := &object{name: src.name, data: data, pos: pos}
			if in.Lazy {
				b.libs = append(b.libs, l.lazyObject(o))
			} else {
				b.objs = append(b.objs, o)
			}
			return nil
		}
		if l.opt.Static || in.Static && in.Library != "" {
			return fileErr(ErrFormat, src.name, "", "a shared library (%s) in a static link", h.Type)
		}
		d := &shared{name: src.name, data: data, pos: pos, asNeeded: in.AsNeeded}
		if d.soname = src.name; in.Library != "" {
			d.soname = filepath.Base(src.name)
		}
		if src.path != "" {
			l.byPath[src.path] = d
		}
		b.shared = append(b.shared, d)
	case bytes.HasPrefix(data, []byte(arMagic)), bytes.HasPrefix(data, []byte(arThinMagic)):
		a, err := parseArchive(src.name, data)
		if err != nil {
			return err
		}
		if err := l.checkArchive(a); err != nil {
			return err
		}
		lb := &lib{archive: a, base: filepath.Base(src.name), pos: pos, pulled: map[uint64]bool{}}
		if in.WholeArchive {
			b.whole = append(b.whole, lb)
			return nil
		}
		if len(l.opt.Plugins) > 0 {
			if err := l.checkIndex(a); err != nil {
				return err
			}
		}
		if src.path != "" {
			l.byPath[src.path] = nil
		}
		b.libs = append(b.libs, lb)
	case isBitcode(data):
		o := &object{name: src.name, data: data, pos: pos}
		if in.Lazy {
			b.libs = append(b.libs, l.lazyObject(o))
		} else {
			b.objs = append(b.objs, o)
		}
	case len(data) == 0:
		return fileErr(ErrFormat, src.name, "", "the file is empty")
	case isScript(data):
		return l.addScript(b, in, src, depth)
	default:
		return fileErr(ErrFormat, src.name, "", "neither an object, an archive, a shared library nor a linker script: it begins with %q", data[:min(4, len(data))])
	}
	return nil
}

// source finds and opens an input.
func (l *linker) source(in *Input) (*source, error) {
	switch {
	case in.Library != "":
		return l.openLibrary(in.Library, in.Static)
	case in.Path != "":
		return l.open(in.Path)
	case in.Reader != nil:
		data, err := readInput(in.Name, in.Reader, in.Size)
		return &source{name: in.Name, data: data}, err
	}
	return &source{name: in.Name, data: in.Data}, nil
}

// addScript adds the files that a linker script names.
func (l *linker) addScript(b *batch, in *Input, src *source, depth int) error {
	if depth >= maxScriptDepth {
		return fileErr(ErrScript, src.name, "", "scripts name scripts %d deep", depth)
	}
	s, err := parseScript(src.name, src.data)
	if err != nil {
		return err
	}
	if err := l.checkFormats(s); err != nil {
		return err
	}
	l.searchDirs = append(l.searchDirs, s.search...)
	l.wanted = append(l.wanted, s.undef...)
	if s.entry != "" && l.scriptEntry == "" {
		l.scriptEntry = s.entry
	}
	for _, f := range s.files {
		sub := *in
		sub.Path, sub.Library, sub.Data, sub.Reader = "", "", nil, nil
		sub.AsNeeded = in.AsNeeded || f.asNeeded
		if f.library {
			sub.Library = f.name
		} else if sub.Path, err = l.scriptPath(src, f.name); err != nil {
			return err
		}
		if l.opt.Static && !f.library && strings.Contains(filepath.Base(f.name), ".so") {
			continue
		}
		if err := l.addInput(b, &sub, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// scriptPath finds a file that a script names.
func (l *linker) scriptPath(src *source, name string) (string, error) {
	if strings.HasPrefix(name, "=") || strings.HasPrefix(name, "$SYSROOT") {
		return l.sysroot(name), nil
	}
	if filepath.IsAbs(name) {
		if root := l.opt.Sysroot; root != "" && strings.HasPrefix(src.path, root) && l.exists(root+name) {
			return root + name, nil
		}
		return name, nil
	}
	if l.exists(name) {
		return name, nil
	}
	dirs := append([]string{filepath.Dir(src.path)}, l.opt.LibraryPath...)
	for _, dir := range append(dirs, l.searchDirs...) {
		if p := filepath.Join(l.sysroot(dir), name); l.exists(p) {
			return p, nil
		}
	}
	return "", fileErr(ErrNotFound, src.name, "", "it names %s, which is neither here nor in the library path", name)
}

// read parses the files of a batch and enters their symbols.
func (l *linker) read(b *batch) error {
	err := l.addMembers(b)
	if err != nil {
		return err
	}
	l.mem.expect(b)
	err = l.parErr(len(b.objs), func(i int) error {
		if o := b.objs[i]; o.names.ids != nil || o.secs != nil || o.ir != irNone {
			return nil // it was read for its symbols
		}
		return b.objs[i].parse(l)
	})
	if err != nil {
		return err
	}
	if err := l.claim(b.objs); err != nil {
		return err
	}
	if err := l.parErr(len(b.shared), func(i int) error { return b.shared[i].parse(l) }); err != nil {
		return err
	}
	for _, lb := range b.libs {
		if err := l.index(lb); err != nil {
			return err
		}
	}
	err = l.parErr(len(b.libs), func(i int) error {
		lb := b.libs[i]
		if err := lb.readIndex(); err != nil {
			return err
		}
		lb.names.build(l, len(lb.symNames), func(k uint32, _ *nameRef) []byte { return viewBytes(lb.symNames[k]) })
		return nil
	})
	if err != nil {
		return err
	}
	l.objs = append(l.objs, b.objs...)
	for _, lb := range b.libs {
		lb.index = int32(len(l.libs))
		l.libs = append(l.libs, lb)
	}
	l.dsos = append(l.dsos, b.shared...)
	l.enter(b)
	return l.ctx.Err()
}

// newNames returns about how many of the names in the files are new: half of those of objects, and those of libraries.
func (b *batch) newNames(count func(*nameBin) int) int {
	n := 0
	for _, o := range b.objs {
		n += count(&o.names)
	}
	n /= 2
	for _, d := range b.shared {
		n += count(&d.names)
	}
	for _, lb := range b.libs {
		n += count(&lb.names)
	}
	return n
}

// enter enters the symbols of files that have been read.
func (l *linker) enter(b *batch) {
	total := b.newNames(func(names *nameBin) int { return len(names.refs) })
	l.mem.reserveSymbols(total + 2*nShards)
	l.par(nShards, func(n int) {
		sh := &l.syms.shards[n]
		sh.reserve(&l.mem, b.newNames(func(names *nameBin) int { return len(names.of(n)) }))
		for _, o := range b.objs {
			refs := o.names.of(n)
			for j := range refs {
				r := &refs[j]
				i := sh.intern(r.hash, o.refName(r))
				r.id = symID(uint32(n)<<idBits | i)
				sh.wantObject(i, o, r)
			}
		}
		for _, d := range b.shared {
			refs := d.names.of(n)
			for j := range refs {
				r := &refs[j]
				i := sh.intern(r.hash, d.globalName(r.k))
				r.id = symID(uint32(n)<<idBits | i)
				sh.wantShared(i, d, r.k)
			}
		}
		for _, lb := range b.libs {
			refs := lb.names.of(n)
			for j := range refs {
				k := refs[j].k
				i := sh.intern(refs[j].hash, lb.symNames[k])
				s := &sh.syms[i]
				rank := rankOf(classShared, lb.pos|lb.symOffs[k]&(1<<memberBits-1))
				if s.rank == 0 || rank < s.rank {
					s.rank, s.kind, s.file, s.idx = rank, symLazy, lb.index, k
					sh.touched = append(sh.touched, i)
				}
			}
		}
	})
	l.par(len(b.objs), func(i int) { b.objs[i].names.number() })
	l.par(len(b.shared), func(i int) { b.shared[i].names.number() })
}

// wantNames enters the symbols that the options want.
func (l *linker) wantNames() {
	names := slices.Concat(l.opt.Undefined, l.opt.RequireDefined, l.wanted)
	if e := l.entryName(); e != "" {
		names = append(names, e)
	}
	for _, n := range []string{l.opt.Init, l.opt.Fini} {
		if n != "" {
			names = append(names, n)
		}
	}
	for _, d := range l.opt.Defsyms {
		if d.Alias != "" {
			names = append(names, d.Alias)
		}
	}
	l.wanted = names
	for _, n := range names {
		id := l.syms.intern(n)
		s := l.syms.at(id)
		s.flags |= refStrong
		sh := &l.syms.shards[id>>idBits]
		sh.touched = append(sh.touched, uint32(id&idMask))
	}
}

// entryName returns the symbol that the program begins at, or "".
func (l *linker) entryName() string {
	e := cmp.Or(l.opt.Entry, l.scriptEntry)
	if e == "" && l.opt.Mode != Shared && l.opt.Mode != Relocatable {
		e = "_start"
	}
	if e != "" && e[0] >= '0' && e[0] <= '9' {
		return ""
	}
	return e
}

// wrapped returns the symbol that an undefined reference means under --wrap.
func (l *linker) wrapped(name []byte) (string, bool) {
	if len(l.wrap) == 0 {
		return "", false
	}
	if real, ok := bytes.CutPrefix(name, []byte("__real_")); ok && l.wrap[string(real)] {
		return string(real), true
	}
	if l.wrap[string(name)] {
		return "__wrap_" + string(name), true
	}
	return "", false
}

// trace reports the files that are linked, in order.
func (l *linker) trace() {
	for _, o := range l.objs {
		l.files = append(l.files, o.name)
	}
	for _, d := range l.dsos {
		l.files = append(l.files, d.name)
	}
	if l.opt.Trace {
		for _, f := range l.files {
			l.print("%s", f)
		}
	}
}
