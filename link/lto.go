package link

import (
	"cmp"
	"errors"
	"slices"
	"unsafe"

	"weld/image/elf"
)

// Link-time optimisation goes like this. A plugin claims objects of intermediate code (IR) and tells their symbols, which become
// an object with symbols and without content. When all inputs are there, symbols are resolved; the plugin is told how, and compiles.
// The IR objects go, what it has made comes in their place, and symbols are resolved again from the start.

// What an object has of intermediate code.
const (
	irNone  uint8 = iota
	irFat         // machine code as well
	irOnly        // no machine code
	irClaim       // a plugin has claimed it
)

// ltoState is what the link knows of plugins.
type ltoState struct {
	opened  bool
	plugins []Plugin
	err     error       // why there is no plugin
	claimed []claimedIR // in the order of claiming
}

// A claimedIR is a file that a plugin has claimed.
type claimedIR struct {
	plugin Plugin
	file   *PluginFile
	syms   []PluginSymbol
	obj    *object
}

// isBitcode reports whether data is LLVM's intermediate code, with or without a wrapper.
func isBitcode(data []byte) bool {
	return len(data) >= 4 && (string(data[:4]) == "BC\xc0\xde" || string(data[:4]) == "\xde\xc0\x17\x0b")
}

// checkIndex drops the symbol index of an archive if an ar that does not know the intermediate code has made it: the first member
// is bitcode, and the index has no symbol of it.
func (l *linker) checkIndex(a *archive) error {
	if err := a.readIndex(); err != nil {
		return err
	}
	m, _, err := a.member(a.first)
	if !a.hasIndex || err != nil || slices.Contains(a.symOffs, a.first) {
		return nil
	}
	data := m.data
	if a.thin {
		src, err := l.open(a.thinPath(m.name))
		if err != nil {
			return nil // it may not be needed
		}
		defer src.close()
		data = src.data
	}
	if isBitcode(data) {
		a.hasIndex, a.symNames, a.symOffs = false, nil, nil
	}
	return nil
}

// openPlugins opens the plugins when the first object needs them.
func (l *linker) openPlugins() {
	if l.lto.opened {
		return
	}
	l.lto.opened = true
	switch {
	case len(l.opt.Plugins) == 0:
		l.lto.err = errors.New("no plugin is named that could compile it (-plugin)")
	case l.opt.OpenPlugin == nil:
		l.lto.err = errors.New(l.opt.Plugins[0].Path + ": plugins cannot be loaded here")
	default:
		for _, ref := range l.opt.Plugins {
			p, err := l.opt.OpenPlugin(PluginConfig{PluginRef: ref, Mode: l.opt.Mode, Output: l.opt.Output, Warn: func(msg string) { l.warn("%s", msg) }})
			if err != nil {
				l.lto.err = errors.Join(l.lto.err, err)
				l.warn("plugin %s cannot be used: %v", ref.Path, err)
				continue
			}
			l.lto.plugins = append(l.lto.plugins, p)
		}
	}
}

func (l *linker) closePlugins() (err error) {
	for _, p := range l.lto.plugins {
		err = cmp.Or(err, p.Close())
	}
	l.lto.plugins = nil
	return err
}

// claim offers objects with intermediate code to the plugins.
func (l *linker) claim(objs []*object) error {
	for _, o := range objs {
		if o.ir == irNone || o.ir == irClaim || o.compiled {
			continue
		}
		if err := l.claimOne(o); err != nil {
			return err
		}
	}
	return nil
}

func (l *linker) claimOne(o *object) error {
	l.openPlugins()
	f := l.pluginFile(o)
	for _, p := range l.lto.plugins {
		syms, ok, err := p.Claim(f)
		if err != nil {
			return &FileError{File: o.name, What: err.Error(), Kind: err}
		}
		if ok {
			l.lto.claimed = append(l.lto.claimed, claimedIR{p, f, syms, o})
			return o.fromIR(l, syms)
		}
	}
	if o.ir == irOnly {
		why := "no plugin knows its intermediate code"
		if l.lto.err != nil {
			why = l.lto.err.Error()
		}
		what := "an LTO object without machine code"
		if isBitcode(o.data) {
			what = "LLVM bitcode, " + what
		}
		return o.err(ErrLTO, "", "%s, and %s; compile it with -ffat-lto-objects or without -flto", what, why)
	}
	return nil
}

