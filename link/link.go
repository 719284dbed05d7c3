package link

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weld/image/elf"
)

// A Phase is a step of a link and the time it took.
type Phase struct {
	Name  string
	Start time.Duration // since the link began
	Time  time.Duration
}

// A linker is the state of one link.
type linker struct {
	ctx     context.Context
	opt     *Options
	threads int
	page    uint64
	result  Result

	mach        machine // nil until the first object is known, if the options do not say it
	mi          *machineInfo
	class       *elfClass
	relSize     uint64 // of a relocation of the output
	machineFile string // the file that mach is from
	flags       uint32 // e_flags

	// What load finds.
	sources     []*source
	ordinal     uint64
	byPath      map[string]*shared
	searchDirs  []string
	wanted      []string
	scriptEntry string
	wrap        map[string]bool
	objs        []*object
	libs        []*lib
	dsos        []*shared
	files       []string
	syms        *symTable
	mem         memory
	binSorts    sync.Pool // of *binSort
	mergeSplits sync.Pool // of *mergeSplit
	lto         ltoState
	module      *moduleTables // nil: there are no tables of signatures

	versions    *matcher
	verdefs     []versionDef
	dynamicList *matcher
	exportList  *matcher

	pic, dynamic, ibt   bool
	features, isaNeeded uint32
	textrel             atomic.Bool
	staticTLS           atomic.Bool
	needTLSLD           atomic.Bool
	begun               time.Time
	spanMu              sync.Mutex
	inPar               atomic.Int32 // calls of par that run
	reports             errorList    // what options make an error that else is none
	warned              atomic.Bool
	warnMu              sync.Mutex
	hasGNU              atomic.Bool // indirect functions or unique symbols are in a symbol table

	outs        []*outSection // in the order of creation
	order       []*outSection // in the output
	empty       []*outSection // not in the output, as there is nothing in them
	outByName   map[outKey]*outSection
	synths      []*synth
	merged      []*mergedSection
	folds       []secRef // what identical sections were folded into
	eh          *ehTable
	aux         []symAux
	got         gotTable
	dyn         dynTables
	symtab      symtab
	emit        *emitTable
	gdbIndex    *synth
	retain      map[string]bool // names that stay in the symbol table; nil for all
	relr        *synth
	buildID     *synth
	places      []place
	defsyms     []place
	lateCommons []string // while files are searched for: common symbols that the first archive with their name has nothing better for
	commons     []*symbol
	commonOffs  []uint64
	commonParts [2]*synth
	veneers     veneerTable
	relaxRound  int

	segments        []*segment
	tls             *segment
	base            uint64
	tlsStart, tp    uint64
	relroEnd        uint64
	unloadedOff     uint64 // where what is not loaded begins in the file
	shoff, shstrOff uint64
	fileSize        uint64
	marks           struct{ end, edata, etext, bss mark }
	buf             []byte // the output, if it is in memory
	temp            string // the file that is to become the output
}

