package ctype

import (
	"cmp"
)

// chain returns e and what it refers to as its abstract origin or specification, nearest first.
func (e *die) chain() ([]*die, error) {
	list := []*die{e}
	for len(list) < 8 {
		last := list[len(list)-1]
		next, err := last.follow(atAbstractOrigin)
		if err == nil && next == nil {
			next, err = last.follow(atSpecification)
		}
		if err != nil {
			return nil, err
		}
		if next == nil {
			return list, nil
		}
		list = append(list, next)
	}
	return nil, e.u.corrupt(e.off, "an entry whose origins have no end")
}

// inherit returns the attribute of the nearest of a chain that has it.
func inherit(chain []*die, name uint32) (*die, *attr) {
	for _, e := range chain {
		if a := e.get(name); a != nil {
			return e, a
		}
	}
	return nil, nil
}

// signature makes the type of a function. The parameters are those of the abstract origin, if there is one, as what the
// compiler made of it may lack some.
func (u *unit) signature(e *die, chain []*die, depth int) (*Type, error) {
	t := &Type{Kind: Func, Size: -1, Elem: voidType}
	var err error
	if d, a := inherit(chain, atType); a != nil {
		if t.Elem, err = d.typeOf(depth); err != nil {
			return nil, err
		}
	}
	lang, prototyped := uint64(0), false
	for _, d := range chain {
		lang, prototyped = cmp.Or(lang, d.u.lang), prototyped || d.flag(atPrototyped)
	}
	t.Unchecked = !prototyped && isC(lang)
	if d, a := inherit(chain, atCallingConvention); a != nil && d.tag != tagStructureType {
		t.Convention = conventionName(a.u)
	}
	i := 0
	for i+1 < len(chain) && chain[i].get(atAbstractOrigin) != nil {
		i++
	}
	for ; i < len(chain); i++ {
		found := false
		err := chain[i].each(func(c *die) (bool, error) {
			switch c.tag {
			case tagFormalParameter:
				if found = true; i > 0 && e.isHidden(c) {
					return true, nil
				}
				if len(t.Params) == 1<<12 {
					return false, u.corrupt(e.off, "a function of more than %d parameters", 1<<12)
				}
				p, err := param(c, depth)
				if p.Name != "__in_chrg" { // of g++'s destructors: it is there before they are cloned, and nobody passes it
					t.Params = append(t.Params, p)
				}
				return true, err
			case tagUnspecifiedParams:
				found = true
				t.Variadic = !t.Unchecked
			case 0x0b, 0x1d: // blocks and inlined functions; clang has the ... of the parameters behind them, and static variables before all
				return !chain[i].u.gcc, nil
			case 0x48, 0x4109: // called functions come after
				return false, nil
			}
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		if found {
			break
		}
	}
	if lang == 0 && !prototyped && t.Variadic && len(t.Params) == 0 {
		// The units that dwz makes do not say their language, and in C++ all functions have prototypes. Of C this is ().
		t.Unchecked, t.Variadic = true, false
	}
	return t, nil
}

// param reads a parameter, which may have its name and type from an abstract origin.
func param(c *die, depth int) (Param, error) {
	own := *c
	chain := []*die{&own}
	if c.get(atType) == nil {
		var err error
		if chain, err = own.chain(); err != nil {
			return Param{}, err
		}
	}
	p := Param{Type: voidType}
	d, a := inherit(chain, atType)
	if a == nil {
		return p, c.u.corrupt(c.off, "a parameter without a type")
	}
	var err error
	if p.Type, err = d.typeOf(depth); err != nil {
		return p, err
	}
	for _, d := range chain {
		if n := d.name(); n != nil {
			p.Name = string(n)
			break
		}
	}
	return p, nil
}

// conventionName names a calling convention (DW_CC_*; those above 0xc0 are LLVM's). What compilers say of main, of local
// functions and of how classes are passed is none.
func conventionName(cc uint64) string {
	switch cc {
	case 0, 1, 2, 3, 4, 5:
		return ""
	case 0xc0:
		return "vectorcall"
	case 0xc1:
		return "ms_abi"
	case 0xc2:
		return "sysv_abi"
	case 0xc5:
		return "intel_ocl_bicc"
	case 0xc8:
		return "swiftcall"
	case 0xc9:
		return "preserve_most"
	case 0xca:
		return "preserve_all"
	case 0xcb:
		return "regcall"
	case 0xcd:
		return "preserve_none"
	case 0xcf:
		return "swiftasynccall"
	}
	return "cc" + hex(cc)
}

func hex(v uint64) string {
	const digits = "0123456789abcdef"
	var b [18]byte
	i := len(b)
	for {
		i--
		b[i] = digits[v&15]
		if v >>= 4; v == 0 {
			break
		}
	}
	return "0x" + string(b[i:])
}
