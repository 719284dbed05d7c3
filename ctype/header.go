package ctype

import (
	"strings"
)

// Header is C prototypes of functions, which the caller gives.
type Header struct{ funcs map[string]*Known }

// Find returns the function of a name; nil if it is not declared, or h is nil.
func (h *Header) Find(name string) *Known {
	if h == nil {
		return nil
	}
	return h.funcs[name]
}

// Len returns the number of functions.
func (h *Header) Len() int { return len(h.funcs) }

// ParseHeader reads the prototypes in the text of a header, each as [ParseDecl] does. What is something else, or has types by value that it cannot know
// without other headers, such as typedefs, is passed over. Of several prototypes of a name the first counts.
func ParseHeader(text string) *Header {
	h := &Header{funcs: map[string]*Known{}}
	for decl := range strings.SplitSeq(plainC(text), ";") {
		decl = strings.TrimSpace(decl)
		for _, word := range []string{"extern \"C\" {", "extern \"C\"", "extern "} {
			decl = strings.TrimSpace(strings.TrimPrefix(decl, word))
		}
		if decl == "" || !strings.Contains(decl, "(") || strings.HasPrefix(decl, "typedef") {
			continue
		}
		k, err := ParseDecl(strings.ReplaceAll(decl, "\x00", ";"))
		if err == nil && h.funcs[k.Name] == nil {
			h.funcs[k.Name] = k
		}
	}
	return h
}

// plainC takes comments and lines of the preprocessor out of C, and puts NUL for semicolons within braces.
func plainC(text string) string {
	var b strings.Builder
	depth, lineStart := 0, true
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case strings.HasPrefix(text[i:], "//"):
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				return b.String()
			}
			i += n - 1
			continue
		case strings.HasPrefix(text[i:], "/*"):
			n := strings.Index(text[i+2:], "*/")
			if n < 0 {
				return b.String()
			}
			i += n + 3
			c = ' '
		case c == '#' && lineStart:
			for i < len(text) && (text[i] != '\n' || text[i-1] == '\\') {
				i++
			}
			c = '\n'
		case c == '\n':
			lineStart = true
			b.WriteByte(' ')
			continue
		case c == '{':
			// The braces of extern "C" are none.
			if !strings.HasSuffix(strings.TrimSpace(b.String()[max(0, b.Len()-16):]), `"C"`) {
				depth++
			}
		case c == '}':
			if depth == 0 {
				c = ';'
			} else {
				depth--
			}
		case c == ';' && depth > 0:
			c = 0
		}
		lineStart = c == '\n' || lineStart && (c == ' ' || c == '\t')
		b.WriteByte(c)
	}
	return b.String()
}