// pluginFile says where an object is.
func (l *linker) pluginFile(o *object) *PluginFile {
	f := &PluginFile{Name: o.name, Data: o.data}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(o.data)))
	for _, s := range l.sources {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(s.data)))
		if len(s.data) > 0 && at >= start && at-start < uintptr(len(s.data)) {
			if l.opt.FS == nil {
				f.Path = s.path
			}
			f.Offset = int64(at - start)
			break
		}
	}
	return f
}

// fromIR makes the object one that has the given symbols and no content. A section stands for what is defined, and one more
// for each section group.
func (o *object) fromIR(l *linker, syms []PluginSymbol) error {
	*o = object{name: o.name, data: o.data, pos: o.pos, lib: o.lib, mi: l.mi, ir: irClaim, secs: make([]section, 2), first: 1, nsyms: uint32(len(syms) + 1)}
	o.secs[1].state = secLive
	groups := map[string]uint32{} // a section for each key
	o.symtab = make([]byte, len(syms)*symSize+symSize)
	o.strtab = []byte{0}
	for k := range syms {
		s := &syms[k]
		b := o.symtab[(k+1)*symSize:][:symSize]
		le.PutUint32(b, uint32(len(o.strtab)))
		o.strtab = append(append(o.strtab, s.Name...), 0)
		bind, shndx := elf.STB_GLOBAL, uint16(1)
		switch s.Kind {
		case PluginWeakDef:
			bind = elf.STB_WEAK
		case PluginUndef:
			shndx = 0
		case PluginWeakUndef:
			bind, shndx = elf.STB_WEAK, 0
		case PluginCommon:
			shndx = uint16(shnCommon)
			le.PutUint64(b[8:], 1)
		}
		if s.ComdatKey != "" && shndx == 1 {
			n, ok := groups[s.ComdatKey]
			if !ok {
				n = uint32(len(o.secs))
				groups[s.ComdatKey] = n
				o.secs = append(o.secs, section{state: secLive, out: outNone, extra: -1})
				o.groups = append(o.groups, group{name: s.ComdatKey, members: le.AppendUint32(nil, n)})
			}
			if s.Name == s.ComdatKey {
				g := &o.groups[n-2]
				g.sym, g.name = uint32(k+1), ""
			}
			shndx = uint16(shnXindex)
			for len(o.xindex) < (k+1)*4 {
				o.xindex = append(o.xindex, 0)
			}
			o.xindex = le.AppendUint32(o.xindex, n)
		}
		b[4], b[5] = uint8(bind)<<4|uint8(s.Type), uint8(s.Visibility)
		le.PutUint16(b[6:], shndx)
		le.PutUint64(b[16:], s.Size)
	}
	return o.parseNames(l)
}

// compileIR has the plugins compile what they have claimed, and loads what comes of it.
func (l *linker) compileIR() error {
	if len(l.lto.claimed) == 0 {
		return nil
	}
	l.orderFiles()
	l.chooseGroups()
	if err := l.resolveSymbols(); err != nil {
		return err
	}
	l.markRegular()
	pos := l.objs[slices.IndexFunc(l.objs, func(o *object) bool { return o.ir == irClaim })].pos
	linked := map[*object]bool{}
	for _, o := range l.objs {
		linked[o] = true
	}
	var b batch
	for _, p := range l.lto.plugins {
		var files []ClaimedFile
		for i := range l.lto.claimed {
			c := &l.lto.claimed[i]
			if c.plugin != p {
				continue
			}
			f := ClaimedFile{File: c.file}
			if linked[c.obj] {
				l.tellResolutions(c)
				f.Symbols = c.syms
			}
			files = append(files, f)
		}
		if len(files) == 0 {
			continue
		}
		made, err := p.Compile(files)
		if err != nil {
			return err
		}
		for i := range made {
			in := &made[i]
			if in.Library != "" && (l.opt.Mode == Relocatable || slices.ContainsFunc(l.opt.Inputs, func(x Input) bool { return x.Library == in.Library })) {
				continue // archives are searched for everything already
			}
			if err := l.addInput(&b, in, 0); err != nil {
				return err
			}
		}
	}
	for _, o := range b.objs {
		o.pos, o.compiled = pos, true
	}
	return l.reload(&b)
}

