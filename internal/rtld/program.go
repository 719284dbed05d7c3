package rtld

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"weld/debug"
	"weld/image/elf"
	"weld/internal/rawfile"
	"weld/native"
)

// Program is a program that is loaded in the place of the one that the process was started with, as the kernel and its
// program interpreter would load it. There is one at most, and it is what the default namespace begins with.
type Program struct {
	Path string
	Args []string // Args[0] is the program's name for itself
	Env  []string

	Preload []string // libraries that come right behind it in the scope (LD_PRELOAD)
	// Lazy has functions bound when they are called first, where the object allows that. Else all that can be is bound
	// when an object is loaded: a child of fork may have nobody to bind for it.
	Lazy bool
	// Ready, if set, is called when everything is bound and before any initialiser runs.
	Ready func() error

	entry   uintptr
	native  *native.Program
	object  *Object // nil: a static one
	started *source // if the kernel has mapped it
	file    *elf.File
	where   native.Mapping
}

// program is the object of the Program that the process runs.
var program *Object

// Load maps the program and all that it needs, binds it, and runs the initialisers of its libraries. The errors are
// those of Open, for the program itself and for each library that it needs. What it has done cannot be undone: after an
// error the process is good for nothing but to say so.
func (g *Program) Load() error {
	path, err := filepath.Abs(g.Path)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		err = asOpenError(g.Path, nil, err)
		if e, ok := err.(*OpenError); ok && e.Path == "" {
			e.Path = path
		}
		return err
	}
	if err := setUp(); err != nil {
		return err
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	t := tracing()
	t.enter(PhasePlan)
	defer t.leave()
	p := newPlan(Default, NoDelete)
	p.isProgram = true
	linker.eager = !g.Lazy
	s := g.started
	if s == nil {
		if s, err = p.openProgram(path); err != nil {
			return fail(err)
		}
		g.entry = s.mapping.Bias + uintptr(s.file.Entry)
	}
	g.file, g.where = s.file, s.mapping
	g.tellDebugger()
	debug.SetUpProbes(false)
	p.startMap()
	g.describe()
	if err := g.native.Become(); err != nil {
		return fail(err)
	}
	interp := s.file.Interp
	if interp == "" && len(s.file.Dynamic.Needed) == 0 {
		t.staticLoaded(path, s)
		p.endReloc()
		return nil
	}
	family := familyOf(s.file.Dynamic.Needed)
	if strings.HasPrefix(filepath.Base(interp), "ld-musl") {
		family = native.Musl
	} else if family == native.NoLibc {
		family = native.Glibc
	}
	if g.started == nil {
		Default.Interpreter = interp // else it is weld
	}
	if err := p.ns.bringUp(family); err != nil {
		return fail(err)
	}
	if err := addProgramServices(); err != nil {
		return err
	}
	if g.started != nil {
		listInterpreter(interp)
	}
	g.object = p.add(s, nil)
	g.object.search.Path = g.origin(path)
	program = g.object
	p.traceLoad(program, s, g.Path, nil)
	p.root = g.object
	p.preload = g.Preload
	linker.plan = p
	if err := p.complete(); err != nil {
		return fail(err)
	}
	p.publish()
	linker.plan = nil
	for _, o := range p.fresh {
		o.plan = nil
	}
	if g.Ready != nil {
		if err := g.Ready(); err != nil {
			return err
		}
	}
	native.OnFork(beforeFork, afterFork, inChild)
	g.native.HandOver()
	order := slices.DeleteFunc(initOrder(program), func(o *Object) bool { return o == program })
	argc, argv, envp := native.Arguments()
	if list := program.functions(program.File.Dynamic.PreinitArray); list.count() > 0 {
		done := t.ran(EventInit, program, list.count())
		for i := range list.len() {
			if f := list.at(i); f != 0 {
				native.Call(f, argc, argv, envp)
			}
		}
		done()
	}
	initialise(order)
	program.init = initDone // by its own start code or the C library's
	return nil
}

// Started returns the program that the kernel has mapped and for which it has started this binary as the interpreter;
// nil if it has not. secure says that the program has rights that who started it has not: the environment is not to
// be trusted.
func Started() (g *Program, secure bool, err error) {
	if !native.Interpreting() {
		return nil, false, nil
	}
	f, m, entry, path, secure, err := native.Interpreted()
	if err != nil {
		return nil, secure, err
	}
	return &Program{Path: path, entry: entry, started: &source{file: f, mapping: m, path: path}}, secure, nil
}

// origin returns the path whose directory is the program's $ORIGIN: that of the file, whichever symbolic links have led to
// it. The C libraries read /proc/self/exe for it.
func (g *Program) origin(path string) string {
	real, err := "", error(nil)
	if g.started != nil {
		real, err = os.Readlink("/proc/self/exe")
	} else {
		real, err = filepath.EvalSymlinks(path)
	}
	if err != nil || !filepath.IsAbs(real) {
		return path
	}
	return real
}

// openProgram maps the executable.
func (p *plan) openProgram(path string) (*source, error) {
	fd, err := rawfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	return p.mapFile(path, fd, true)
}

