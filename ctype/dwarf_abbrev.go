package ctype

// attrSpec is an attribute of an abbreviation.
type attrSpec struct {
	name     uint32
	form     uint16
	implicit int64 // DW_FORM_implicit_const
}

// abbrev is an abbreviation: what a DIE of its code has.
type abbrev struct {
	code     uint64
	tag      uint32
	children bool
	attrs    []attrSpec
	skip     []int32 // how to pass over the attributes: so many bytes, or, if negative, one form less that
	has      hint    // attributes that scanning wants to know of
}

// hint is a set of attributes.
type hint uint8

const (
	hasName hint = 1 << iota
	hasPlace
	hasSibling
	hasLink // specification, abstract origin or import
)

// abbrevTable is a table of abbreviations. Compilers number them from 1.
type abbrevTable struct {
	dense []abbrev
	other map[uint64]*abbrev
}

func (t *abbrevTable) find(code uint64) *abbrev {
	if code-1 < uint64(len(t.dense)) {
		return &t.dense[code-1]
	}
	return t.other[code]
}

// abbrevKey is what the meaning of a table depends on.
type abbrevKey struct {
	off     uint64
	addr    int
	is64    bool
	refAddr int // size of DW_FORM_ref_addr
}

// formSize returns the size of a form, -1 if that depends on the data, -2 if the form is not known.
func formSize(form uint16, k *abbrevKey) int {
	off := 4
	if k.is64 {
		off = 8
	}
	switch form {
	case formFlagPresent, formImplicit:
		return 0
	case formData1, formRef1, formFlag, formStrx1, formAddrx1:
		return 1
	case formData2, formRef2, formStrx2, formAddrx2:
		return 2
	case formStrx3, formAddrx3:
		return 3
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		return 4
	case formData8, formRef8, formRefSig8, formRefSup8:
		return 8
	case formData16:
		return 16
	case formAddr:
		return k.addr
	case formRefAddr:
		return k.refAddr
	case formStrp, formSecOffset, formLineStrp, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		return off
	case formBlock, formBlock1, formBlock2, formBlock4, formExprloc, formString, formSdata, formUdata, formRefUdata, formStrx, formAddrx,
		formLoclistx, formRnglistx, formIndirect, formGNUAddrIndex, formGNUStrIndex:
		return -1
	}
	return -2
}

// parseAbbrevs reads the table at off of .debug_abbrev. It reports how many bytes that took.
func parseAbbrevs(data []byte, k abbrevKey) (*abbrevTable, int, string) {
	r := readerAt(data, k.off)
	t := &abbrevTable{}
	// All attributes of a table lie in a few pieces of memory.
	specs, skips := make([]attrSpec, 0, 256), make([]int32, 0, 256)
	for {
		code := r.uleb()
		if code == 0 || r.bad {
			break
		}
		a := abbrev{code: code, tag: uint32(min(r.uleb(), 1<<31)), children: r.u8() != 0}
		if cap(specs)-len(specs) < 32 {
			specs, skips = make([]attrSpec, 0, 512), make([]int32, 0, 512)
		}
		a.attrs, a.skip = specs[len(specs):], skips[len(skips):]
		for {
			name, form := r.uleb(), r.uleb()
			if r.bad {
				break
			}
			s := attrSpec{name: uint32(min(name, 1<<31)), form: uint16(min(form, 0xffff))}
			if form == formImplicit {
				s.implicit = r.sleb()
			}
			if name == 0 && form == 0 {
				break
			}
			if len(a.attrs) == maxAttributes {
				return nil, 0, "an abbreviation has too many attributes"
			}
			a.attrs = append(a.attrs, s)
			n := formSize(s.form, &k)
			switch {
			case n == -2:
				return nil, 0, "an abbreviation has an attribute of an unknown form"
			case n == -1:
				a.skip = append(a.skip, -1-int32(s.form))
			case len(a.skip) > 0 && a.skip[len(a.skip)-1] >= 0:
				a.skip[len(a.skip)-1] += int32(n)
			default:
				a.skip = append(a.skip, int32(n))
			}
			switch name {
			case atName, atLinkageName, atMIPSLinkageName:
				a.has |= hasName
			case atLowPC, atRanges, atLocation:
				a.has |= hasPlace
			case atSibling:
				a.has |= hasSibling
			case atSpecification, atAbstractOrigin, atImport:
				a.has |= hasLink
			}
		}
		if r.bad {
			break
		}
		if n := len(a.attrs); n <= cap(specs)-len(specs) {
			specs, skips = specs[:len(specs)+n], skips[:len(skips)+min(len(a.skip), cap(skips)-len(skips))]
		}
		a.attrs, a.skip = a.attrs[:len(a.attrs):len(a.attrs)], a.skip[:len(a.skip):len(a.skip)]
		switch {
		case code == uint64(len(t.dense))+1 && t.other == nil:
			t.dense = append(t.dense, a)
		default:
			if t.other == nil {
				t.other = map[uint64]*abbrev{}
			}
			if t.find(code) == nil {
				t.other[code] = &a
			}
		}
	}
	if r.bad {
		return nil, 0, "the table of abbreviations is cut short"
	}
	return t, r.pos - int(k.off), ""
}

// skipForm passes over a value whose size depends on the data.
func (r *reader) skipForm(form uint16, k *abbrevKey) {
	for range 4 {
		switch form {
		case formSdata, formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx, formGNUAddrIndex, formGNUStrIndex:
			r.uleb()
		case formBlock, formExprloc:
			r.skip(r.uleb())
		case formBlock1:
			r.skip(uint64(r.u8()))
		case formBlock2:
			r.skip(uint64(r.u16()))
		case formBlock4:
			r.skip(uint64(r.u32()))
		case formString:
			r.cstring()
		case formIndirect:
			f := r.uleb()
			if f == formImplicit || f > 0xffff {
				r.fail()
				return
			}
			form = uint16(f)
			continue
		default:
			n := formSize(form, k)
			if n < 0 {
				r.fail()
				return
			}
			r.skip(uint64(n))
		}
		return
	}
	r.fail()
}

// skipAttrs passes over the attributes of a DIE.
func (r *reader) skipAttrs(a *abbrev, k *abbrevKey) {
	for _, op := range a.skip {
		if op >= 0 {
			r.skip(uint64(op))
		} else {
			r.skipForm(uint16(-1-op), k)
		}
	}
}
