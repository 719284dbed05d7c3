package cproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// Value is an argument: a Go value of the type that [Prototype.GoType] has in its place, and the memory it points to.
// That memory stays while the Value is reachable, so keep the Value (runtime.KeepAlive) until the call is over.
type Value struct {
	Type Type
	Name string // of the parameter; its number, from 1, if it has none

	mem  []byte   // the argument itself
	kept [][]byte // what mem points to
	out  *cells
}

// cells is the memory of an out-parameter.
type cells struct {
	elem   Type
	mem    []byte
	n      int  // elements
	buffer bool // bytes of unknown meaning, or a string
}

// ParseArg makes a value of type t from text:
//
//   - An integer is decimal, 0x, 0o, 0b, a character 'c' or an enumerator, and has to be in the range of t.
//   - A floating number is decimal, hexadecimal, inf or nan; a complex one is as in 1+2i.
//   - A pointer is NULL (or nil), or points to something made from text. To char it is a NUL-terminated copy of text with its
//     backslash escapes interpreted; the same for other types of one byte and for void, except that 0x and digits behind
//     a void * is an address. @FILE stands for the bytes of a file and a NUL.
//   - A pointer to any other scalar takes a value, or several in braces: {1, 2, 3}. The value _ is zero, and _N is N zeros.
//     If the scalar is not const, the memory is an out-parameter, see [Value.Out]. A type in parentheses gives an address:
//     (void *)0x1000.
//   - A pointer to char, to bytes, to void or to what is not described takes _N, a zeroed buffer of N bytes, an
//     out-parameter too unless const.
//   - A pointer to a function or to what is not described takes an address.
//   - A struct takes values in braces, which leave out as many at the end as they like; a union one for its first member. Within braces
//     strings may stand in double quotes.
//
// Its errors are of type [*ArgError].
func ParseArg(t Type, text string) (*Value, error) {
	v := &Value{Type: t}
	v.mem = alloc(t.Size)
	if err := v.put(t, text, v.mem, 0); err != nil {
		return nil, argError(t, text, err)
	}
	return v, nil
}

// ParseVarArg makes a value for the variable part of a parameter list, where there is no type: a type in parentheses
// before it gives it, as in (long)5; without, an integer is an int if it fits, otherwise a long or unsigned long, a number with a
// decimal point or an exponent is a double, NULL is a pointer, and anything else a string. Types narrower
// than int and double are promoted to these (C11 6.5.2.2).
func ParseVarArg(text string) (*Value, error) {
	t, rest, ok := cast(text)
	if !ok {
		t, rest = guess(text), text
	}
	full := t
	switch {
	case t.Kind == Bool || t.Kind == Int && t.Size < 4:
		t = scalar(Int, "int", 4, true)
	case t.Kind == Float && t.Size == 4:
		t = scalar(Float, "double", 8, true)
	}
	v, err := ParseArg(full, rest)
	if err != nil {
		if e := (*ArgError)(nil); errors.As(err, &e) {
			e.Text = text
		}
		return nil, err
	}
	if t.Size != full.Size {
		wide := alloc(t.Size)
		if t.Kind == Float {
			binary.LittleEndian.PutUint64(wide, math.Float64bits(float64(math.Float32frombits(binary.LittleEndian.Uint32(v.mem)))))
		} else {
			binary.LittleEndian.PutUint32(wide, uint32(load(full, v.mem)))
		}
		v.Type, v.mem = t, wide
	}
	return v, nil
}

// Args makes the values for a call from texts, one an argument. A wrong number of them is an error too.
func (p *Prototype) Args(texts []string) ([]*Value, error) {
	if want := len(p.Params); len(texts) < want || len(texts) > want && !p.Variadic {
		number := fmt.Sprint(want)
		if p.Variadic {
			number = "at least " + number
		}
		noun := "arguments"
		if want == 1 {
			noun = "argument"
		}
		return nil, fmt.Errorf("%s takes %s %s, %d given", p.Name, number, noun, len(texts))
	}
	var values []*Value
	for i, text := range texts {
		var (
			v   *Value
			err error
		)
		name := strconv.Itoa(i + 1)
		if i < len(p.Params) {
			if n := p.Params[i].Name; n != "" {
				name = n
			}
			v, err = ParseArg(p.Params[i].Type, text)
		} else {
			v, err = ParseVarArg(text)
		}
		if err != nil {
			return nil, fmt.Errorf("argument %d of %s: %w", i+1, p.Name, err)
		}
		v.Name = name
		values = append(values, v)
	}
	return values, nil
}

// argError makes an ArgError of what is wrong with text.
func argError(t Type, text string, err error) error {
	e := &ArgError{Type: t.String(), Text: text, What: err.Error()}
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		e.What, e.Err = "the file cannot be read", err
	}
	return e
}

