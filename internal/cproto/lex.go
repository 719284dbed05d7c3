package cproto

import (
	"fmt"
	"strings"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokNumber
	tokString
	tokPunct
)

type token struct {
	kind tokenKind
	text string
	col  int
}

func (t token) String() string {
	if t.kind == tokEOF {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// lex splits s into tokens, the last of which is tokEOF.
func lex(s string) ([]token, error) {
	if len(s) > maxInput {
		return nil, &SyntaxError{Input: s, Col: maxInput + 1, What: fmt.Sprintf("the text is longer than %d bytes", maxInput)}
	}
	var toks []token
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(" \t\n\r\v\f", s[i]) >= 0 {
			i++
		}
		if i == len(s) {
			return append(toks, token{tokEOF, "", len(s) + 1}), nil
		}
		begin := i
		kind := tokPunct
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "/*"):
			n := strings.Index(s[i+2:], "*/")
			if n < 0 {
				return nil, &SyntaxError{Input: s, Col: i + 1, What: "the comment has no end"}
			}
			i += n + 4
			continue
		case strings.HasPrefix(s[i:], "//"):
			if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(s)
			}
			continue
		case isLetter(c):
			kind = tokIdent
			for i < len(s) && (isLetter(s[i]) || isDigit(s[i])) {
				i++
			}
		case isDigit(c):
			kind = tokNumber
			for i < len(s) && (isLetter(s[i]) || isDigit(s[i])) {
				i++
			}
		case c == '"':
			kind = tokString
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return nil, &SyntaxError{Input: s, Col: begin + 1, What: "the string has no end"}
			}
			i++
		case strings.HasPrefix(s[i:], "..."):
			i += 3
		case strings.IndexByte("()[]{}*,;:=-+", c) >= 0:
			i++
		default:
			r := []rune(s[i:min(len(s), i+4)])[0]
			return nil, &SyntaxError{Input: s, Col: i + 1, What: fmt.Sprintf("%q has no place in a C prototype", r)}
		}
		toks = append(toks, token{kind, s[begin:i], begin + 1})
	}
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
