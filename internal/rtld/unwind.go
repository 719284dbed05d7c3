package rtld

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"syscall"

	"weld/image/elf"
	"weld/internal/symbols"
	"weld/internal/unwind"
	"weld/native"
)

// Frame is a frame of native code.
type Frame struct {
	PC     uintptr
	Return bool // PC is a return address: the call is before it
}

// Call returns an address in the instruction that the frame is at.
func (f Frame) Call() uintptr {
	if f.Return {
		return f.PC - 1
	}
	return f.PC
}

// Unwind appends the frames of native code, from its registers on (in the order of <sys/ucontext.h>), to list, until it
// has most of them: what was called comes before its caller. It ends where code is in no object, as the gate to Go is.
// Functions that .eh_frame does not describe are taken to keep frame pointers; of those that do not, the stack is
// searched for where they were called by name.
func Unwind(list []Frame, most int, regs []uint64, mem unwind.Memory) []Frame {
	r := unwind.FromContext(regs)
	after := false
	scopes.RLock()
	defer scopes.RUnlock()
	for first := true; len(list) < most; first = false {
		at := Frame{uintptr(r[unwind.RIP]), after}
		if skip, ok := native.SkipSelf(at.PC); ok && !first {
			ret, ok := mem(r[unwind.RSP] + uint64(skip))
			if !ok {
				break
			}
			r[unwind.RIP], r[unwind.RSP] = ret, r[unwind.RSP]+uint64(skip)+8
			continue
		}
		o := FindObject(at.Call())
		if o == nil && !first {
			break
		}
		list = append(list, at)
		res := unwind.NoInfo
		if o != nil {
			res = unwind.Step(o.tables(), uint64(o.Mapping.Bias), &r, after, mem)
		}
		if res == unwind.NoInfo && (first && leaf(&r, mem) || framePointer(&r, mem) || o != nil && o.callSite(&r, at.Call(), mem)) {
			res = unwind.Called
		}
		if res != unwind.Called && res != unwind.Interrupted {
			break
		}
		after = res == unwind.Called
	}
	return list
}

// leaf takes the word at the stack pointer for a return address if it follows a call: a function that is not described
// is most often a small one of assembly. scopes is held.
func leaf(r *unwind.Regs, mem unwind.Memory) bool {
	ret, ok := mem(r[unwind.RSP])
	if !ok || !afterCall(uintptr(ret)) {
		return false
	}
	r[unwind.RIP] = ret
	r[unwind.RSP] += 8
	return true
}

// framePointer goes to the caller by way of rbp. scopes is held.
func framePointer(r *unwind.Regs, mem unwind.Memory) bool {
	bp := r[unwind.RBP]
	if bp < r[unwind.RSP] || bp&7 != 0 {
		return false
	}
	next, ok := mem(bp)
	ret, ok2 := mem(bp + 8)
	if !ok || !ok2 || !afterCall(uintptr(ret)) {
		return false
	}
	r[unwind.RIP], r[unwind.RSP], r[unwind.RBP] = ret, bp+16, next
	return true
}

// callSite goes to the caller of the exported function that pc is in: to the first word of the stack that is a return
// address behind a call of that very function, or in the thunk that it has. scopes is held.
func (o *Object) callSite(r *unwind.Regs, pc uintptr, mem unwind.Memory) bool {
	const most = 256
	name, start := o.Covering(pc)
	if name == "" {
		return false
	}
	for sp := r[unwind.RSP] &^ 7; sp < r[unwind.RSP]+8*most; sp += 8 {
		ret, ok := mem(sp)
		if !ok {
			return false
		}
		_, thunk := native.SkipSelf(uintptr(ret))
		if thunk || afterCall(uintptr(ret)) && calls(uintptr(ret), start) {
			r[unwind.RIP], r[unwind.RSP] = ret, sp+8
			return true
		}
	}
	return false
}

// calls reports whether the call that ends at an address, which follows one, is of a function: directly, by way of the
// PLT, or through a word of the GOT. scopes is held.
func calls(ret, function uintptr) bool {
	o := FindObject(ret - 1)
	b, ok := o.tables().Bytes(uint64(ret-6-o.Mapping.Bias), 6)
	if !ok {
		return false
	}
	next := func(b []byte, end uintptr) uintptr { return end + uintptr(int32(binary.LittleEndian.Uint32(b))) }
	slot := func(at uintptr) bool {
		d := FindObject(at)
		if d == nil {
			return false
		}
		w, ok := d.tables().Word(uint64(at - d.Mapping.Bias))
		return ok && uintptr(w) == function
	}
	if b[0] == 0xff && b[1] == 0x15 && slot(next(b[2:], ret)) {
		return true
	}
	if b[1] != 0xe8 {
		return false
	}
	to := next(b[2:], ret)
	if to == function {
		return true
	}
	// A stub: jmp *offset(%rip), maybe behind endbr64 and with a prefix.
	p := FindObject(to)
	if p == nil {
		return false
	}
	stub, ok := p.tables().Bytes(uint64(to-p.Mapping.Bias), 11)
	if !ok {
		return false
	}
	n := len(stub)
	stub = bytes.TrimPrefix(bytes.TrimPrefix(stub, []byte{0xf3, 0x0f, 0x1e, 0xfa}), []byte{0xf2})
	return stub[0] == 0xff && stub[1] == 0x25 && slot(next(stub[2:], to+uintptr(n-len(stub)+6)))
}

