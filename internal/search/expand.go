package search

import (
	"os"
	"strings"
)

// The dynamic string tokens (gABI, chapter 5, "Substitution Sequences"; ld.so(8), "Dynamic string tokens").

// token recognises a token after a '$' and gives its name and length. A name without braces must not run on into
// further letters, digits or underscores.
func token(s string) (name string, n int) {
	braces := strings.HasPrefix(s, "{")
	if braces {
		s = s[1:]
	}
	for _, t := range [...]string{"ORIGIN", "PLATFORM", "LIB"} {
		rest, ok := strings.CutPrefix(s, t)
		switch {
		case !ok:
		case braces:
			if strings.HasPrefix(rest, "}") {
				return t, len(t) + 2
			}
		case rest == "" || !identifier(rest[0]):
			return t, len(t)
		}
	}
	return "", 0
}

func identifier(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func hasToken(s string) bool {
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			return false
		}
		s = s[i+1:]
		if _, n := token(s); n > 0 {
			return true
		}
	}
}

// expand replaces the tokens in s as glibc does for the object from. ok is false where glibc discards the string:
// a token without a value, or when Secure a $ORIGIN that is not the whole first part of the path, or that in the main
// program leads out of the default directories. A '$' before anything else stays.
func (s *Searcher) expand(str string, from *Requester) (result string, ok bool) {
	if strings.IndexByte(str, '$') < 0 {
		return str, true
	}
	var b strings.Builder
	checkTrust := false
	for i := 0; i < len(str); {
		if str[i] != '$' {
			b.WriteByte(str[i])
			i++
			continue
		}
		name, n := token(str[i+1:])
		value := ""
		switch name {
		case "":
			b.WriteByte('$')
			i++
			continue
		case "ORIGIN":
			end := i + 1 + n
			if s.cfg.Secure && (i != 0 || end != len(str) && str[end] != '/') {
				return "", false
			}
			checkTrust = s.cfg.Secure && s.isMain(from)
			value = origin(from)
		case "PLATFORM":
			value = s.platform()
		case "LIB":
			value = s.lib()
		}
		if value == "" {
			return "", false
		}
		b.WriteString(value)
		i += 1 + n
	}
	result = b.String()
	if checkTrust && !s.trusted(result) {
		return "", false
	}
	return result, true
}

// origin gives the directory of the object, "" if unknown. Nothing is cleaned: ".." after a symbolic link means
// something else than the text says.
func origin(from *Requester) string {
	if from == nil || from.Path == "" {
		return ""
	}
	path := from.Path
	if path[0] != '/' {
		wd, err := os.Getwd()
		if err != nil {
			return ""
		}
		path = strings.TrimSuffix(wd, "/") + "/" + path
	}
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

func (s *Searcher) isMain(from *Requester) bool {
	return from != nil && (from == s.cfg.Main || from.Loader == nil)
}

// trusted reports whether the path, with "." and ".." taken out by the text, lies in a default directory.
func (s *Searcher) trusted(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	var parts []string
	for _, p := range strings.Split(path, "/") {
		switch p {
		case "", ".":
		case "..":
			if len(parts) > 0 {
				parts = parts[:len(parts)-1]
			}
		default:
			parts = append(parts, p)
		}
	}
	return s.inDefaults("/" + strings.Join(parts, "/") + "/")
}
