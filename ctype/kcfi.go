package ctype

import (
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"

	weldelf "weld/image/elf"
)

// clang's -fsanitize=kcfi puts a type id into the code before each function: the lower half of the xxHash64 of the function type's name as the Itanium
// C++ ABI mangles it, _ZTSFddE for double (double).

// KCFIBefore returns the type id before the function at an address of an x86-64 file whose segments are at hand: what it is preceded by is
// mov $id, %eax, which is never executed.
func KCFIBefore(f *weldelf.File, addr uint64) (uint32, bool) {
	if f.Machine != weldelf.EM_X86_64 || addr < 5 {
		return 0, false
	}
	b, ok := f.Bytes(addr-5, 5)
	if !ok || b[0] != 0xb8 {
		return 0, false
	}
	return le.Uint32(b[1:]), true
}

// KCFI returns the type ids that clang may give to functions of type t in C: the first without other options, then those of definitions that are no
// prototypes, and of -fsanitize-cfi-icall-experimental-normalize-integers and -fsanitize-cfi-icall-generalize-pointers where they differ by their end only.
// The error says which part of t has no name in a mangled type, as an unnamed struct or a type of which the C header is not known.
func KCFI(t *Type) ([]uint32, error) {
	t = t.Strip()
	if t.Kind != Func || t.Unchecked {
		return nil, errors.New("no function with a prototype")
	}
	var ids []uint32
	for _, f := range []*Type{t, {Kind: Func, Elem: t.Elem, Unchecked: true}} {
		for _, normal := range []bool{false, true} {
			m := mangler{normal: normal}
			m.function(f, 0)
			if m.err != nil {
				return nil, m.err
			}
			ids = append(ids, kcfiIDs(m.out, normal)...)
		}
	}
	return ids, nil
}

// kcfiIDs returns the ids of a mangled function type.
func kcfiIDs(name string, normal bool) []uint32 {
	name = "_ZTS" + name
	if normal {
		name += ".normalized"
	}
	return []uint32{uint32(xxHash64([]byte(name))), uint32(xxHash64([]byte(name + ".generalized")))}
}

// MatchKCFI compares a type id with the C functions that a Go func type may stand for. Certain is false if there are others, that cannot be named: those
// with pointers, structs or enums, which may be as small as a byte.
func MatchKCFI(id uint32, g reflect.Type) (match, certain bool) {
	if g.Kind() != reflect.Func || g.IsVariadic() {
		return false, false
	}
	n := g.NumOut()
	if n > 0 && isErrno(g.Out(n-1)) {
		n--
	}
	lists := [][]string{{"v"}} // of the result, then of the parameters
	certain = n > 0            // without a result in Go there may be one in C
	if n > 0 {
		names, ok := kcfiNames(g.Out(0))
		certain = certain && ok
		lists = nil
		for _, x := range names {
			lists = append(lists, []string{x})
		}
	}
	for i := range g.NumIn() {
		names, ok := kcfiNames(g.In(i))
		certain = certain && ok
		var next [][]string
		for _, l := range lists {
			for _, x := range names {
				next = append(next, append(l[:len(l):len(l)], x))
			}
		}
		if lists = next; len(lists) > 1<<12 {
			return false, false
		}
	}
	for _, l := range lists {
		if matchKCFI(id, l) {
			return true, true
		}
	}
	return false, certain
}

// matchKCFI compares a type id with functions of a result and parameters, of which the last may be variable arguments, or without a prototype.
func matchKCFI(id uint32, codes []string) bool {
	for _, normal := range []bool{false, true} {
		m := mangler{normal: normal, out: "F"}
		for i, c := range codes {
			m.code(c)
			ends := []string{"zE"}
			switch {
			case len(codes) == 1:
				ends = []string{"vE", "zE", "E"}
			case i == 0 || i == len(codes)-1:
				ends = []string{"E", "zE"}
			}
			for _, end := range ends {
				if slices.Contains(kcfiIDs(m.out+end, normal), id) {
					return true
				}
			}
		}
	}
	return false
}

// code writes a type of kcfiNames.
func (m *mangler) code(c string) {
	if len(c) == 1 {
		m.builtin(c)
		return
	}
	if !m.known(c) {
		m.out += c[:1]
		m.code(c[1:])
		m.add(c)
	}
}

