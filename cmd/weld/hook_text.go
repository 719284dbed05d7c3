package main

import (
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"weld/internal/cproto"
	"weld/native"
)

// What callTracer prints values with, without memory of Go's.

// text is appended to as far as there is room.
type text struct{ b []byte }

func (t *text) str(s string) { t.b = append(t.b, s[:min(len(s), cap(t.b)-len(t.b))]...) }
func (t *text) bytes(s []byte) {
	t.b = append(t.b, s[:min(len(s), cap(t.b)-len(t.b))]...)
}
func (t *text) byte(c byte) {
	if len(t.b) < cap(t.b) {
		t.b = append(t.b, c)
	}
}
func (t *text) int(v int64) {
	var b [24]byte
	t.bytes(strconv.AppendInt(b[:0], v, 10))
}
func (t *text) uint(v uint64, base int) {
	var b [24]byte
	t.bytes(strconv.AppendUint(b[:0], v, base))
}
func (t *text) float(v float64, bits int) {
	var b [32]byte
	t.bytes(strconv.AppendFloat(b[:0], v, 'g', -1, bits))
}
func (t *text) pointer(p uint64) {
	if p == 0 {
		t.str("NULL")
		return
	}
	t.str("0x")
	t.uint(p, 16)
}

func word(v []byte) uint64 { return *(*uint64)(unsafe.Pointer(unsafe.SliceData(v))) }

// signed returns the value of a signed integer.
func signed(ty cproto.Type, v []byte) int64 {
	shift := 64 - 8*ty.Size
	return int64(word(v)<<shift) >> shift
}

// value appends a value of type ty, of which v holds whole words.
func (t *text) value(ty cproto.Type, v []byte) {
	switch ty.Kind {
	case cproto.Bool:
		t.str(strconv.FormatBool(v[0] != 0))
	case cproto.Int:
		t.integer(ty, v)
	case cproto.Float:
		if ty.Size == 4 {
			t.float(float64(*(*float32)(unsafe.Pointer(&v[0]))), 32)
		} else {
			t.float(*(*float64)(unsafe.Pointer(&v[0])), 64)
		}
	case cproto.Pointer:
		if p := word(v); ty.IsString() && p != 0 {
			t.quote(uintptr(p), shownBytes+1, false)
		} else {
			t.pointer(p)
		}
	default:
		t.str(cproto.Memory(peek).Text(ty, v))
	}
}

func (t *text) integer(ty cproto.Type, v []byte) {
	if len(v) < 8 { // one character
		v = append(make([]byte, 0, 8), v[0], 0, 0, 0, 0, 0, 0, 0)
	}
	n := signed(ty, v)
	for _, e := range ty.Enum {
		if e.Value == n {
			t.str(e.Name)
			return
		}
	}
	switch {
	case ty.IsChar() && n >= ' ' && n <= '~':
		t.byte('\'')
		t.escape([]byte{byte(n)})
		t.byte('\'')
	case ty.Signed || len(ty.Enum) > 0:
		t.int(n)
	default:
		t.uint(uint64(n)<<(64-8*ty.Size)>>(64-8*ty.Size), 10)
	}
}

// shownBytes is how much of a string or a buffer is shown.
const shownBytes = 48

// quote appends the string at an address, or the n bytes there, quoted and shortened.
func (t *text) quote(p uintptr, n uint64, buffer bool) {
	var room [shownBytes + 1]byte
	b := room[:peek(p, room[:min(n, uint64(len(room)))])]
	if len(b) == 0 && n > 0 {
		t.pointer(uint64(p))
		return
	}
	if !buffer {
		for i, c := range b {
			if c == 0 {
				b = b[:i]
				break
			}
		}
	}
	more := len(b) > shownBytes || buffer && uint64(len(b)) < n
	t.byte('"')
	t.escape(b[:min(len(b), shownBytes)])
	t.byte('"')
	if more {
		t.str("...")
	}
}

func (t *text) escape(b []byte) {
	for i := 0; i < len(b); {
		c := b[i]
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case c == '"' || c == '\\':
			t.byte('\\')
			t.byte(c)
		case c >= ' ' && c <= '~' || r != utf8.RuneError && n > 1 && unicode.IsPrint(r):
			t.bytes(b[i : i+n])
			i += n
			continue
		case strings.IndexByte("\a\b\f\n\r\t\v", c) >= 0:
			t.byte('\\')
			t.byte("abfnrtv"[strings.IndexByte("\a\b\f\n\r\t\v", c)])
		default:
			t.byte('\\')
			t.byte('0' + c>>6)
			t.byte('0' + c>>3&7)
			t.byte('0' + c&7)
		}
		i++
	}
}

// peek reads memory of the process, as much as there is: a pointer of the program's may lead anywhere.
func peek(addr uintptr, p []byte) int {
	done := 0
	for done < len(p) {
		part := min(len(p)-done, native.PageSize-int(addr+uintptr(done))&(native.PageSize-1))
		to := [2]uintptr{uintptr(unsafe.Pointer(&p[done])), uintptr(part)}
		from := [2]uintptr{addr + uintptr(done), uintptr(part)}
		const processVMReadv = 310
		n, _, e := syscall.RawSyscall6(processVMReadv, uintptr(syscall.Getpid()), uintptr(unsafe.Pointer(&to)), 1, uintptr(unsafe.Pointer(&from)), 1, 0)
		if e != 0 {
			break
		}
		done += int(n)
		if int(n) < part {
			break
		}
	}
	return done
}
