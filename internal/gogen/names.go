package gogen

import (
	"go/token"
	"strings"
	"unicode"
)

// PackageName makes the name of a package of that of a library: "libfoo-2.so.1" gives foo2.
func PackageName(lib string) string {
	name := lib[strings.LastIndexByte(lib, '/')+1:]
	name, _, _ = strings.Cut(name, ".so")
	name = strings.TrimPrefix(name, "lib")
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0 {
			b.WriteRune(r)
		}
	}
	if s := b.String(); s != "" && !token.IsKeyword(s) {
		return s
	}
	return "lib" + b.String()
}

// exported makes an exported Go name of a C name: without the prefixes that are trimmed, and with a capital for each word.
func (w *writer) exported(name string) string {
	for _, p := range w.opt.Trim {
		if rest, ok := strings.CutPrefix(name, p); ok && strings.Trim(rest, "_") != "" {
			name = rest
			break
		}
	}
	return exported(name)
}

func exported(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(identifier(name), "_") {
		if part == "" {
			continue
		}
		if c := part[0]; c >= '0' && c <= '9' && b.Len() > 0 { // a_1 and a1 are two names
			b.WriteByte('_')
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	s := b.String()
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return "X" + s
	}
	return s
}

// identifier makes letters, digits and underscores of ASCII of a name.
func identifier(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, name)
}

// constName makes an exported Go name of a constant's, which is changed as little as that takes.
func constName(name string) string {
	s := identifier(name)
	t := strings.TrimLeft(s, "_")
	if t == "" || t[0] >= '0' && t[0] <= '9' {
		return "X" + s
	}
	return strings.ToUpper(t[:1]) + t[1:]
}

// unique returns name, or, if that is taken, name with underscores behind it, and takes that.
func unique(taken map[string]bool, name string) string {
	for taken[name] {
		name += "_"
	}
	taken[name] = true
	return name
}

// predeclared are names that a parameter would hide; those of Go's types would change what the types behind it mean to a reader.
var predeclared = map[string]bool{"bool": true, "byte": true, "string": true, "error": true, "any": true, "uintptr": true, "int": true, "uint": true,
	"int8": true, "int16": true, "int32": true, "int64": true, "uint8": true, "uint16": true, "uint32": true, "uint64": true, "float32": true,
	"float64": true, "complex64": true, "complex128": true, "rune": true, "nil": true, "true": true, "false": true, "weld": true, "unsafe": true}

// paramName makes the name of a parameter that is in no way Go's own.
func paramName(name string) string {
	s := identifier(name)
	switch {
	case s == "" || strings.Trim(s, "_") == "":
		return "_"
	case s[0] >= '0' && s[0] <= '9':
		s = "p" + s
	}
	if token.IsKeyword(s) || predeclared[s] {
		s += "_"
	}
	return s
}
