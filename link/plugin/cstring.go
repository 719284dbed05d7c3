//go:build linux && amd64

package plugin

import (
	"fmt"
	"strings"
	"unsafe"
)

func strlen(p *byte) int {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return n
}

// goString copies a C string; NULL is "".
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	return strings.Clone(unsafe.String(p, strlen(p)))
}

// printf formats arguments that are integers, characters and strings. What it does not know it leaves as it is.
func printf(format string, args []uintptr) string {
	var b strings.Builder
	next := func() uintptr {
		if len(args) == 0 {
			return 0
		}
		a := args[0]
		args = args[1:]
		return a
	}
	for {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			return b.String() + format
		}
		b.WriteString(format[:at])
		format = format[at+1:]
		end := strings.IndexFunc(format, func(r rune) bool { return !strings.ContainsRune("-+ #0123456789.*hlLqjzt", r) })
		if end < 0 {
			return b.String() + "%" + format
		}
		spec, verb := format[:end], format[end]
		format = format[end+1:]
		flags := strings.TrimRight(spec, "hlLqjzt")
		long := strings.ContainsAny(spec[len(flags):], "lqjzt")
		for strings.Contains(flags, "*") {
			flags = strings.Replace(flags, "*", fmt.Sprint(int32(next())), 1)
		}
		switch verb {
		case '%':
			b.WriteByte('%')
		case 's':
			a := next()
			fmt.Fprintf(&b, "%"+flags+"s", goString(*(**byte)(unsafe.Pointer(&a))))
		case 'c':
			b.WriteByte(byte(next()))
		case 'd', 'i':
			if a := next(); long {
				fmt.Fprintf(&b, "%"+flags+"d", int64(a))
			} else {
				fmt.Fprintf(&b, "%"+flags+"d", int32(a))
			}
		case 'u', 'x', 'X', 'o':
			a := next()
			if !long {
				a = uintptr(uint32(a))
			}
			if verb == 'u' {
				verb = 'd'
			}
			fmt.Fprintf(&b, "%"+flags+string(verb), uint64(a))
		case 'p':
			fmt.Fprintf(&b, "%#x", next())
		default:
			b.WriteString("%" + spec + string(verb))
		}
	}
}
