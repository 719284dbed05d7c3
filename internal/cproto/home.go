package cproto

// Area says which registers or memory a part of a value lies in.
type Area uint8

const (
	IntReg   Area = iota // rdi, rsi, rdx, rcx, r8, r9 of arguments; rax, rdx of results
	FloatReg             // xmm0 to xmm7 of arguments; xmm0, xmm1 of results
	Memory8              // a word of the arguments in memory, counted from the one above the return address
	X87                  // st0 of results, and st1
)

// Part is where eight bytes of a value lie.
type Part struct {
	In Area
	N  int
}

// Home is where a value lies in a call, eightbyte by eightbyte (psABI 3.2.3). A result that is returned in memory has
// the register that holds its address.
type Home struct {
	Parts    []Part
	Indirect bool // the one part is the address
}

// Assigner gives the arguments of a call their places, in order.
type Assigner struct {
	Ints, Floats, Words int // in use
}

// Assign returns the place of the next argument. It may be of any type but Void, Function and Opaque.
func (a *Assigner) Assign(t Type) Home {
	n := int(roundUp(t.Size, 8) / 8)
	if cls, ok := classesOf(t); ok {
		var h Home
		next := *a
		for _, c := range cls[:n] {
			if c == sse {
				h.Parts = append(h.Parts, Part{FloatReg, next.Floats})
				next.Floats++
			} else {
				h.Parts = append(h.Parts, Part{IntReg, next.Ints})
				next.Ints++
			}
		}
		if next.Ints <= 6 && next.Floats <= 8 {
			*a = next
			return h
		}
	}
	if t.Align > 8 {
		a.Words = int(roundUp(uintptr(a.Words), t.Align/8))
	}
	var h Home
	for range n {
		h.Parts = append(h.Parts, Part{Memory8, a.Words})
		a.Words++
	}
	return h
}

// classesOf returns the classes of a value's eightbytes, false if it is of class MEMORY as an argument.
func classesOf(t Type) (cls [2]class, ok bool) {
	if t.Size > 16 || hasLong(t) {
		return cls, false
	}
	if t.Kind == Int128 {
		return [2]class{integer, integer}, true
	}
	t.classify(0, &cls)
	return cls, true
}

// hasLong reports whether there is a long double or a 128-bit integer in t.
func hasLong(t Type) bool {
	switch t.Kind {
	case LongDouble:
		return true
	case Array:
		return hasLong(*t.Elem)
	case Struct, Union:
		for _, f := range t.Fields {
			if hasLong(f.Type) || f.Type.innermost().Kind == Int128 {
				return true
			}
		}
	}
	return false
}

// Homes returns where the parameters and the result of the function lie, and what is in use when all parameters have
// their places: variable arguments come next.
func (p *Prototype) Homes() (params []Home, result Home, rest Assigner) {
	switch cls, inRegs := classesOf(p.Result); {
	case p.Result.Kind == Void:
	case p.Result.Kind == LongDouble && p.Result.Size == 16:
		result.Parts = []Part{{X87, 0}}
	case !inRegs:
		result = Home{[]Part{{IntReg, 0}}, true}
		rest.Ints = 1 // the caller passes the address
	default:
		ints, floats := 0, 0
		for _, c := range cls[:roundUp(p.Result.Size, 8)/8] {
			if c == sse {
				result.Parts = append(result.Parts, Part{FloatReg, floats})
				floats++
			} else {
				result.Parts = append(result.Parts, Part{IntReg, ints})
				ints++
			}
		}
	}
	for _, param := range p.Params {
		params = append(params, rest.Assign(param.Type))
	}
	return params, result, rest
}
