//go:build linux && amd64

package debug

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"weld/image/elf"
)

// stateFunctions are the names of the function that a run-time linker calls when its list changes, as gdb looks for them
// (solib-svr4.c, bkpt_names).
var stateFunctions = []string{"_dl_debug_state", "r_debug_state", "_r_debug_state", "rtld_db_dlactivity",
	"__dl_rtld_db_dlactivity", "_rtld_debug_state"}

// rendezvous is where a process keeps its list.
type rendezvous struct {
	record uint64 // the first struct r_debug; 0 if there is none yet
	found  string // what led to it
	slot   uint64 // where the value of DT_DEBUG will be; 0 if the program has no such entry
	brk    uint64 // the state function by name; 0 if no file names it
}

// program returns the program headers of the program as they are in memory. What the program was moved by is told by
// PT_PHDR, or else by the entry point.
func (t *target) program() (s segments, err error) {
	place := fmt.Sprintf("program headers %#x", t.aux[atPhdr])
	num := t.aux[atPhnum]
	if t.aux[atPhdr] == 0 || num > maxPhnum {
		return s, t.at(place, ErrCorrupt, "the auxiliary vector names %d program headers", num)
	}
	table := make([]byte, num*phdrSize)
	r := listReader{mem: t}
	if err := r.read(table, t.aux[atPhdr], place); err != nil {
		return s, t.failed(err)
	}
	s.progs = decodeProgs(table)
	s.bias = t.aux[atEntry] - t.entry
	for _, p := range s.progs {
		if p.Type == elf.PT_PHDR {
			s.bias = t.aux[atPhdr] - p.Vaddr
		}
	}
	return s, nil
}

func (t *target) at(place string, kind error, format string, args ...any) error {
	return &ProcessError{PID: t.pid, Place: place, What: fmt.Sprintf(format, args...), Kind: kind}
}

// locate finds the first struct r_debug: through DT_DEBUG of the program, else by the symbol _r_debug of the program's
// file, else by that of the program interpreter's.
func (t *target) locate() (v rendezvous, err error) {
	prog, err := t.program()
	if err != nil {
		return v, err
	}
	if v.slot, err = t.debugSlot(&prog); err != nil {
		return v, err
	}
	if v.slot != 0 {
		b := make([]byte, 8)
		if err := (&listReader{mem: t}).read(b, v.slot, "the value of DT_DEBUG"); err != nil {
			return v, t.failed(err)
		}
		if v.record = word(b); v.record != 0 {
			v.found = "DT_DEBUG"
			return v, nil
		}
	}
	files := []struct {
		addr uint64
		path string
	}{{prog.bias, t.proc("exe")}, {t.aux[atBase], ""}}
	for i, f := range files {
		name := t.exe
		if i == 1 {
			if f.addr == 0 {
				break
			}
			if f.path, name, err = t.fileAt(f.addr); err != nil {
				break
			}
		}
		record, brk, err := symbolsOf(f.path, f.addr)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && !t.alive() {
				return v, t.ended()
			}
			continue
		}
		if v.brk == 0 {
			v.brk = brk
		}
		if record != 0 {
			v.record, v.found = record, "_r_debug of "+name
			break
		}
	}
	if v.record == 0 && v.slot == 0 {
		return v, t.fail(ErrNoList, "%s has no DT_DEBUG, and no symbol _r_debug (is it stripped?): no run-time linker can be found", t.exe)
	}
	return v, nil
}

func word(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 |
		uint64(b[6])<<48 | uint64(b[7])<<56
}

// debugSlot returns the address of the value of DT_DEBUG in the program's PT_DYNAMIC; 0 if it has none.
func (t *target) debugSlot(prog *segments) (uint64, error) {
	addr, size := prog.dynamic()
	if addr == 0 {
		return 0, nil
	}
	place := fmt.Sprintf("PT_DYNAMIC %#x of the program", addr)
	table := make([]byte, min(size, 64<<10))
	if err := (&listReader{mem: t}).read(table, addr, place); err != nil {
		return 0, t.failed(err)
	}
	for at := 0; at+16 <= len(table); at += 16 {
		switch elf.DynTag(word(table[at:])) {
		case elf.DT_NULL:
			return 0, nil
		case elf.DT_DEBUG:
			return addr + uint64(at) + 8, nil
		}
	}
	return 0, nil
}

// symbolsOf returns the addresses of the symbols _r_debug and of a state function of a file, 0 where it has none.
func symbolsOf(path string, bias uint64) (record, brk uint64, err error) {
	err = withFile(path, func(f *elf.File) (err error) {
		record, brk, err = symbolsIn(f, bias)
		return err
	})
	return record, brk, err
}

// withFile calls fn for the ELF file at path, which is a process's: that another one cuts it short meanwhile is an error.
func withFile(path string, fn func(f *elf.File) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // of a runtime.Error: SIGBUS
			err = &elf.FormatError{File: path, What: "it is shorter than when it was opened", Kind: elf.ErrTruncated}
		default:
			panic(p)
		}
	}()
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return fn(f.File)
}

