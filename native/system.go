package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"weld/image/elf"
	"weld/internal/rawfile"
)

// The system's run-time linker, seen through its r_debug (glibc <link.h>; musl keeps to the same layout).

// SystemObject is an object that the system's run-time linker has mapped: an entry of its link_map list.
type SystemObject struct {
	LinkMap uintptr // address of the struct link_map
	Bias    uintptr // l_addr
	Name    string  // l_name; "" for the executable
	Dynamic uintptr // l_ld
	File    *elf.File
	Mapping Mapping
}

type auxv [][2]uintptr

const (
	atPhdr, atPhent, atPhnum, atBase, atEntry   = 3, 4, 5, 7, 9
	atSecure, atRandom, atHwcap2, atSysinfoEhdr = 23, 25, 26, 33
)

// readAuxv returns the auxiliary vector the kernel gave the process: from the stack, where the process began in weld's own
// code, since there may be no /proc.
func readAuxv() (auxv, error) {
	if sp := startState.sp; sp != 0 {
		at := sp + 8*(1+*word(sp)+1)
		for *word(at) != 0 {
			at += 8 // the environment
		}
		var v auxv
		for at += 8; *word(at) != 0; at += 16 {
			v = append(v, [2]uintptr{*word(at), *word(at + 8)})
		}
		return v, nil
	}
	b, err := rawfile.ReadFile("/proc/self/auxv")
	if err != nil {
		return nil, err
	}
	var v auxv
	for ; len(b) >= 16; b = b[16:] {
		k, val := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		if k == 0 {
			break
		}
		v = append(v, [2]uintptr{uintptr(k), uintptr(val)})
	}
	return v, nil
}

func (v auxv) get(k uintptr) uintptr {
	for _, e := range v {
		if e[0] == k {
			return e[1]
		}
	}
	return 0
}

// readProgs reads a program header table in memory.
func readProgs(addr uintptr, n int) []elf.Prog {
	progs := make([]elf.Prog, n)
	for i := range progs {
		b := Bytes(addr+uintptr(i)*56, 56)
		w := func(o int) uint64 { return binary.LittleEndian.Uint64(b[o:]) }
		progs[i] = elf.Prog{
			Type:  elf.ProgType(binary.LittleEndian.Uint32(b)),
			Flags: elf.ProgFlag(binary.LittleEndian.Uint32(b[4:])),
			Off:   w(8), Vaddr: w(16), Paddr: w(24), Filesz: w(32), Memsz: w(40), Align: w(48),
		}
	}
	return progs
}

// executableProgs returns the program headers of the executable that the kernel started and where it lies, nil if it
// has none.
func executableProgs(v auxv) (progs []elf.Prog, bias uintptr) {
	phdr, n := v.get(atPhdr), v.get(atPhnum)
	if phdr == 0 {
		return nil, 0
	}
	progs = readProgs(phdr, int(n))
	for _, p := range progs {
		if p.Type == elf.PT_PHDR {
			bias = phdr - uintptr(p.Vaddr)
		}
	}
	return progs, bias
}

// processDebug returns the r_debug of the run-time linker that started the process, 0 if none did: DT_DEBUG of the
// executable, found as a debugger finds it.
func processDebug(v auxv) uintptr {
	progs, bias := executableProgs(v)
	var dyn, size uintptr
	for _, p := range progs {
		if p.Type == elf.PT_DYNAMIC {
			dyn, size = uintptr(p.Vaddr), uintptr(p.Memsz)
		}
	}
	if dyn == 0 {
		return 0
	}
	for p := bias + dyn; p < bias+dyn+size; p += 16 {
		switch elf.DynTag(*word(p)) {
		case elf.DT_NULL:
			return 0
		case elf.DT_DEBUG:
			return *word(p + 8)
		}
	}
	return 0
}

// linkMaps returns the entries of the list that r_debug heads, as they are now.
func linkMaps(debug uintptr) []SystemObject {
	var list []SystemObject
	for lm := *word(debug + 8); lm != 0; lm = *word(lm + 24) {
		list = append(list, SystemObject{LinkMap: lm, Bias: *word(lm), Name: String(*word(lm + 8)), Dynamic: *word(lm + 16)})
	}
	return list
}

var errNoHeader = errors.New("no ELF header where the object begins")

// attach reads the object's image in memory. The ELF header of a library is found at the page that l_addr names: every
// linker puts it at vaddr 0. An executable may begin elsewhere; the kernel names its program headers.
func (o *SystemObject) attach(v auxv) error {
	progs, bias := executableProgs(v)
	if o.Name != "" || o.Bias != bias || progs == nil {
		if ehdr := o.Bias; ehdr == 0 || string(Bytes(ehdr, 4)) != "\x7fELF" {
			return fmt.Errorf("%s: %w", o.Name, errNoHeader)
		}
		progs = readProgs(o.Bias+*word(o.Bias + 32), int(*(*uint16)(Pointer(o.Bias + 56))))
	}
	lo, hi := ^uintptr(0), uintptr(0)
	for _, p := range progs {
		if p.Type == elf.PT_LOAD && p.Memsz > 0 {
			lo, hi = min(lo, uintptr(p.Vaddr)), max(hi, uintptr(p.Vaddr+p.Memsz))
		}
	}
	if lo >= hi {
		return fmt.Errorf("%s: %w", o.Name, errNoHeader)
	}
	o.Mapping = Mapping{Bias: o.Bias, Addr: o.Bias + pageDown(lo), Size: pageUp(hi) - pageDown(lo)}
	f, err := elf.NewLoaded(o.Name, Bytes(o.Bias+lo, hi-lo), progs, elf.LoadedOptions{Start: uint64(lo), Bias: uint64(o.Bias)})
	if err != nil {
		return err
	}
	o.File = f
	return nil
}

// symbol returns the address of a function that the object defines, IFUNC not resolved; 0 if it does not.
func (o *SystemObject) symbol(name string) uintptr {
	if o.File == nil {
		return 0
	}
	h := elf.Hash(name)
	_, s, ok := o.File.Lookup(&h, nil)
	if !ok || s.Type() == elf.STT_GNU_IFUNC || s.Type() == elf.STT_TLS {
		return 0
	}
	return o.Bias + uintptr(s.Value)
}

// blockSignals blocks all signals on the calling kernel thread, to which the goroutine must be locked, and returns
// the mask to restore.
func blockSignals() (old uint64) {
	all := ^uint64(0)
	sigprocmask(&all, &old)
	return old
}

func sigprocmask(set, old *uint64) {
	const sigSetmask = 2
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigSetmask, uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
}

// Goroutine returns a value that is the calling goroutine's own as long as it lives.
func Goroutine() uintptr { return getg() }