// Link links opt.Inputs. The error is a [*FileError], an [*UndefinedError], a [*DuplicateError], an [*OptionError] or [Errors], a
// list of such, [ErrWarning], or that of ctx; no file is then left or changed. It may be called from several goroutines at once.
func Link(ctx context.Context, opt Options) (*Result, error) {
	l := &linker{
		ctx: ctx, opt: &opt, begun: time.Now(), threads: opt.Threads, page: opt.MaxPageSize,
		byPath: map[string]*shared{}, outByName: map[outKey]*outSection{}, wrap: map[string]bool{}, syms: newSymTable(),
	}
	if l.threads <= 0 {
		l.threads = runtime.GOMAXPROCS(0)
	}
	for _, w := range opt.Wrap {
		l.wrap[w] = true
	}
	defer func() {
		for _, s := range l.sources {
			s.close()
		}
	}()
	defer l.closePlugins()
	defer func() {
		if l.temp != "" {
			os.Remove(l.temp)
		}
	}()
	if err := l.readModuleLists(); err != nil {
		return nil, err
	}
	if err := l.checkOptions(); err != nil {
		return nil, err
	}
	type step struct {
		name string
		fn   func() error
	}
	steps := []step{
		{"scripts", l.readScripts},
		{"load", l.load},
		{"lto", l.compileIR},
		{"kind", l.decideKind},
		{"resolve", l.resolve},
		{"types", l.checkTypes},
		{"exports", l.decideExports},
		{"split", l.split},
		{"gc", func() error { l.gc(); return nil }},
		{"icf", func() error { l.foldIdentical(); return nil }},
		{"sections", l.assign},
		{"scan", l.scanRelocations},
		{"signatures", l.makeModuleTables},
		{"tables", l.tables},
		{"layout", l.place},
		{"gdb-index", l.makeGDBIndex},
		{"compress", l.compressDebug},
		{"write", l.write},
		{"map", l.writeMap},
		{"finish", l.finish},
	}
	if opt.Mode == Relocatable {
		steps = []step{{"scripts", l.readScripts}, {"load", l.load}, {"lto", l.compileIR}, {"resolve", l.resolve}, {"types", l.checkTypes}, {"combine", l.combine}, {"write", l.write}, {"map", l.writeMap}, {"finish", l.finish}}
	}
	for _, s := range steps {
		start := time.Now()
		if opt.Progress != nil {
			opt.Progress(s.name)
		}
		if err := s.fn(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil && s.name != "finish" { // else the output is there
			return nil, err
		}
		l.result.Phases = append(l.result.Phases, Phase{s.name, start.Sub(l.begun), time.Since(start)})
	}
	for _, s := range l.sources {
		if s.path != "" && !slices.Contains(l.result.Opened, s.path) {
			l.result.Opened = append(l.result.Opened, s.path)
		}
	}
	l.result.Files = l.files
	return &l.result, nil
}

// checkOptions refuses settings that cannot be.
func (l *linker) checkOptions() error {
	opt := l.opt
	if opt.Machine != elf.EM_NONE {
		for _, m := range machines {
			if m.info().em == opt.Machine {
				l.setMachine(m)
				break
			}
		}
		if l.mach == nil {
			return &OptionError{"machine", fmt.Sprintf("%s (%s) cannot be linked for", opt.Machine.Arch(), opt.Machine)}
		}
	}
	switch {
	case len(opt.Inputs) == 0:
		return &OptionError{"inputs", "no input files"}
	case opt.MaxPageSize&(opt.MaxPageSize-1) != 0 || opt.MaxPageSize > maxAlign || opt.MaxPageSize != 0 && opt.MaxPageSize < 4096:
		return &OptionError{"max-page-size", "it is no power of two between 4096 and 1 GiB"}
	case opt.ImageBase%max(opt.MaxPageSize, 4096) != 0 || opt.ImageBase > 1<<46:
		return &OptionError{"image-base", "it is no multiple of the page size, or too large"}
	case opt.EmitRelocs && (opt.Strip == StripAll || opt.RetainSymbols != nil):
		return &OptionError{"--emit-relocs", "relocations need the symbols, which are to be left out"}
	case opt.Mode == Shared && opt.Static:
		return &OptionError{"-shared", "it cannot go with -static"}
	case len(opt.BuildIDBytes) > 1<<16:
		return &OptionError{"build-id", "it is too long"}
	}
	return nil
}

// decideKind decides what follows from the mode and from there being shared libraries.
func (l *linker) decideKind() error {
	l.pic = l.opt.Mode != Exec
	l.dynamic = l.pic || len(l.dsos) > 0
	return nil
}

// split splits sections whose pieces are linked one by one.
func (l *linker) split() error {
	return l.parErr(len(l.objs), func(i int) error {
		l.objs[i].splitMerge(l)
		if err := l.objs[i].parseEhFrames(l); err != nil || l.mi.em != elf.EM_RISCV {
			return err
		}
		return l.objs[i].prepareRelax()
	})
}

// assign assigns what is linked to sections of the output.
func (l *linker) assign() error {
	if err := l.mergeFiles(); err != nil {
		return err
	}
	l.mergeProperties()
	l.makeNotes()
	l.checkOrphans()
	l.makeSections()
	l.checkExecStack()
	if err := l.reports.err(); err != nil {
		return err
	}
	l.placeFolded()
	l.allocateCommons()
	if err := l.mergeAll(); err != nil {
		return err
	}
	if l.eh != nil && l.opt.EhFrameHdr {
		l.eh.hdr = l.synthSection(".eh_frame_hdr", shtProgbits, shfAlloc, 4)
	}
	return l.layoutEhFrame()
}

// tables makes the tables of the output.
func (l *linker) tables() error {
	l.makeTables()
	if err := l.makeDynamic(); err != nil {
		return err
	}
	if err := l.makeSymtab(); err != nil {
		return err
	}
	l.makeEmitted()
	if l.opt.GDBIndex && l.opt.Strip == StripNone && slices.ContainsFunc(l.outs, func(o *outSection) bool { return o.name == ".debug_info" }) {
		l.gdbIndex = l.synthSection(".gdb_index", shtProgbits, 0, 4)
		l.gdbIndex.out.keep = true
	}
	return nil
}

// place sizes and places everything.
func (l *linker) place() error {
	for {
		if err := l.sizeSections(); err != nil {
			return err
		}
		l.placeFolded()
		l.sizeRelr()
		if err := l.layout(); err != nil {
			return err
		}
		if err := l.checkReach(); err != nil {
			return err
		}
		if err := l.finishSymbols(); err != nil {
			return err
		}
		m, ok := l.mach.(relaxer)
		if !ok {
			return nil
		}
		if again, err := m.relax(l); err != nil || !again {
			return err
		}
	}
}

func (l *linker) warn(format string, args ...any) {
	l.warned.Store(true)
	if l.opt.Warn != nil {
		l.warnMu.Lock()
		defer l.warnMu.Unlock()
		l.opt.Warn(fmt.Sprintf(format, args...))
	}
}

func (l *linker) print(format string, args ...any) {
	if l.opt.Print != nil {
		l.opt.Print(fmt.Sprintf(format, args...))
	}
}
