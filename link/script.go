package link

import (
	"strconv"
	"strings"
)

// A scriptFile is a file or library that a linker script names.
type scriptFile struct {
	name     string
	library  bool // named as -lNAME
	asNeeded bool
}

// A scriptFormat is an OUTPUT_FORMAT.
type scriptFormat struct {
	names string
	line  int
}

// A linkScript is a linker script that stands in for a library (GNU ld manual, "Implicit Linker Scripts").
type linkScript struct {
	name    string
	formats []scriptFormat
	files   []scriptFile
	search  []string // SEARCH_DIR
	entry   string
	undef   []string // EXTERN
}

// A scriptLexer splits a script into words, quoted words, and the characters that stand for themselves.
type scriptLexer struct {
	name  string
	text  string
	line  int
	punct string
	tok   string
	quote bool // tok was quoted
}

func (x *scriptLexer) err(format string, args ...any) error {
	return fileErr(ErrScript, x.name, "line "+strconv.Itoa(x.line), format, args...)
}

// next reads a token; it is "" at the end.
func (x *scriptLexer) next() error {
	x.quote = false
	for x.text != "" {
		c := x.text[0]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
			if c == '\n' {
				x.line++
			}
			x.text = x.text[1:]
			continue
		case strings.HasPrefix(x.text, "/*"):
			end := strings.Index(x.text[2:], "*/")
			if end < 0 {
				return x.err("a comment does not end")
			}
			x.line += strings.Count(x.text[:end+4], "\n")
			x.text = x.text[end+4:]
			continue
		case c == '#':
			end := strings.IndexByte(x.text, '\n')
			if end < 0 {
				end = len(x.text)
			}
			x.text = x.text[end:]
			continue
		case c == '"':
			end := strings.IndexByte(x.text[1:], '"')
			if end < 0 {
				return x.err("a quoted name does not end")
			}
			x.tok, x.quote = x.text[1:1+end], true
			x.line += strings.Count(x.tok, "\n")
			x.text = x.text[end+2:]
			return nil
		case strings.IndexByte(x.punct, c) >= 0:
			x.tok, x.text = x.text[:1], x.text[1:]
			return nil
		}
		n := strings.IndexAny(x.text, " \t\r\n\f\v\""+x.punct)
		if n < 0 {
			n = len(x.text)
		}
		if k := strings.Index(x.text[:n], "/*"); k > 0 {
			n = k
		}
		x.tok, x.text = x.text[:n], x.text[n:]
		return nil
	}
	x.tok = ""
	return nil
}

// is reports whether the token is the character or word s, not quoted.
func (x *scriptLexer) is(s string) bool { return !x.quote && x.tok == s }

// atEnd reports whether there is no token.
func (x *scriptLexer) atEnd() bool { return !x.quote && x.tok == "" }

// isScript reports whether data looks like text.
func isScript(data []byte) bool {
	head := data[:min(len(data), 512)]
	for _, c := range head {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' && c != '\f' {
			return false
		}
	}
	return len(head) > 0
}

// parseScript reads a linker script.
func parseScript(name string, data []byte) (*linkScript, error) {
	x := &scriptLexer{name: name, text: string(data), line: 1, punct: "(),;{}="}
	s := &linkScript{name: name}
	if err := x.next(); err != nil {
		return nil, err
	}
	for !x.atEnd() {
		cmd := x.tok
		switch {
		case x.is(";"):
			if err := x.next(); err != nil {
				return nil, err
			}
			continue
		case x.quote:
			return nil, x.err("%q is no command of a linker script", cmd)
		}
		switch cmd {
		case "GROUP", "INPUT", "AS_NEEDED":
			if err := x.next(); err != nil {
				return nil, err
			}
			if err := s.parseFiles(x, cmd == "AS_NEEDED", 0); err != nil {
				return nil, err
			}
		case "OUTPUT_FORMAT", "OUTPUT_ARCH", "TARGET", "SEARCH_DIR", "ENTRY", "EXTERN":
			line := x.line
			words, err := x.words()
			if err != nil {
				return nil, err
			}
			if err := s.command(line, cmd, words); err != nil {
				return nil, err
			}
		default:
			if len(cmd) > 40 {
				cmd = cmd[:40]
			}
			if cmd == "SECTIONS" || cmd == "MEMORY" || cmd == "PHDRS" || cmd == "VERSION" {
				return nil, x.err("the command %s is not supported: only scripts that stand in for libraries are (INPUT, GROUP, AS_NEEDED, OUTPUT_FORMAT, SEARCH_DIR, ENTRY, EXTERN)", cmd)
			}
			return nil, x.err("neither an object, an archive, a shared library nor a linker script: it has %q where a command is wanted", cmd)
		}
	}
	return s, nil
}

func (s *linkScript) command(line int, cmd string, words []string) error {
	switch cmd {
	case "OUTPUT_FORMAT":
		s.formats = append(s.formats, scriptFormat{strings.Join(words, ", "), line})
	case "SEARCH_DIR":
		s.search = append(s.search, words...)
	case "ENTRY":
		s.entry = strings.Join(words, "")
	case "EXTERN":
		s.undef = append(s.undef, words...)
	}
	return nil
}

// words reads a list of words in parentheses.
func (x *scriptLexer) words() ([]string, error) {
	if err := x.next(); err != nil {
		return nil, err
	}
	if !x.is("(") {
		return nil, x.err("%q where ( is wanted", x.tok)
	}
	var words []string
	for {
		if err := x.next(); err != nil {
			return nil, err
		}
		switch {
		case x.atEnd():
			return nil, x.err("the script ends where ) is wanted")
		case x.is(")"):
			return words, x.next()
		case x.is(","):
		default:
			words = append(words, x.tok)
		}
	}
}

// parseFiles reads a list of files in parentheses, with AS_NEEDED lists in it.
func (s *linkScript) parseFiles(x *scriptLexer, asNeeded bool, depth int) error {
	if !x.is("(") {
		return x.err("%q where ( is wanted", x.tok)
	}
	if depth > 8 {
		return x.err("AS_NEEDED lists are nested too deeply")
	}
	if err := x.next(); err != nil {
		return err
	}
	for {
		switch {
		case x.atEnd():
			return x.err("the script ends where ) is wanted")
		case x.is(")"):
			return x.next()
		case x.is("AS_NEEDED"):
			if err := x.next(); err != nil {
				return err
			}
			if err := s.parseFiles(x, true, depth+1); err != nil {
				return err
			}
			continue
		case x.is(","), x.is(";"):
		case !x.quote && (x.tok == "(" || x.tok == "{" || x.tok == "}" || x.tok == "="):
			return x.err("%q in a list of files", x.tok)
		default:
			f := scriptFile{name: x.tok, asNeeded: asNeeded}
			if !x.quote && strings.HasPrefix(f.name, "-l") {
				f.name, f.library = f.name[2:], true
			}
			s.files = append(s.files, f)
		}
		if err := x.next(); err != nil {
			return err
		}
	}
}
