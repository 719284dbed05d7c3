package cproto

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape interprets the backslash escapes of Go's and C's string literals: \a \b \e \f \n \r \t \v \\ \' \", up to three octal
// digits, \x and two hexadecimal digits, \u and \U. A backslash before any other character that is neither letter nor
// digit stands for that character, so that \@ and \_ begin a string with these.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", errors.New("it ends in a backslash; two stand for one")
		}
		digits, base, most := 0, 16, 0
		switch c := s[i]; c {
		case 'x':
			digits, most = 2, 2
		case 'u':
			digits, most = 4, 4
		case 'U':
			digits, most = 8, 8
		case '0', '1', '2', '3', '4', '5', '6', '7':
			digits, base, most = 1, 8, 3
			i--
		default:
			if k := strings.IndexByte("abefnrtv", c); k >= 0 {
				b.WriteByte("\a\b\x1b\f\n\r\t\v"[k])
			} else if isLetter(c) && c != '_' || isDigit(c) {
				return "", errors.New("the escape \\" + string(c) + " is not known")
			} else {
				b.WriteByte(c)
			}
			continue
		}
		end := i + 1
		for end < len(s) && end <= i+most && digit(s[end]) < base {
			end++
		}
		if end-i-1 < digits {
			return "", errors.New("the escape \\" + s[i:end] + " has too few digits")
		}
		v, err := strconv.ParseUint(s[i+1:end], base, 32)
		switch {
		case err != nil || most > 3 && !utf8.ValidRune(rune(v)) || most <= 3 && v > 255:
			return "", errors.New("the escape \\" + strings.TrimPrefix(s[i:end], "\\") + " is no character")
		case most > 3:
			b.WriteRune(rune(v))
		default:
			b.WriteByte(byte(v))
		}
		i = end - 1
	}
	return b.String(), nil
}

func digit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20) - 'a' + 10
	}
	return 99
}

var (
	errNoInteger = errors.New("an integer is wanted: decimal, 0x, 0o, 0b or 'c'")
	errRange     = errors.New("it is out of range")
)

// integerText reads an integer: the magnitude and whether it is negative.
func integerText(s string) (neg bool, u uint64, err error) {
	if len(s) >= 3 && s[0] == '\'' && s[len(s)-1] == '\'' {
		c, err := unescape(s[1 : len(s)-1])
		if err != nil {
			return false, 0, err
		}
		r, n := utf8.DecodeRuneInString(c)
		switch {
		case len(c) == 1:
			return false, uint64(c[0]), nil
		case n != len(c) || r == utf8.RuneError:
			return false, 0, errors.New("one character is wanted between the quotes")
		}
		return false, uint64(r), nil
	}
	digits := s
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		neg = digits[0] == '-'
		digits = digits[1:]
	}
	base := 10
	if len(digits) > 2 && digits[0] == '0' {
		switch digits[1] | 0x20 {
		case 'x':
			base = 16
		case 'o':
			base = 8
		case 'b':
			base = 2
		}
	}
	if base != 10 {
		digits = digits[2:]
	}
	if digits == "" || digit(digits[0]) >= base {
		return false, 0, errNoInteger
	}
	u, err = strconv.ParseUint(digits, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return neg, 0, errRange
	case err != nil:
		return neg, 0, errNoInteger
	}
	return neg && u != 0, u, nil
}

// integer reads an integer of type t, as its bits.
func (t Type) integer(s string) (uint64, error) {
	for _, e := range t.Enum {
		if e.Name == s {
			return uint64(e.Value), nil
		}
	}
	neg, u, err := integerText(s)
	if err != nil {
		return 0, err
	}
	bits := t.Size * 8
	top := uint64(1) << (bits - 1)
	// Plain char, and an enum whose enumerators are not known, are taken as signed and as unsigned.
	either := t.IsChar() || strings.HasPrefix(t.Name, "enum ") && t.Enum == nil
	low, high := uint64(0), top-1+top
	if t.Signed || either {
		low = top
	}
	if t.Signed && !either {
		high = top - 1
	}
	if neg && u > low || !neg && u > high {
		return 0, errRange
	}
	if neg {
		u = -u
	}
	return u, nil
}

// floating reads a floating number of the given size in bytes.
func floating(s string, size uintptr) (float64, error) {
	if strings.IndexByte(s, '_') >= 0 {
		return 0, errors.New("a number is wanted")
	}
	f, err := strconv.ParseFloat(s, int(size*8))
	if err == nil {
		return f, nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return 0, errRange
	}
	neg, u, err := integerText(s)
	if errors.Is(err, errRange) {
		return 0, err
	} else if err != nil {
		return 0, errors.New("a number is wanted: 2.5, 1e-3, 0x1p-2, inf or nan")
	}
	f = float64(u)
	if neg {
		f = -f
	}
	return f, nil
}

// formatFloat prints the shortest decimal that reads back as f, with an exponent where that is shorter to read.
func formatFloat(f float64, size uintptr) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-5 || a >= 1e16) {
		format = 'e'
	}
	return strconv.FormatFloat(f, format, -1, int(size*8))
}

// items splits "{a, {b, c}, "d, e"}" into its items. The double quotes stay.
func items(s string) ([]string, error) {
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, errors.New("values in braces are wanted, as in {1, 2.5}")
	}
	s = strings.TrimSpace(s[1 : len(s)-1])
	if s == "" {
		return nil, nil
	}
	var list []string
	depth, begin := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth < 0 {
				return nil, errors.New("the braces do not match")
			}
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return nil, errors.New("a double quote is missing")
			}
		case '\\':
			i++
		case ',':
			if depth == 0 {
				list = append(list, strings.TrimSpace(s[begin:i]))
				begin = i + 1
			}
		}
	}
	if depth != 0 {
		return nil, errors.New("the braces do not match")
	}
	return append(list, strings.TrimSpace(s[begin:])), nil
}
