package native

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"

	"weld/image/elf"
	"weld/internal/rawfile"
)

// bootState is what boot and booted leave: Go's SP, BP and thread pointer; the run-time linker's finaliser, the stack
// pointer and the thread pointer at AT_ENTRY.
var bootState [6]uintptr

// bootImage is the address of the fake executable.
var bootImage uintptr

//go:noescape
func boot(entry, sp uintptr)

const bootStackSize = 8 << 20

// boot starts the system's run-time linker as the kernel would start it for a program: mapped at its own addresses,
// with a stack that holds arguments, environment and auxiliary vector. The program is an executable of one segment
// made here, which needs the C library and nothing else; its entry point is booted, where Go gets control back with
// the C library initialised. So nothing depends on what a version of it keeps where.
func (l *clib) boot(f Family, interp string) error {
	fd, err := rawfile.Open(interp)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err
	}
	m, err := elf.ReadHead(interp, rawfile.Descriptor(fd), st.Size)
	if err != nil {
		return err
	}
	if err := m.CheckMachine(elf.EM_X86_64); err != nil {
		return err
	}
	if err := m.CheckLoad(PageSize); err != nil {
		return err
	}
	ld, err := MapImage(m, fd)
	if err != nil {
		return err
	}
	var init uintptr
	if program != nil {
		if init, err = program.initThunk(); err != nil {
			return err
		}
	}
	exe, err := fakeExecutable(interp, map[Family]string{Glibc: "libc.so.6", Musl: "libc.so"}[f], init)
	if err != nil {
		return err
	}
	bootImage = exe.base
	var stack, top uintptr
	args, env := os.Args, bootEnv(f)
	if p := program; p != nil {
		top, args, env = p.stack, p.Args, p.bootEnv()
	} else {
		stack, err = MapAnon("the C library's first stack", PageSize+bootStackSize)
		if err != nil {
			return err
		}
		Protect(stack, PageSize, 0)
		stack += PageSize
		top = stack + bootStackSize
	}
	sp := initialStack(top, args, env.list, l.auxv.replace(map[uintptr]uintptr{
		atPhdr: exe.base + 64, atPhent: 56, atPhnum: exe.phnum, atBase: ld.Bias, atEntry: entry.booted,
	}))
	old := blockSignals()
	boot(ld.Bias+uintptr(m.Entry), sp)
	if program == nil {
		forgetKernelThread()
	}
	sigprocmask(&old, nil)

	reserve.mu.Lock()
	n := uintptr(len(reserve.image))
	copy(exe.tls, reserve.image)
	copy(Bytes(bootState[5]-n, n), reserve.image)
	reserve.image = exe.tls
	tcbs.add(bootState[5])
	reserve.mu.Unlock()

	debug := *word(exe.debug)
	if debug == 0 {
		return fmt.Errorf("it did not fill in DT_DEBUG")
	}
	if err := l.find(debug); err != nil {
		return err
	}
	l.family, l.path = f, interp
	env.restore(len(args))
	if program != nil {
		program.showAuxv()
	}
	t, err := allocThread(mainThread)
	if err != nil {
		return err
	}
	t.sp = bootState[4] - 256
	t.top = t.sp
	t.stack = stack
	t.setFS(bootState[5])
	l.spawner = t
	return nil
}

// forgetKernelThread takes back what the run-time linker registered for the kernel thread it ran on (set_tid_address,
// set_robust_list), which is Go's and may end while the C library's first thread lives on.
func forgetKernelThread() {
	const sysSetTidAddress, sysSetRobustList = 218, 273
	p, err := nativeHeap.Alloc(64)
	if err != nil {
		return
	}
	*word(p) = p // an empty list
	syscall.RawSyscall(sysSetTidAddress, p+32, 0, 0)
	syscall.RawSyscall(sysSetRobustList, p, 24, 0)
}

func (v auxv) replace(with map[uintptr]uintptr) auxv {
	var out auxv
	for _, e := range v {
		if val, ok := with[e[0]]; ok {
			e[1] = val
		}
		out = append(out, e)
	}
	for k, val := range with {
		if v.get(k) == 0 {
			found := false
			for _, e := range v {
				found = found || e[0] == k
			}
			if !found {
				out = append(out, [2]uintptr{k, val})
			}
		}
	}
	return out
}

// environment is what the C library gets. glibc is told not to register restartable sequences: they belong to a
// kernel thread, and native threads move between them. The program's own environment is put back once it is up.
type environment struct {
	list []string
	own  string // GLIBC_TUNABLES as the program had it
	had  bool
	ours int // index of the changed variable, -1: none

	hidden []int // of a Program: variables whose first letter is changed
}

func bootEnv(f Family) *environment {
	e := &environment{list: append([]string(nil), os.Environ()...), ours: -1}
	if f != Glibc {
		return e
	}
	const tunables, noRseq = "GLIBC_TUNABLES=", "glibc.pthread.rseq=0"
	for i, v := range e.list {
		if val, ok := strings.CutPrefix(v, tunables); ok {
			e.own, e.had, e.ours = v, true, i
			if val != "" {
				val += ":"
			}
			e.list[i] = tunables + val + noRseq
			return e
		}
	}
	e.ours = len(e.list)
	e.list = append(e.list, tunables+noRseq)
	return e
}

// restore puts the program's own variable back into the table that the C library's environ points to.
func (e *environment) restore(args int) {
	at := func(i int) *uintptr { return word(bootState[4] + 8*uintptr(1+args+1+i)) }
	for _, i := range e.hidden {
		*(*byte)(Pointer(*at(i))) = 'L'
	}
	if e.ours < 0 {
		return
	}
	p := at(e.ours)
	if !e.had {
		*p = 0 // it is the last
		return
	}
	if a, err := nativeHeap.Alloc(uintptr(len(e.own) + 1)); err == nil {
		copy(Bytes(a, uintptr(len(e.own))), e.own)
		*p = a
	}
}