// builtin writes a type of one letter. Where integers are normalized, those of one size and sign are the same.
func (m *mangler) builtin(c string) {
	if m.normal {
		if i := strings.Index("bhacstijlxmyno", c); i >= 0 {
			c = strings.Fields("u2u8 u2u8 u2i8 u2i8 u3i16 u3u16 u3i32 u3u32 u3i64 u3i64 u3u64 u3u64 u4i128 u4u128")[i]
			if m.known(c) {
				return
			}
			defer m.add(c)
		}
	}
	m.out += c
}

// kcfiNames returns the mangled names of the C types that a Go type may stand for; ok is false if there may be others.
func kcfiNames(t reflect.Type) (names []string, ok bool) {
	switch t.Kind() {
	case reflect.Bool:
		return []string{"b"}, true
	case reflect.Int8: // an enum has its own name
		return []string{"a", "c"}, false
	case reflect.Uint8:
		return []string{"h", "c", "b"}, false
	case reflect.Int16:
		return []string{"s"}, false
	case reflect.Uint16:
		return []string{"t"}, false
	case reflect.Int32:
		return []string{"i"}, false
	case reflect.Uint32:
		return []string{"j"}, false
	case reflect.Int64, reflect.Int:
		return []string{"l", "x"}, false
	case reflect.Uint64, reflect.Uint:
		return []string{"m", "y"}, false
	case reflect.Uintptr:
		return []string{"m", "y", "Pv"}, false
	case reflect.Float32:
		return []string{"f"}, true
	case reflect.Float64:
		return []string{"d"}, true
	case reflect.Complex64:
		return []string{"Cf"}, true
	case reflect.Complex128:
		return []string{"Cd"}, true
	case reflect.UnsafePointer:
		return []string{"Pv", "PKv"}, false
	case reflect.String:
		return []string{"PKc", "Pc"}, false
	}
	return []string{"?"}, false
}

// mangler writes a type as the Itanium C++ ABI mangles it (section 5.1). What has been written before is S_, S0_ and so on.
type mangler struct {
	out   string
	seen  []string // in full, without abbreviations
	err   error
	depth int

	normal bool // integers are written by their sizes
}

// kcfiInts are the codes of C's integers by their names in DWARF and in C.
var kcfiInts = map[string]string{"char": "c", "signed char": "a", "unsigned char": "h", "short": "s", "short int": "s", "unsigned short": "t",
	"short unsigned int": "t", "int": "i", "unsigned int": "j", "unsigned": "j", "long": "l", "long int": "l", "unsigned long": "m", "long unsigned int": "m",
	"long long": "x", "long long int": "x", "unsigned long long": "y", "long long unsigned int": "y", "__int128": "n", "unsigned __int128": "o", "__int128 unsigned": "o"}

func (m *mangler) fail(t *Type) {
	if m.err == nil {
		m.err = fmt.Errorf("%s has no name in a type id", t)
	}
}

// full returns the text of t without abbreviations, which tells types apart.
func full(t *Type, depth int) string {
	n := mangler{depth: -1}
	n.value(t, depth)
	return n.out
}

// known writes the abbreviation of what has been written before.
func (m *mangler) known(key string) bool {
	if m.depth < 0 {
		return false
	}
	for i, s := range m.seen {
		if s == key {
			m.out += "S"
			if i > 0 {
				m.out += upper36(i - 1)
			}
			m.out += "_"
			return true
		}
	}
	return false
}

