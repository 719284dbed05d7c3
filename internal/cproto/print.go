package cproto

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Memory reads the process's memory: as many bytes at addr as p has room for and there are before the first that
// cannot be read. It returns their number.
type Memory func(addr uintptr, p []byte) int

// maxString is where a string without end is cut off.
const maxString = 1 << 24

// CString reads the NUL-terminated string at addr. It reports whether all of it can be read.
func (m Memory) CString(addr uintptr) (string, bool) {
	var b []byte
	const page = 4096
	buf := make([]byte, page)
	for len(b) < maxString {
		n := m(addr, buf[:page-addr%page])
		if i := bytes.IndexByte(buf[:n], 0); i >= 0 {
			return string(append(b, buf[:i]...)), true
		}
		b = append(b, buf[:n]...)
		addr += uintptr(n)
		if n == 0 || addr%page != 0 {
			return string(b), false
		}
	}
	return string(b), true
}

// Bytes gives the memory of a value that MakeFunc's function returned.
func Bytes(v reflect.Value) []byte {
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	return unsafe.Slice((*byte)(c.UnsafePointer()), v.Type().Size())
}

// Text prints the value of type t in mem: integers in decimal, floating numbers as short as they stay exact, strings quoted, other
// pointers as 0x and hexadecimal digits, or NULL; structs with their members' names and arrays in braces.
func (m Memory) Text(t Type, mem []byte) string {
	switch t.Kind {
	case Bool:
		return strconv.FormatBool(mem[0] != 0)
	case Int:
		u := load(t, mem)
		if t.Signed {
			return strconv.FormatInt(int64(u), 10)
		}
		return strconv.FormatUint(u, 10)
	case Int128:
		return int128(t, mem).String()
	case Float:
		return formatFloat(loadFloat(mem[:t.Size]), t.Size)
	case LongDouble, Complex:
		if t.Size == 16 && t.Kind == LongDouble {
			return formatFloat(loadFloat(mem[:16]), 8)
		}
		re, im := loadFloat(mem[:t.Size/2]), loadFloat(mem[t.Size/2:t.Size])
		sign := "+"
		if math.Signbit(im) {
			sign, im = "-", -im
		}
		return formatFloat(re, t.floatSize()) + sign + formatFloat(im, t.floatSize()) + "i"
	case Pointer:
		addr := uintptr(load(scalar(Int, "", 8, false), mem))
		if addr == 0 {
			return "NULL"
		}
		if t.IsString() {
			if s, ok := m.CString(addr); ok {
				return strconv.Quote(s)
			}
		}
		return fmt.Sprintf("%#x", addr)
	case Array:
		if t.Elem.IsChar() {
			return bufferText(*t.Elem, mem[:t.Size])
		}
		var list []string
		for i := range uintptr(t.Len) {
			list = append(list, m.Text(*t.Elem, mem[i*t.Elem.Size:]))
		}
		return "{" + strings.Join(list, ", ") + "}"
	case Struct, Union:
		var list []string
		for _, f := range t.Fields {
			s := m.Text(f.Type, mem[f.Offset:])
			if f.Name != "" {
				s = f.Name + "=" + s
			}
			list = append(list, s)
		}
		return "{" + strings.Join(list, ", ") + "}"
	}
	return ""
}

// JSON gives the value of type t in mem as encoding/json takes it: numbers, strings, null for NULL, objects for
// structs, arrays for arrays, [re, im] for complex numbers. Pointers, infinities and NaN are strings.
func (m Memory) JSON(t Type, mem []byte) any {
	switch t.Kind {
	case Void, Function, Opaque:
		return nil
	case Bool:
		return mem[0] != 0
	case Int, Int128:
		return json.Number(m.Text(t, mem))
	case Float:
		return jsonFloat(m.Text(t, mem))
	case LongDouble, Complex:
		if t.Size == 16 && t.Kind == LongDouble {
			return jsonFloat(m.Text(t, mem))
		}
		half := t.Size / 2
		return []any{jsonFloat(formatFloat(loadFloat(mem[:half]), t.floatSize())), jsonFloat(formatFloat(loadFloat(mem[half:t.Size]), t.floatSize()))}
	case Pointer:
		s := m.Text(t, mem)
		if s == "NULL" {
			return nil
		}
		if u, err := strconv.Unquote(s); err == nil {
			return u
		}
		return s
	case Array:
		if t.Elem.IsChar() {
			return bufferJSON(*t.Elem, mem[:t.Size])
		}
		list := []any{}
		for i := range uintptr(t.Len) {
			list = append(list, m.JSON(*t.Elem, mem[i*t.Elem.Size:]))
		}
		return list
	}
	members := map[string]any{}
	for _, f := range t.Fields {
		v := m.JSON(f.Type, mem[f.Offset:])
		if inner, ok := v.(map[string]any); ok && f.Name == "" {
			for name, v := range inner {
				members[name] = v
			}
			continue
		}
		members[f.Name] = v
	}
	return members
}