// initialStack lays out what a program finds on its stack (psABI 3.4.1) below top and returns the stack pointer. The
// strings stand one behind the other in order, as the kernel has them: some programs rely on that to change their title.
func initialStack(top uintptr, args, env []string, aux auxv) uintptr {
	size := uintptr(0)
	for _, list := range [][]string{args, env} {
		for _, s := range list {
			size += uintptr(len(s) + 1)
		}
	}
	sp := top - 64 - size
	at := sp
	put := func(list []string) (addrs []uintptr) {
		for _, s := range list {
			addrs = append(addrs, at)
			copy(Bytes(at, uintptr(len(s))), s)
			at += uintptr(len(s) + 1)
		}
		return addrs
	}
	argv, envp := put(args), put(env)
	words := []uintptr{uintptr(len(args))}
	words = append(append(words, argv...), 0)
	words = append(append(words, envp...), 0)
	for _, e := range aux {
		words = append(words, e[0], e[1])
	}
	words = append(words, 0, 0)
	sp = (sp - uintptr(8*len(words))) &^ 15
	for i, w := range words {
		*word(sp + uintptr(8*i)) = w
	}
	return sp
}

// executable is the fake executable in memory.
type executable struct {
	base  uintptr
	phnum uintptr
	debug uintptr // address of DT_DEBUG's value
	tls   []byte  // the TLS segment's image: the reserve
}

// fakeExecutable makes a position-independent executable that needs one library: the headers and the dynamic section
// in its first page, then the TLS segment. Its only segment is a whole number of pages, since musl gives away what is
// left of the last one.
//
// The TLS segment is the image of the reserve. init, if it is not 0, is the function in its DT_INIT_ARRAY.
func fakeExecutable(interp, needed string, init uintptr) (*executable, error) {
	tls := uintptr(len(reserve.image))
	size := PageSize + pageUp(tls)
	align := uint64(64)
	if program != nil {
		align = max(align, uint64(program.TLSAlign))
	}
	base, err := MapAnon("the fake executable", size)
	if err != nil {
		return nil, err
	}
	b := Bytes(base, PageSize)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_DYN))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 6)
	const (
		strtab  = 1024
		symtab  = 2048
		hash    = 2112
		dynamic = 2176

		initArray = 3072
	)
	str := append([]byte{0}, needed...)
	str = append(str, 0)
	path := len(str)
	str = append(append(str, interp...), 0)
	if strtab+len(str) > symtab {
		return nil, fmt.Errorf("%s: the name is too long", interp)
	}
	copy(b[strtab:], str)
	// A hash table of one empty bucket and the null symbol.
	le.PutUint32(b[hash:], 1)
	le.PutUint32(b[hash+4:], 1)
	x := &executable{base: base, phnum: 6, tls: Bytes(base+PageSize, tls)}
	dyn := [][2]uint64{
		{uint64(elf.DT_NEEDED), 1},
		{uint64(elf.DT_STRTAB), strtab},
		{uint64(elf.DT_STRSZ), uint64(len(str))},
		{uint64(elf.DT_SYMTAB), symtab},
		{uint64(elf.DT_SYMENT), 24},
		{uint64(elf.DT_HASH), hash},
		{uint64(elf.DT_FLAGS), uint64(elf.DF_BIND_NOW)},
		{uint64(elf.DT_DEBUG), 0},
	}
	if init != 0 {
		le.PutUint64(b[initArray:], uint64(init))
		dyn = append(dyn, [2]uint64{uint64(elf.DT_INIT_ARRAY), initArray}, [2]uint64{uint64(elf.DT_INIT_ARRAYSZ), 8})
	}
	dyn = append(dyn, [2]uint64{uint64(elf.DT_NULL), 0})
	for i, d := range dyn {
		le.PutUint64(b[dynamic+16*i:], d[0])
		le.PutUint64(b[dynamic+16*i+8:], d[1])
		if elf.DynTag(d[0]) == elf.DT_DEBUG {
			x.debug = base + dynamic + 16*uintptr(i) + 8
		}
	}
	for i, p := range []elf.Prog{
		{Type: elf.PT_PHDR, Flags: elf.PF_R, Off: 64, Filesz: 6 * 56, Align: 8},
		{Type: elf.PT_INTERP, Flags: elf.PF_R, Off: uint64(strtab + path), Filesz: uint64(len(interp) + 1), Align: 1},
		{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_W, Off: 0, Filesz: uint64(size), Align: PageSize},
		{Type: elf.PT_DYNAMIC, Flags: elf.PF_R | elf.PF_W, Off: dynamic, Filesz: uint64(16 * len(dyn)), Align: 8},
		{Type: elf.PT_TLS, Flags: elf.PF_R, Off: PageSize, Filesz: uint64(tls), Align: align},
		{Type: elf.PT_GNU_STACK, Flags: elf.PF_R | elf.PF_W, Align: 16},
	} {
		h := b[64+56*i:]
		le.PutUint32(h, uint32(p.Type))
		le.PutUint32(h[4:], uint32(p.Flags))
		for j, v := range []uint64{p.Off, p.Off, p.Off, p.Filesz, p.Filesz, p.Align} {
			le.PutUint64(h[8+8*j:], v)
		}
	}
	return x, nil
}

// canary returns the stack protector's value for freestanding threads: from AT_RANDOM, its lowest byte zero as glibc
// makes it.
func canary() uintptr {
	v, err := readAuxv()
	if r := v.get(atRandom); err == nil && r != 0 {
		return *word(r) &^ 0xff
	}
	return 0x0affd00dfeed00 << 8
}
