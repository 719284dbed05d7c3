package rtld

import (
	"errors"
	"fmt"
	"sync"

	"weld/image/elf"
	"weld/native"
)

// tlsImage returns the initial image of the object's TLS segment in memory.
func (o *Object) tlsImage() []byte {
	return native.Bytes(o.addr(o.File.TLS.Vaddr), uintptr(o.File.TLS.Filesz))
}

// addTLS gives the object a module number, and static TLS if it says that it uses the initial-exec model (psABI,
// Thread-Local Storage). An object that uses it without saying so gets static TLS at its first such relocation.
func (o *Object) addTLS() error {
	t := o.File.TLS
	if o == program {
		o.tlsFixed = native.ProgramTLS()
	} else if o.File.Dynamic.Flags&elf.DF_STATIC_TLS != 0 {
		off, err := native.AllocStaticTLS(nil, uintptr(t.Memsz), uintptr(t.Align), uintptr(t.Vaddr))
		if err != nil {
			return err
		}
		o.tlsFixed = off
	}
	o.tls = native.AddTLSModule(o.tlsImage(), uintptr(t.Memsz), uintptr(t.Align), o.tlsFixed)
	return nil
}

// initTLS writes the initial image, now relocated, to the static TLS of every thread.
func (o *Object) initTLS() {
	if o.tlsFixed != 0 {
		native.InitStaticTLS(o.tlsFixed, o.tlsImage())
	}
}

func (o *Object) dropTLS() {
	if o.tls != 0 {
		native.RemoveTLSModule(o.tls)
		o.tls = 0
	}
	if o.tlsFixed != 0 {
		native.FreeStaticTLS(o.tlsFixed)
		o.tlsFixed = 0
	}
}

var errNoTLS = errors.New("the symbol is defined in an object without thread-local storage")

// module returns the module number of the object that defines a thread-local symbol.
func (d definition) module() (uintptr, error) {
	if !d.o.System {
		if d.o.tls == 0 {
			return 0, errNoTLS
		}
		return d.o.tls, nil
	}
	return native.SystemTLSModule(d.o.LinkMap)
}

// tlsAddr returns the address of a thread-local symbol in the calling goroutine's native thread.
func (d definition) tlsAddr() (uintptr, error) {
	id, err := d.module()
	if err != nil {
		return 0, err
	}
	return native.ThreadVariable(id, uintptr(d.sym.Value))
}

// distance returns the distance of a thread-local symbol from the thread pointer.
func (d definition) distance() (uintptr, error) {
	if !d.o.System {
		if d.o.tls == 0 {
			return 0, errNoTLS
		}
		if d.o.tlsFixed == 0 {
			// The library does not announce the initial-exec model, or only others use it on its variables.
			t := d.o.File.TLS
			off, err := native.AllocStaticTLS(d.o.tlsImage(), uintptr(t.Memsz), uintptr(t.Align), uintptr(t.Vaddr))
			if err != nil {
				return 0, err
			}
			d.o.tlsFixed = off
			native.SetTLSModuleOffset(d.o.tls, off)
		}
		return uintptr(d.o.tlsFixed) + uintptr(d.sym.Value), nil
	}
	id, err := native.SystemTLSModule(d.o.LinkMap)
	if err != nil {
		return 0, err
	}
	return native.SystemTLSDistance(id, uintptr(d.sym.Value))
}

// threadLocal applies a relocation of thread-local storage at a.
func (b *binder) threadLocal(typ elf.R_X86_64, r elf.Rela, d definition, ok bool, a uintptr) error {
	word := (*[2]uintptr)(native.Pointer(a))
	if !ok {
		// Undefined and weak: the address of the variable is never used.
		if typ == elf.R_X86_64_TLSDESC {
			word[0], word[1] = native.TLSDescStatic(), uintptr(r.Addend)
			return nil
		}
		word[0] = 0
		return nil
	}
	if r.Sym != 0 && d.sym.Type() != elf.STT_TLS {
		return fmt.Errorf("the symbol is not thread-local")
	}
	switch typ {
	case elf.R_X86_64_DTPMOD64:
		id, err := d.module()
		if err != nil {
			return err
		}
		word[0] = id
	case elf.R_X86_64_DTPOFF64:
		word[0] = uintptr(d.sym.Value) + uintptr(r.Addend)
	case elf.R_X86_64_TPOFF64:
		dist, err := d.distance()
		if err != nil {
			return err
		}
		word[0] = dist + uintptr(r.Addend)
	case elf.R_X86_64_TLSDESC:
		if d.o.System || d.o.tlsFixed != 0 {
			if dist, err := d.distance(); err == nil {
				word[0], word[1] = native.TLSDescStatic(), dist+uintptr(r.Addend)
				return nil
			}
		}
		id, err := d.module()
		if err != nil {
			return err
		}
		pair, err := tlsPairs.get(b.o, id, uintptr(d.sym.Value)+uintptr(r.Addend))
		if err != nil {
			return err
		}
		word[0], word[1] = native.TLSDescDynamic(), pair
	}
	return nil
}

// tlsPairs are the arguments of dynamic TLS descriptors: module and offset.
var tlsPairs pairs

type pairs struct {
	mu sync.Mutex
	of map[*Object][]uintptr
}

func (p *pairs) get(o *Object, id, off uintptr) (uintptr, error) {
	a, err := native.Alloc(16)
	if err != nil {
		return 0, err
	}
	*(*[2]uintptr)(native.Pointer(a)) = [2]uintptr{id, off}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[*Object][]uintptr{}
	}
	p.of[o] = append(p.of[o], a)
	return a, nil
}

func (p *pairs) free(o *Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.of[o] {
		native.Free(a, 16)
	}
	delete(p.of, o)
}
