package link

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Attributes say what extensions of the instruction set an object needs (psABI, "Attributes"; the format is that of "Addenda to, and
// Errata in, the ABI for the Arm Architecture").
const (
	attrFile            = 1
	attrStackAlign      = 4
	attrArch            = 5
	attrUnalignedAccess = 6
)

// An rvAttributes is the attributes of an object or of the output.
type rvAttributes struct {
	exts []rvExt
	base string // rv64i, rv64e
	nums map[uint64]uint64
	strs map[uint64]string
}

// An rvExt is an extension with its version.
type rvExt struct {
	name         string
	major, minor int
}

// parse reads the content of .riscv.attributes. What it does not know it takes as it is.
func (t *rvAttributes) parse(b []byte) error {
	if len(b) == 0 || b[0] != 'A' {
		return fmt.Errorf("the format is not A")
	}
	for b = b[1:]; len(b) > 0; {
		if len(b) < 4 {
			return fmt.Errorf("a subsection of %d bytes", len(b))
		}
		n := le.Uint32(b)
		if n < 4 || uint64(n) > uint64(len(b)) {
			return fmt.Errorf("a subsection of %d bytes, where there are %d", n, len(b))
		}
		body := b[4:n]
		b = b[n:]
		vendor, rest, ok := bytes.Cut(body, []byte{0})
		if !ok || string(vendor) != "riscv" {
			continue
		}
		for len(rest) > 0 {
			if len(rest) < 5 {
				return fmt.Errorf("a list of %d bytes", len(rest))
			}
			size := le.Uint32(rest[1:])
			if size < 5 || uint64(size) > uint64(len(rest)) {
				return fmt.Errorf("a list of %d bytes, where there are %d", size, len(rest))
			}
			if rest[0] == attrFile {
				if err := t.parseList(rest[5:size]); err != nil {
					return err
				}
			}
			rest = rest[size:]
		}
	}
	return nil
}

// uleb reads a number; n is 0 if there is none.
func uleb(b []byte) (v uint64, n int) {
	for n < len(b) && n < 10 {
		v |= uint64(b[n]&0x7f) << (7 * n)
		if n++; b[n-1]&0x80 == 0 {
			return v, n
		}
	}
	return 0, 0
}

func putULEB(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// parseList reads tags with their values: strings have odd tags.
func (t *rvAttributes) parseList(b []byte) error {
	for len(b) > 0 {
		tag, n := uleb(b)
		if n == 0 {
			return fmt.Errorf("a tag that does not end")
		}
		b = b[n:]
		if tag&1 != 0 {
			s, rest, ok := bytes.Cut(b, []byte{0})
			if !ok {
				return fmt.Errorf("the string of tag %d does not end", tag)
			}
			b = rest
			if tag == attrArch {
				if err := t.addArch(string(s)); err != nil {
					return err
				}
			} else if _, ok := t.strs[tag]; !ok {
				t.strs[tag] = string(s)
			}
			continue
		}
		v, n := uleb(b)
		if n == 0 {
			return fmt.Errorf("the number of tag %d does not end", tag)
		}
		b = b[n:]
		old, seen := t.nums[tag]
		switch {
		case !seen:
			t.nums[tag] = v
		case tag == attrUnalignedAccess:
			t.nums[tag] = old | v
		case tag == attrStackAlign && old != v:
			return fmt.Errorf("the stack is aligned to %d bytes, in other objects to %d", v, old)
		default:
			t.nums[tag] = max(old, v)
		}
	}
	return nil
}

// addArch adds the extensions of a target, such as rv64i2p1_m2p0_a2p1.
func (t *rvAttributes) addArch(s string) error {
	for i, part := range strings.Split(s, "_") {
		name, major, minor := rvVersion(part)
		if name == "" {
			return fmt.Errorf("the target %q", s)
		}
		if i == 0 {
			if t.base != "" && t.base != name {
				return fmt.Errorf("it is for %s, other objects for %s", name, t.base)
			}
			t.base = name
		}
		k, ok := slices.BinarySearchFunc(t.exts, name, func(e rvExt, n string) int { return compareExt(e.name, n, t.base) })
		if !ok {
			t.exts = slices.Insert(t.exts, k, rvExt{name, major, minor})
		} else if e := &t.exts[k]; major > e.major || major == e.major && minor > e.minor {
			e.major, e.minor = major, minor
		}
	}
	return nil
}

// rvVersion splits NAME2p1.
func rvVersion(s string) (name string, major, minor int) {
	p := strings.LastIndexByte(s, 'p')
	if p <= 0 {
		return s, -1, 0
	}
	minor, err := strconv.Atoi(s[p+1:])
	if err != nil {
		return s, -1, 0
	}
	at := p
	for at > 0 && s[at-1] >= '0' && s[at-1] <= '9' {
		at--
	}
	major, err = strconv.Atoi(s[at:p])
	if err != nil {
		return s, -1, 0
	}
	return s[:at], major, minor
}

// compareExt orders extensions as the ISA's naming conventions do: the base, single letters in their own order, those of z by the
// letter that they belong to, those of s, those of x.
func compareExt(a, b, base string) int {
	const order = "iemafdqlcbkjtpvnh"
	class := func(s string) (int, int) {
		switch {
		case s == base:
			return 0, 0
		case len(s) == 1:
			return 1, strings.IndexByte(order, s[0]) & 0xff
		case s[0] == 'z' && len(s) > 1:
			return 2, strings.IndexByte(order, s[1]) & 0xff
		case s[0] == 's':
			return 3, 0
		}
		return 4, 0
	}
	ac, ai := class(a)
	bc, bi := class(b)
	switch {
	case ac != bc:
		return ac - bc
	case ai != bi:
		return ai - bi
	}
	return strings.Compare(a, b)
}

// bytes returns the content of .riscv.attributes.
func (t *rvAttributes) bytes() []byte {
	var list []byte
	tags := slices.Concat(slices.Sorted(maps.Keys(t.nums)), slices.Sorted(maps.Keys(t.strs)))
	if len(t.exts) > 0 {
		tags = append(tags, attrArch)
	}
	slices.Sort(tags)
	for _, tag := range tags {
		list = putULEB(list, tag)
		switch {
		case tag == attrArch:
			for i, e := range t.exts {
				if i > 0 {
					list = append(list, '_')
				}
				list = append(list, e.name...)
				if e.major >= 0 {
					list = fmt.Appendf(list, "%dp%d", e.major, e.minor)
				}
			}
			list = append(list, 0)
		case tag&1 != 0:
			list = append(append(list, t.strs[tag]...), 0)
		default:
			list = putULEB(list, t.nums[tag])
		}
	}
	b := []byte("A")
	b = le.AppendUint32(b, uint32(4+len("riscv\x00")+5+len(list)))
	b = append(b, "riscv\x00"...)
	b = append(b, attrFile)
	b = le.AppendUint32(b, uint32(5+len(list)))
	return append(b, list...)
}

// mergeAttributes makes the attributes of the output of those of all objects.
func (riscv64) mergeAttributes(l *linker) error {
	t := &rvAttributes{nums: map[uint64]uint64{}, strs: map[uint64]string{}}
	any := false
	for _, o := range l.objs {
		if o.attributes == 0 {
			continue
		}
		any = true
		if err := t.parse(o.bytes(o.attributes)); err != nil {
			return o.err(ErrFormat, "section .riscv.attributes", "%v", err)
		}
	}
	if any {
		b := t.bytes()
		s := l.synthSection(".riscv.attributes", shtRISCVAttributes, 0, 1)
		s.size = uint64(len(b))
		s.write = func(buf []byte) error { copy(buf, b); return nil }
	}
	return nil
}