// describe says what native is to make of the process.
func (g *Program) describe() {
	f := g.file
	g.native = &native.Program{
		Path: g.Path, Args: g.Args, Env: g.Env,
		Init: func() { program.runInit() },
		Aux: map[uintptr]uintptr{
			native.AtPhdr: g.where.Progs(f), native.AtPhent: phdrSize, native.AtPhnum: uintptr(len(f.Progs)),
			native.AtEntry: g.entry,
		},
	}
	if name, err := native.NewString(g.Path); err == nil {
		g.native.Aux[native.AtExecfn] = name
	}
	if t := f.TLS; t != nil {
		g.native.TLS = native.Bytes(g.where.Bias+uintptr(t.Vaddr), uintptr(t.Filesz))
		g.native.TLSSize, g.native.TLSAlign = uintptr(t.Memsz), uintptr(t.Align)
		g.native.TLSAddr = uintptr(t.Vaddr)
	}
}

// tellDebugger fills in the program's DT_DEBUG, through which debuggers find the list of what is loaded (gABI).
func (g *Program) tellDebugger() {
	a := g.file.Dynamic.DebugAddr
	for _, s := range g.file.Progs {
		if a != 0 && s.Type == elf.PT_LOAD && s.Flags&elf.PF_W != 0 && a-s.Vaddr < s.Memsz {
			*(*uintptr)(native.Pointer(g.where.Bias + uintptr(a))) = Default.rendezvous().Addr()
		}
	}
}

// Object returns the program's object, nil for a static program.
func (g *Program) Object() *Object { return g.object }

// Run starts the program. It returns only if that is not possible.
func (g *Program) Run() error {
	entry := g.entry
	tracing().start(g.Path, entry)
	if g.object == nil {
		return g.native.RunStatic(entry)
	}
	return g.native.Run(entry)
}

// rebindSystem binds the C library's own references again where the program, or a library before the C library in its
// scope, defines what they name: a function that it replaces, or data that it has a copy of. ld.so has bound them before
// the program was there.
func rebindSystem() error {
	for _, o := range linker.system {
		if strings.HasPrefix(o.base(), "ld-linux") {
			continue // it is bound to itself while it starts, and stays so with glibc too
		}
		if err := o.rebind(func(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (uintptr, error) {
			d, ok := lookupIn(*Default.global.Load(), h, ver, flags, nil)
			if !ok || d.o.System || d.sym.Type() == elf.STT_TLS {
				return 0, nil
			}
			v, err := d.resolve()
			if err == nil {
				tracing().rebound(o, h, ver, d, v)
			}
			return v, err
		}); err != nil {
			return err
		}
	}
	return nil
}

// rebind writes to the object's slots of functions and data what look returns for them, unless it is 0.
func (o *Object) rebind(look func(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (uintptr, error)) error {
	f := o.File
	var writes []slot
	for _, t := range []elf.RelaTable{f.Rela(), f.PltRel()} {
		for i := range t.Len() {
			r := t.At(i)
			typ := elf.R_X86_64(r.Type)
			if r.Sym == 0 || typ != elf.R_X86_64_JMP_SLOT && typ != elf.R_X86_64_GLOB_DAT && typ != elf.R_X86_64_64 {
				continue
			}
			s, ok := f.Sym(r.Sym)
			if !ok || s.Bind() == elf.STB_LOCAL || s.Defined() && s.Visibility() != elf.STV_DEFAULT {
				continue
			}
			flags := elf.LookupOldest
			if typ == elf.R_X86_64_JMP_SLOT {
				flags |= elf.LookupPLT
			}
			h := f.SymHash(s)
			v, err := look(&h, f.SymVersion(r.Sym), flags)
			if err != nil {
				return err
			}
			if v != 0 {
				writes = append(writes, slot{o.addr(r.Off), v + uintptr(r.Addend)})
			}
		}
	}
	return o.store(writes)
}

// slot is a word of an object and what it is to hold.
type slot struct{ addr, value uintptr }

// store writes to words that may be read-only by now (PT_GNU_RELRO).
func (o *Object) store(writes []slot) error {
	var start, end uintptr
	if r := o.File.Relro; r != nil {
		start = o.addr(r.Vaddr) &^ (native.PageSize - 1)
		end = o.addr(r.Vaddr+r.Memsz) &^ (native.PageSize - 1)
	}
	relro := slices.ContainsFunc(writes, func(w slot) bool { return w.addr >= start && w.addr < end })
	if relro {
		if err := native.Protect(start, end-start, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			return &native.MapError{What: o.Path + " (RELRO)", Size: end - start, Err: err}
		}
	}
	for _, w := range writes {
		storeWord(w.addr, w.value)
	}
	if relro {
		return native.Protect(start, end-start, syscall.PROT_READ)
	}
	return nil
}

// addProgramServices adds what takes the place of the C library's functions for a program, and what is done in children
// that have no Go.
func addProgramServices() error {
	t := &services
	for name, addr := range native.ProgramServices() {
		t.add(name, addr)
		t.wraps[name] = true
	}
	for name, thunk := range t.thunks {
		switch name {
		case "dlerror":
			thunk.OnOrphan(native.OrphanError())
		case "dl_iterate_phdr", "_dl_find_object", "__cxa_thread_atexit_impl", "dladdr", "dladdr1":
			thunk.OnOrphan(native.SystemFunction(name))
		}
	}
	return nil
}
