package rtld

import (
	"fmt"
	"strings"
	"syscall"

	"weld/native"
)

// serveBacktraceSymbols is char **backtrace_symbols(void *const *addresses, int n) of <execinfo.h>: a block of the C
// library's memory with the pointers and then the strings. The C library's own function knows its own objects only.
func serveBacktraceSymbols(u native.Upcall) {
	n := uintptr(int32(u.Arg(1)))
	if int32(u.Arg(1)) <= 0 {
		n = 0
	}
	lines := make([]string, n)
	size := 8 * n
	for i := range lines {
		lines[i] = symbolLine(*(*uintptr)(native.Pointer(u.Arg(0) + 8*uintptr(i)))) + "\x00"
		size += uintptr(len(lines[i]))
	}
	p := native.Call(native.SystemFunction("malloc"), max(size, 1))
	if p == 0 {
		return
	}
	at := p + 8*n
	for i, s := range lines {
		*(*uintptr)(native.Pointer(p + 8*uintptr(i))) = at
		copy(native.Bytes(at, uintptr(len(s))), s)
		at += uintptr(len(s))
	}
	u.SetResult(p)
}

// serveBacktraceSymbolsFD is void backtrace_symbols_fd(void *const *addresses, int n, int fd).
func serveBacktraceSymbolsFD(u native.Upcall) {
	var b strings.Builder
	for i := range int(int32(u.Arg(1))) {
		b.WriteString(symbolLine(*(*uintptr)(native.Pointer(u.Arg(0) + 8*uintptr(i)))) + "\n")
	}
	syscall.Write(int(int32(u.Arg(2))), []byte(b.String()))
}

// symbolLine describes an address in glibc's words: file(symbol+offset) [address].
func symbolLine(pc uintptr) string {
	scopes.RLock()
	defer scopes.RUnlock()
	o := FindObject(pc)
	if o == nil {
		return fmt.Sprintf("[%#x]", pc)
	}
	if o.live != nil {
		if s, ok := o.live.FindAddr(pc); ok {
			return fmt.Sprintf("%s(%s+%#x) [%#x]", native.String(o.cName()), s.Name, pc-s.Addr, pc)
		}
	}
	sym, idx, ok := o.File.FindSymbol(uint64(pc - o.Mapping.Bias))
	if !ok {
		return fmt.Sprintf("%s(+%#x) [%#x]", native.String(o.cName()), pc-o.Mapping.Bias, pc)
	}
	off := pc - definition{o: o, sym: sym, idx: idx}.addr()
	return fmt.Sprintf("%s(%s+%#x) [%#x]", native.String(o.cName()), o.File.SymName(sym), off, pc)
}

// cName returns the address of the name that loaded code gets to see of the object: a program's is what it calls itself.
func (o *Object) cName() uintptr {
	if o == program {
		_, argv, _ := native.Arguments()
		return *(*uintptr)(native.Pointer(argv))
	}
	return o.mapName()
}