func upper36(n int) string {
	b := []byte(strconv.FormatInt(int64(n), 36))
	for i := range b {
		if b[i] >= 'a' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

func (m *mangler) add(key string) {
	if m.depth >= 0 {
		m.seen = append(m.seen, key)
	}
}

// function writes a function type, without remembering it.
func (m *mangler) function(t *Type, depth int) {
	m.out += "F"
	m.value(t.Elem, depth+1)
	for _, p := range t.Params {
		pt, name, _ := m.strip(p.Type) // qualifiers of a parameter are none of the function's type
		switch pt.Kind {
		case Array:
			pt = PointerTo(pt.Elem)
		case Func:
			pt = PointerTo(pt)
		}
		m.unqualified(pt, name, depth+1)
	}
	switch {
	case t.Variadic:
		m.out += "z"
	case len(t.Params) == 0 && !t.Unchecked:
		m.out += "v"
	}
	m.out += "E"
}

func (m *mangler) value(t *Type, depth int) {
	if depth > 32 || len(m.out) > 1<<16 {
		m.fail(t)
		return
	}
	t, name, q := m.strip(t)
	codes := qualCodes(q &^ Atomic)
	atomic := ""
	if q&Atomic != 0 {
		atomic = "U7_Atomic"
	}
	inner := ""
	if m.depth >= 0 && codes+atomic != "" {
		inner = fullNamed(t, name, depth)
	}
	if codes != "" {
		if m.known(codes + atomic + inner) {
			return
		}
		m.out += codes
		defer m.add(codes + atomic + inner)
	}
	if atomic != "" {
		if m.known(atomic + inner) {
			return
		}
		m.out += atomic
		defer m.add(atomic + inner)
	}
	m.unqualified(t, name, depth)
}

// strip takes typedefs and qualifiers off a type. Name is that of the innermost typedef, which names a struct without a tag.
func (m *mangler) strip(t *Type) (of *Type, name string, q Quals) {
	for t.Kind == Typedef || t.Kind == Qualified {
		if t.Kind == Typedef {
			if name = t.Name; t.Elem.Kind == Struct && t.Elem.Incomplete && t.Elem.Name == name { // of ParseDecl, which knows no typedefs
				m.fail(t)
			}
		} else {
			q |= t.Quals
		}
		t = t.Elem
	}
	return t, name, q
}

func qualCodes(q Quals) (s string) {
	if q&Restrict != 0 {
		s += "r"
	}
	if q&Volatile != 0 {
		s += "V"
	}
	if q&Const != 0 {
		s += "K"
	}
	return s
}

func fullNamed(t *Type, name string, depth int) string {
	if name != "" && (t.Kind == Struct || t.Kind == Union || t.Kind == Enum) && t.Name == "" {
		return strconv.Itoa(len(name)) + name
	}
	return full(t, depth)
}

func (m *mangler) unqualified(t *Type, name string, depth int) {
	switch t.Kind {
	case Void:
		m.out += "v"
	case Bool:
		m.builtin("b")
	case Int:
		if c := kcfiInts[t.Name]; c != "" && t.Bits == 0 {
			m.builtin(c)
			return
		}
		m.fail(t)
	case Float, Complex:
		c := map[Format]string{Binary32: "f", Binary64: "d", X87: "e", Binary128: "g"}[t.Format]
		if c == "" {
			m.fail(t)
		}
		if t.Kind == Complex {
			if c = "C" + c; m.known(c) {
				return
			}
			m.add(c)
		}
		m.out += c
	case Struct, Union, Enum:
		if t.Name != "" {
			name = t.Name
		}
		if name == "" {
			m.fail(t)
			return
		}
		key := strconv.Itoa(len(name)) + name
		if !m.known(key) {
			m.out += key
			m.add(key)
		}
	case Pointer, Array, Func:
		key := ""
		if m.depth >= 0 {
			key = full(t, depth+1)
			if m.known(key) {
				return
			}
		}
		switch t.Kind {
		case Pointer:
			m.out += "P"
			m.value(t.Elem, depth+1)
		case Array:
			m.out += "A"
			if t.Len >= 0 {
				m.out += strconv.FormatInt(t.Len, 10)
			}
			m.out += "_"
			m.value(t.Elem, depth+1)
		default:
			m.function(t, depth+1)
		}
		m.add(key)
	default:
		m.fail(t)
	}
}

// xxHash64 is the hash of that name with the seed 0.
func xxHash64(b []byte) uint64 {
	const p1, p2, p3, p4, p5 = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
	round := func(acc, v uint64) uint64 { return bits.RotateLeft64(acc+v*p2, 31) * p1 }
	n := uint64(len(b))
	h := uint64(p5)
	if len(b) >= 32 {
		one, two := uint64(p1), uint64(p2)
		v := [4]uint64{one + two, two, 0, -one}
		for ; len(b) >= 32; b = b[32:] {
			for i := range v {
				v[i] = round(v[i], le.Uint64(b[8*i:]))
			}
		}
		h = bits.RotateLeft64(v[0], 1) + bits.RotateLeft64(v[1], 7) + bits.RotateLeft64(v[2], 12) + bits.RotateLeft64(v[3], 18)
		for _, x := range v {
			h = (h^round(0, x))*p1 + p4
		}
	}
	h += n
	for ; len(b) >= 8; b = b[8:] {
		h = bits.RotateLeft64(h^round(0, le.Uint64(b)), 27)*p1 + p4
	}
	if len(b) >= 4 {
		h = bits.RotateLeft64(h^uint64(le.Uint32(b))*p1, 23)*p2 + p3
		b = b[4:]
	}
	for _, c := range b {
		h = bits.RotateLeft64(h^uint64(c)*p5, 11) * p1
	}
	h = (h ^ h>>33) * p2
	h = (h ^ h>>29) * p3
	return h ^ h>>32
}