// floatSize is the size of the Go type that prints a half of a complex number.
func (t Type) floatSize() uintptr { return min(8, t.Size/2) }

func jsonFloat(s string) any {
	if strings.ContainsAny(s, "if") || s == "nan" {
		return s
	}
	return json.Number(s)
}

// Out reports whether v is an out-parameter: memory made for the call that the callee could write.
func (v *Value) Out() bool { return v.out != nil }

// OutText prints an out-parameter as it is now.
func (v *Value) OutText(m Memory) string {
	o := v.out
	switch {
	case o.buffer:
		return bufferText(o.elem, o.mem)
	case o.n == 1:
		return m.Text(o.elem, o.mem)
	}
	return m.Text(o.array(), o.mem)
}

// OutJSON gives an out-parameter as it is now for encoding/json.
func (v *Value) OutJSON(m Memory) any {
	o := v.out
	switch {
	case o.buffer:
		return bufferJSON(o.elem, o.mem)
	case o.n == 1:
		return m.JSON(o.elem, o.mem)
	}
	return m.JSON(o.array(), o.mem)
}

func (o *cells) array() Type {
	return Type{Kind: Array, Elem: &o.elem, Len: uint64(o.n), Size: uintptr(len(o.mem)), Align: o.elem.Align}
}

// bufferString gives a buffer as a string, if it holds one: for char what is before the first NUL, for other bytes what
// has nothing but NULs after it. It has to be printable UTF-8.
func bufferString(elem Type, mem []byte) (string, bool) {
	text := mem
	if i := bytes.IndexByte(mem, 0); i >= 0 {
		text = mem[:i]
		if !elem.IsChar() && (i == 0 || len(bytes.TrimRight(mem[i:], "\x00")) > 0) {
			return "", false
		}
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && !unicode.IsSpace(r) && r != '\x1b' && r != '\b' && r != '\a' {
			return "", false
		}
		i += n
	}
	return string(text), true
}

func bufferText(elem Type, mem []byte) string {
	if s, ok := bufferString(elem, mem); ok {
		return strconv.Quote(s)
	}
	return hex.EncodeToString(mem)
}

func bufferJSON(elem Type, mem []byte) any {
	if s, ok := bufferString(elem, mem); ok {
		return s
	}
	return map[string]any{"hex": hex.EncodeToString(mem)}
}

// loadFloat reads a float, a double or, from 16 bytes, the x87's 80-bit number.
func loadFloat(mem []byte) float64 {
	u := func(n uintptr) uint64 { return load(scalar(Int, "", n, false), mem) }
	switch len(mem) {
	case 4:
		return float64(math.Float32frombits(uint32(u(4))))
	case 8:
		return math.Float64frombits(u(8))
	}
	mantissa, high := u(8), uint16(mem[8])|uint16(mem[9])<<8
	f := math.Ldexp(float64(mantissa), int(high&0x7fff)-16383-63)
	if high&0x7fff == 0x7fff {
		if f = math.Inf(1); mantissa<<1 != 0 {
			f = math.NaN()
		}
	}
	if high>>15 != 0 {
		f = -f
	}
	return f
}

func int128(t Type, mem []byte) *big.Int {
	word := scalar(Int, "", 8, false)
	low, high := new(big.Int).SetUint64(load(word, mem)), new(big.Int).SetUint64(load(word, mem[8:]))
	if t.Signed {
		high.SetInt64(int64(load(word, mem[8:])))
	}
	return high.Lsh(high, 64).Add(high, low)
}