// cast splits "(type)text". A parenthesis without a type in it, or with nothing after it, is no cast.
func cast(s string) (t Type, rest string, ok bool) {
	if !strings.HasPrefix(s, "(") {
		return
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			t, err := ParseType(s[1:i])
			rest = strings.TrimSpace(s[i+1:])
			return t, rest, err == nil && rest != ""
		}
	}
	return
}

// guess is the type of an argument in the variable part.
func guess(s string) Type {
	if isNull(s) {
		return pointerTo(Type{Kind: Void, Name: "void"})
	}
	if neg, u, err := integerText(s); err == nil {
		switch {
		case !neg && u <= math.MaxInt32 || neg && u <= -math.MinInt32:
			return scalar(Int, "int", 4, true)
		case !neg && u > math.MaxInt64:
			return scalar(Int, "unsigned long", 8, false)
		}
		return scalar(Int, "long", 8, true)
	}
	if strings.ContainsAny(s, ".eEpP") && strings.ContainsAny(s, "0123456789") {
		if _, err := floating(s, 8); err == nil {
			return scalar(Float, "double", 8, true)
		}
	}
	c := scalar(Int, "char", 1, true)
	c.Const = true
	return pointerTo(c)
}

func isNull(s string) bool { return s == "NULL" || s == "nil" || s == "(nil)" || s == "nullptr" }

// put writes the value of type t that s stands for to mem. Depth counts braces.
func (v *Value) put(t Type, s string, mem []byte, depth int) error {
	if depth > 16 {
		return errors.New("its braces are nested too deep")
	}
	switch t.Kind {
	case Bool:
		switch s {
		case "1", "true":
			mem[0] = 1
		case "0", "false":
			mem[0] = 0
		default:
			return errors.New("0, 1, false or true is wanted")
		}
	case Int:
		u, err := t.integer(s)
		if err != nil {
			return err
		}
		store(mem[:t.Size], u)
	case Float:
		f, err := floating(s, t.Size)
		if err != nil {
			return err
		}
		storeFloat(mem[:t.Size], f)
	case Complex:
		c, err := strconv.ParseComplex(s, int(t.Size*8))
		if err != nil {
			return errors.New("a complex number is wanted, as in 1.5+2i")
		}
		storeFloat(mem[:t.Size/2], real(c))
		storeFloat(mem[t.Size/2:t.Size], imag(c))
	case Pointer:
		return v.putPointer(t, s, mem, depth)
	case Array:
		return v.putArray(t, s, mem, depth)
	case Struct, Union:
		if s == "_" {
			return nil
		}
		list, err := items(s)
		if err != nil {
			return err
		}
		fields := t.Fields
		if t.Kind == Union {
			fields = fields[:1]
		}
		if len(list) > len(fields) {
			return fmt.Errorf("%d values for %d members", len(list), len(fields))
		}
		for i, item := range list {
			f := fields[i]
			if err := v.put(f.Type, item, mem[f.Offset:], depth+1); err != nil {
				return fmt.Errorf("member %s: %w", f.Name, err)
			}
		}
	default:
		return fmt.Errorf("a value of type %s cannot be given", t.Name)
	}
	return nil
}