// afterCall reports whether a call instruction ends at an address: E8 with an offset of 4 bytes, or FF with a ModRM byte
// of /2. scopes is held.
func afterCall(a uintptr) bool {
	o := FindObject(a - 1)
	if o == nil || !executable(o.tables(), uint64(a-1-o.Mapping.Bias)) {
		return false
	}
	b, ok := o.tables().Bytes(uint64(a-7-o.Mapping.Bias), 7)
	if !ok {
		return false
	}
	if b[2] == 0xe8 {
		return true
	}
	for _, n := range []int{2, 3, 4, 6, 7} {
		if b[7-n] == 0xff && b[7-n+1]>>3&7 == 2 {
			return true
		}
	}
	return false
}

// Function returns the function of the object that an address is in, as .eh_frame knows it, which names none.
func (o *Object) Function(pc uintptr) (start uintptr, ok bool) {
	scopes.RLock()
	defer scopes.RUnlock()
	if FindObject(pc) != o {
		return 0, false
	}
	v, ok := unwind.FunctionStart(o.tables(), uint64(pc-o.Mapping.Bias))
	return o.addr(v), ok
}

// Text returns the executable segment that an address is in: where its first page is in memory, its end, and its offset in
// the file.
func (o *Object) Text(pc uintptr) (start, limit, offset uintptr) {
	f := o.tables()
	for i := range f.Progs {
		p := &f.Progs[i]
		if v := uint64(pc - o.Mapping.Bias); p.Type == elf.PT_LOAD && v >= p.Vaddr && v-p.Vaddr < p.Memsz {
			down := p.Vaddr & (native.PageSize - 1)
			return o.addr(p.Vaddr - down), o.addr(p.Vaddr + p.Memsz), uintptr(p.Off - down)
		}
	}
	return o.Mapping.Addr, o.Mapping.Addr + o.Mapping.Size, 0
}

// OpenPath returns a path by which the object's file can be opened, "" if that was in memory and is gone.
func (o *Object) OpenPath() string {
	if o.fd >= 0 && !o.System {
		if o.closed.Load() {
			return ""
		}
		return fmt.Sprintf("/proc/self/fd/%d", o.fd)
	}
	return o.Path
}

// Replaced reports whether another file has come in the place of the object's. That file's inode is kept by the mapping, so nothing else has its number.
func (o *Object) Replaced() bool {
	var st syscall.Stat_t
	return o.id != (fileID{}) && syscall.Stat(o.OpenPath(), &st) == nil && o.id != fileID{uint64(st.Dev), st.Ino}
}

// unmapping holds what is called before objects are unmapped.
var unmapping struct {
	sync.Mutex
	fs []*func()
}

// BeforeUnmap has f called whenever objects are about to be unmapped, in the goroutine that does so and with linker.mu
// held: f calls no native code, and nothing that opens or closes. The function that it returns ends that.
func BeforeUnmap(f func()) (end func()) {
	unmapping.Lock()
	defer unmapping.Unlock()
	p := &f
	unmapping.fs = append(unmapping.fs, p)
	return func() {
		unmapping.Lock()
		defer unmapping.Unlock()
		for i, x := range unmapping.fs {
			if x == p {
				unmapping.fs = append(unmapping.fs[:i:i], unmapping.fs[i+1:]...)
				return
			}
		}
	}
}

func beforeUnmap() {
	unmapping.Lock()
	list := unmapping.fs
	unmapping.Unlock()
	for _, f := range list {
		(*f)()
	}
}

// trace names the callers of native code for fault reports.
func trace(regs []uint64, mem func(uint64) (uint64, bool)) (lines []string) {
	const most = 64
	tables := map[*Object]symbols.Table{}
	for i, f := range Unwind(nil, most, regs, mem) {
		if i == 0 {
			continue // the report begins with it
		}
		o := FindObject(f.Call())
		if o == nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("pc=%#x %s", f.PC, describeFrame(o, f, tables)))
	}
	return lines
}

// describeFrame is describe for a frame, with the names that are not exported too.
func describeFrame(o *Object, f Frame, tables map[*Object]symbols.Table) string {
	name, start := o.Covering(f.Call())
	if name == "" {
		t, ok := tables[o]
		if !ok {
			t = symbols.Read(o.OpenPath(), o.BuildID)
			tables[o] = t
		}
		if fn, ok := t.Find(uint64(f.Call() - o.Mapping.Bias)); ok {
			name, start = fn.Name, o.addr(fn.Addr)
		}
	}
	s := fmt.Sprintf("%s+%#x", o.Path, f.PC-o.Mapping.Bias)
	if name != "" {
		s += fmt.Sprintf(" in %s+%#x", name, f.PC-start)
	}
	return s
}