func symbolsIn(f *elf.File, bias uint64) (record, brk uint64, err error) {
	for i, load := range []func() (elf.SymTable, error){
		func() (elf.SymTable, error) { return f.DynSymbols(), nil },
		f.SymtabSymbols,
	} {
		table, err := load()
		if err != nil {
			return record, brk, err
		}
		if i == 1 && record != 0 && brk != 0 {
			break
		}
		for _, s := range table.All() {
			if !s.Defined() || s.Value == 0 {
				continue
			}
			name := table.NameBytes(s)
			if !bytes.Contains(name, []byte("debug")) && !bytes.Contains(name, []byte("rtld")) {
				continue
			}
			if record == 0 && string(name) == "_r_debug" {
				record = bias + s.Value
			}
			if brk == 0 && isStateFunction(string(name)) {
				brk = bias + s.Value
			}
		}
	}
	return record, brk, nil
}

func isStateFunction(name string) bool {
	for _, n := range stateFunctions {
		if name == n {
			return true
		}
	}
	return false
}

// fileAt returns a path that opens the file mapped at addr, and the file's name.
func (t *target) fileAt(addr uint64) (path, name string, err error) {
	all := t.maps()
	i := find(all, addr)
	if i < 0 || all[i].inode == 0 {
		return "", "", t.at(fmt.Sprintf("address %#x", addr), ErrNoList, "no file is mapped there")
	}
	m := &all[i]
	if m.path == t.exe {
		return t.proc("exe"), m.path, nil
	}
	// The link needs privileges, and leads to files too that have no name any more.
	for _, path := range []string{fmt.Sprintf("/proc/%d/map_files/%x-%x", t.pid, m.start, m.end), t.proc("root") + m.path} {
		if f, err := os.Open(path); err == nil {
			f.Close()
			return path, m.path, nil
		}
	}
	return "", m.path, t.at(m.path, ErrNoList, "it cannot be opened")
}

// How often a list that is being changed is read, and how long is waited in between.
const (
	lookTries = 40
	lookPause = 5 * time.Millisecond
)

// Look reads the lists of all namespaces of a process once, without stopping it: only its memory is read. If a list is
// being changed, it is read again for a fifth of a second. A list that does not come to rest is returned if it can be read,
// with the State as it is; else the error is what is wrong with it. Errors are *ProcessError.
//
// The process may be static or dynamic, of weld, glibc or musl, and has to be 64-bit x86. The list is found by DT_DEBUG of
// the program, or by the symbol _r_debug of the program's file or the program interpreter's. Reading takes the permission to
// attach (ptrace(2), "Ptrace access mode checking").
func Look(pid int) (*Snapshot, error) {
	t, err := openTarget(pid)
	if err != nil {
		return nil, err
	}
	v, err := t.locate()
	if err != nil {
		return nil, err
	}
	if v.record == 0 {
		return nil, t.fail(ErrNoList, "%s has a DT_DEBUG without a value: its run-time linker has not started, or does not fill it in", t.exe)
	}
	return t.look(v)
}

// look reads the lists, again while they change.
func (t *target) look(v rendezvous) (snap *Snapshot, err error) {
	for range lookTries {
		var rest bool
		if snap, rest, err = t.lookOnce(v); rest || err != nil && !errors.Is(err, ErrCorrupt) {
			break
		}
		time.Sleep(lookPause)
	}
	return snap, err
}

// lookOnce reads the lists; rest is whether nobody was changing them.
func (t *target) lookOnce(v rendezvous) (snap *Snapshot, rest bool, err error) {
	snap = &Snapshot{PID: t.pid, Exe: t.exe, Found: v.found, Time: time.Now()}
	if s, err := t.status(""); err == nil {
		fmt.Sscan(s["Threads"], &snap.Threads)
	}
	if v.record == 0 {
		return snap, true, nil
	}
	snap.Namespaces, err = ReadNamespaces(t, v.record)
	if err != nil {
		return nil, false, t.failed(err)
	}
	t.describeAll(snap.Namespaces)
	again, err := ReadNamespaces(t, v.record)
	if err != nil {
		return nil, false, t.failed(err)
	}
	return snap, atRest(snap.Namespaces, again), nil
}

// describeAll fills in what the lists do not say.
func (t *target) describeAll(spaces []Namespace) {
	prog, err := t.program()
	program := &prog
	if err != nil {
		program = nil
	}
	var all []mapping
	maps := func() []mapping {
		if all == nil {
			all = t.maps()
		}
		return all
	}
	for i := range spaces {
		for k := range spaces[i].Objects {
			t.describe(&spaces[i].Objects[k], program, maps)
		}
	}
}

func (t *target) describe(o *Object, program *segments, maps func() []mapping) {
	describe(t, o, program, maps)
	if o.Name == "" && program != nil && o.Addr == program.bias {
		o.Path = t.exe
	}
}

// atRest reports whether two readings are of the same lists, which nobody was changing.
func atRest(a, b []Namespace) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].State != Consistent || b[i].State != Consistent || a[i].First != b[i].First || len(a[i].Objects) != len(b[i].Objects) {
			return false
		}
		for k := range a[i].Objects {
			if x, y := &a[i].Objects[k], &b[i].Objects[k]; x.LinkMap != y.LinkMap || x.Addr != y.Addr || x.Ld != y.Ld || x.Name != y.Name {
				return false
			}
		}
	}
	return true
}

// stateFunction finds the function that is called on changes by its name: in the program interpreter's file, or in the
// program's.
func (t *target) stateFunction() uint64 {
	if base := t.aux[atBase]; base != 0 {
		if path, _, err := t.fileAt(base); err == nil {
			if _, brk, err := symbolsOf(path, base); err == nil && brk != 0 {
				return brk
			}
		}
	}
	prog, err := t.program()
	if err != nil {
		return 0
	}
	_, brk, _ := symbolsOf(t.proc("exe"), prog.bias)
	return brk
}