func (v *Value) putArray(t Type, s string, mem []byte, depth int) error {
	switch {
	case s == "_":
		return nil
	case t.Elem.isByte() && !strings.HasPrefix(s, "{"):
		text, err := v.text(s, depth)
		if err != nil {
			return err
		}
		if uint64(len(text)) > t.Len {
			return fmt.Errorf("%d bytes for an array of %d", len(text), t.Len)
		}
		copy(mem, text)
		return nil
	}
	list, err := items(s)
	if err != nil {
		return err
	}
	if uint64(len(list)) > t.Len {
		return fmt.Errorf("%d values for an array of %d", len(list), t.Len)
	}
	for i, item := range list {
		if err := v.put(*t.Elem, item, mem[uintptr(i)*t.Elem.Size:], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// isByte reports whether a pointer to t takes a string.
func (t Type) isByte() bool { return t.Kind == Int && t.Size == 1 && t.Enum == nil }

// text gives the bytes a string argument stands for. Within braces it may be in double quotes.
func (v *Value) text(s string, depth int) (string, error) {
	if depth > 0 && len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return unescape(s)
}

func (v *Value) putPointer(t Type, s string, mem []byte, depth int) error {
	elem := *t.Elem
	bytes := elem.isByte() || elem.Kind == Void || elem.Kind == Opaque
	switch {
	case isNull(s):
		return nil
	case elem.Kind == Function:
		return address(s, mem, "a pointer to a function takes NULL or an address")
	case strings.HasPrefix(s, "@"):
		data, err := os.ReadFile(s[1:])
		if err != nil {
			return err
		}
		v.point(mem, append(alloc(uintptr(len(data)) + 1)[:0], append(data, 0)...))
		return nil
	case strings.HasPrefix(s, "_") && (!elem.Const || !bytes):
		n, zeros, err := zeroCells(s, t.Len)
		if err != nil {
			return err
		}
		if zeros {
			if bytes && n == 0 {
				return errors.New("how many bytes? _64 stands for a buffer of 64")
			}
			size := uint64(1)
			if !bytes {
				n, size = max(n, 1), uint64(elem.Size)
			}
			if n > maxObject/max(size, 1) {
				return fmt.Errorf("a buffer of more than %d bytes", maxObject)
			}
			v.cell(elem, mem, alloc(uintptr(n*size)), int(n), bytes, depth)
			return nil
		}
	}
	switch {
	case elem.isByte():
		return v.string(s, mem, depth)
	case elem.Kind == Void:
		if len(s) > 2 && strings.EqualFold(s[:2], "0x") && address(s, mem, "") == nil {
			return nil
		}
		return v.string(s, mem, depth)
	case elem.Kind == Opaque:
		return address(s, mem, "a pointer to "+elem.Name+" takes NULL, an address, or _N for N zeroed bytes")
	}
	if to, rest, ok := cast(s); ok && to.Kind == Pointer {
		return address(rest, mem, "an address is wanted after the type")
	}
	if (elem.Kind == Struct || elem.Kind == Union) && !strings.HasPrefix(s, "{") {
		return address(s, mem, "a pointer to a struct takes NULL, an address, or the struct's members in braces")
	}
	list := []string{s}
	if strings.HasPrefix(s, "{") && (elem.Kind != Struct && elem.Kind != Union || strings.HasPrefix(strings.TrimSpace(s[1:]), "{")) {
		var err error
		if list, err = items(s); err != nil {
			return err
		}
	}
	n := max(uintptr(len(list)), uintptr(t.Len))
	if elem.Size > 0 && n > maxObject/elem.Size {
		return fmt.Errorf("more than %d bytes", maxObject)
	}
	target := alloc(n * elem.Size)
	for i, item := range list {
		if err := v.put(elem, item, target[uintptr(i)*elem.Size:], depth+1); err != nil {
			return err
		}
	}
	v.cell(elem, mem, target, int(n), false, depth)
	return nil
}

// zeroCells reads "_" and "_N". Zeros is false for anything else that begins so.
func zeroCells(s string, declared uint64) (n uint64, zeros bool, err error) {
	digits := s[1:]
	if digits == "" {
		return declared, true, nil
	}
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return 0, false, nil
		}
	}
	n, err = strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > maxObject {
		return 0, false, fmt.Errorf("a number from 1 to %d is wanted after the _", maxObject)
	}
	return n, true, nil
}

// address writes the address s to mem.
func address(s string, mem []byte, otherwise string) error {
	neg, u, err := integerText(s)
	if err != nil || neg || strings.HasPrefix(s, "'") {
		return errors.New(otherwise)
	}
	store(mem[:8], u)
	return nil
}

func (v *Value) string(s string, mem []byte, depth int) error {
	text, err := v.text(s, depth)
	if err != nil {
		return err
	}
	target := alloc(uintptr(len(text)) + 1)
	copy(target, text)
	v.point(mem, target)
	return nil
}

// cell makes mem point to target, and target an out-parameter if v is a pointer to what the callee may write.
func (v *Value) cell(elem Type, mem, target []byte, n int, buffer bool, depth int) {
	v.point(mem, target)
	if depth == 0 && !elem.innermost().Const {
		v.out = &cells{elem: elem, mem: target, n: n, buffer: buffer}
	}
}

func (v *Value) point(mem, target []byte) {
	store(mem[:8], uint64(uintptr(unsafe.Pointer(unsafe.SliceData(target)))))
	v.kept = append(v.kept, target)
}

// Go gives the value to pass: of the Go type that stands for v.Type.
func (v *Value) Go() reflect.Value {
	return reflect.NewAt(v.Type.goType(), unsafe.Pointer(unsafe.SliceData(v.mem))).Elem()
}

// alloc gives zeroed memory at a multiple of 16, and of at least one byte, that the collector does not move or look into.
func alloc(n uintptr) []byte {
	words := make([][2]uint64, max(1, (n+15)/16))
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*16)[:n]
}

// store writes the low bytes of u to mem, least significant first.
func store(mem []byte, u uint64) {
	for i := range mem {
		mem[i] = byte(u)
		u >>= 8
	}
}

func storeFloat(mem []byte, f float64) {
	if len(mem) == 4 {
		store(mem, uint64(math.Float32bits(float32(f))))
	} else {
		store(mem, math.Float64bits(f))
	}
}

// load reads an integer of type t, extended to 64 bits by its sign.
func load(t Type, mem []byte) uint64 {
	var u uint64
	for i := range t.Size {
		u |= uint64(mem[i]) << (8 * i)
	}
	if shift := 64 - 8*t.Size; t.Signed {
		u = uint64(int64(u<<shift) >> shift)
	}
	return u
}
