package elf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Kinds of [FormatError], for errors.Is.
var (
	ErrNotELF       = errors.New("not an ELF file")
	ErrLinkerScript = errors.New("a linker script")
	ErrClass        = errors.New("wrong ELF class")
	ErrByteOrder    = errors.New("wrong byte order")
	ErrMachine      = errors.New("wrong machine")
	ErrType         = errors.New("wrong object file type")
	ErrTruncated    = errors.New("truncated")
	ErrNotRegular   = errors.New("not a regular file")
	ErrTooLarge     = errors.New("too large")
)

// FormatError says what is wrong with a file and where.
type FormatError struct {
	File  string   // the name given by the caller
	Off   uint64   // where: a file offset, or a virtual address when Vaddr is set
	Vaddr bool     // Off is a virtual address
	What  string   // what is wrong, and what was wanted
	Kind  error    // one of the Err variables, or nil; reported by Unwrap
	Libs  []string // for ErrLinkerScript: the libraries that the script names
}

func (e *FormatError) Error() string {
	place := "offset"
	if e.Vaddr {
		place = "address"
	}
	return fmt.Sprintf("%s: %s %#x: %s", e.File, place, e.Off, e.What)
}

// Unwrap returns Kind.
func (e *FormatError) Unwrap() error { return e.Kind }

// errOff makes an error about a file offset.
func errOff(file string, kind error, off uint64, format string, args ...any) error {
	return &FormatError{File: file, Off: off, What: fmt.Sprintf(format, args...), Kind: kind}
}

// errAddr makes an error about a virtual address.
func (f *File) errAddr(kind error, addr uint64, format string, args ...any) error {
	return &FormatError{File: f.Name, Off: addr, Vaddr: true, What: fmt.Sprintf(format, args...), Kind: kind}
}

// notELF says what data, the beginning of a file, is if not ELF.
func notELF(name string, data []byte) error {
	if len(data) == 0 {
		return &FormatError{File: name, What: "the file is empty", Kind: ErrNotELF}
	}
	if libs, ok := LinkerScript(data); ok {
		what := "a linker script, not an ELF file"
		if len(libs) > 0 {
			what += "; it names " + strings.Join(libs, ", ")
		}
		return &FormatError{File: name, What: what, Kind: ErrLinkerScript, Libs: libs}
	}
	what := ""
	for _, m := range magics {
		if bytes.HasPrefix(data, []byte(m.magic)) {
			what = ": this is " + m.what
			break
		}
	}
	if what == "" {
		what = fmt.Sprintf(": it begins with %q, wanted %q", data[:min(4, len(data))], elfMagic)
	}
	return &FormatError{File: name, What: "not an ELF file" + what, Kind: ErrNotELF}
}

const elfMagic = "\x7fELF"

var magics = []struct{ magic, what string }{
	{"!<arch>\n", "an ar archive"},
	{"!<thin>\n", "a thin ar archive"},
	{"\xcf\xfa\xed\xfe", "a Mach-O file"},
	{"\xce\xfa\xed\xfe", "a Mach-O file"},
	{"\xca\xfe\xba\xbe", "a universal Mach-O file"},
	{"MZ", "a PE file"},
	{"#!", "a script"},
	{"BC\xc0\xde", "LLVM bitcode"},
	{"\x1f\x8b", "gzip data"},
}

// scriptLimit bounds how much of a text file is taken for a linker script.
const scriptLimit = 1 << 16

// LinkerScript reports whether data is the text of a GNU ld script that
// stands in for a library, such as a development package's libc.so, and
// returns the libraries named in its GROUP and INPUT commands, in order,
// those under AS_NEEDED included (GNU ld manual, "Implicit Linker Scripts").
func LinkerScript(data []byte) ([]string, bool) {
	if len(data) > scriptLimit {
		data = data[:scriptLimit]
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, false
	}
	toks := scriptTokens(string(data))
	var libs []string
	found := false
	for i := 0; i < len(toks); i++ {
		switch toks[i] {
		case "OUTPUT_FORMAT", "SEARCH_DIR", "OUTPUT_ARCH":
			found = found || i+1 < len(toks) && toks[i+1] == "("
		case "GROUP", "INPUT":
			if i+1 >= len(toks) || toks[i+1] != "(" {
				continue
			}
			found = true
			depth := 0
			for i++; i < len(toks); i++ {
				switch t := toks[i]; t {
				case "(":
					depth++
				case ")":
					depth--
				case "AS_NEEDED":
				default:
					libs = append(libs, t)
				}
				if depth == 0 {
					break
				}
			}
		}
	}
	return libs, found
}

// scriptTokens splits a linker script into parentheses, words and quoted
// words; comments, commas and semicolons separate.
func scriptTokens(s string) []string {
	var toks []string
	for s != "" {
		switch c := s[0]; {
		case strings.HasPrefix(s, "/*"):
			end := strings.Index(s[2:], "*/")
			if end < 0 {
				return toks
			}
			s = s[2+end+2:]
		case c == '(' || c == ')':
			toks = append(toks, s[:1])
			s = s[1:]
		case c == '"':
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				return toks
			}
			toks = append(toks, s[1:1+end])
			s = s[1+end+1:]
		case strings.IndexByte(" \t\r\n,;", c) >= 0:
			s = s[1:]
		default:
			n := strings.IndexAny(s, " \t\r\n,;()\"")
			if n < 0 {
				n = len(s)
			}
			toks = append(toks, s[:n])
			s = s[n:]
		}
	}
	return toks
}