// markRegular marks the symbols that something else than IR refers to.
func (l *linker) markRegular() {
	l.par(nShards, func(n int) {
		sh := &l.syms.shards[n]
		for _, o := range l.objs {
			if o.ir == irClaim {
				continue
			}
			for _, r := range o.names.of(n) {
				sh.syms[r.id&idMask].flags |= refRegular
			}
		}
	})
	for _, n := range l.wanted {
		l.syms.at(l.syms.find(n)).flags |= refRegular
	}
	for w := range l.wrap {
		for _, n := range []string{w, "__wrap_" + w} {
			if id := l.syms.find(n); id != 0 {
				l.syms.at(id).flags |= refRegular
			}
		}
	}
}

// tellResolutions sets the resolutions of a claimed file that is linked.
func (l *linker) tellResolutions(c *claimedIR) {
	for k := range c.syms {
		p := &c.syms[k]
		s := l.syms.at(c.obj.names.ids[k])
		byIR := (s.kind == symObject || s.kind == symCommon) && l.objs[s.file].ir == irClaim
		undef := p.Kind == PluginUndef || p.Kind == PluginWeakUndef
		switch {
		case undef && byIR:
			p.Resolution = ResolvedIR
		case undef && s.kind == symShared:
			p.Resolution = ResolvedDyn
		case undef && s.defined():
			p.Resolution = ResolvedExec
		case undef:
			p.Resolution = ResolvedUndef
		case !byIR:
			p.Resolution = PreemptedReg
		case l.objs[s.file] != c.obj || s.idx != c.obj.first+uint32(k):
			p.Resolution = PreemptedIR
		case s.flags&(refRegular|refShared|defShared) != 0 && (s.flags&refRegular != 0 || !s.hidden()):
			p.Resolution = PrevailingDef
		case l.opt.Mode == Relocatable:
			p.Resolution = PrevailingDef
		case !s.hidden() && (l.opt.Mode == Shared || l.opt.ExportDynamic || len(l.opt.ExportSymbols)+len(l.opt.DynamicLists) > 0):
			p.Resolution = PrevailingDefExported
		default:
			p.Resolution = PrevailingDefIROnly
		}
	}
}

// reload begins again with the objects that are not IR, and those in b. A section group that was lost to an IR file stays so: what
// the plugin has made of that file may define the same without a group.
func (l *linker) reload(b *batch) error {
	l.objs = slices.DeleteFunc(l.objs, func(o *object) bool { return o.ir == irClaim })
	l.par(nShards, func(n int) {
		sh := &l.syms.shards[n]
		for i := range sh.syms {
			sh.syms[i] = symbol{name: sh.syms[i].name, file: -1, out: outNone}
		}
		sh.touched = sh.touched[:0]
	})
	l.wantNames()
	l.enter(&batch{objs: l.objs, libs: l.libs, shared: l.dsos})
	n := len(l.lto.claimed)
	if err := l.loadBatches(b); err != nil {
		return err
	}
	if late := l.lto.claimed[n:]; len(late) > 0 {
		return fileErr(ErrLTO, late[0].file.Name, "", "what the plugin has compiled needs this LTO object, which comes too late; compile it without -flto, or name what it defines with -u")
	}
	return nil
}
