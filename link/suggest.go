package link

import (
	"strconv"
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// Hints to what an undefined symbol could have been meant to be: a name that differs by a letter or in case, the same function in
// another namespace or with other parameters, or one that is C on one side and C++ on the other.

// Kinds of hints, the better one first.
const (
	hintNone = iota
	hintLanguage
	hintCase
	hintTypo
	hintScope
	hintParams
)

// maxSuggest bounds the undefined symbols that hints are searched for.
const maxSuggest = 50

// A wish is an undefined symbol and the best hint so far.
type wish struct {
	e     *UndefinedError
	lower string
	// Of a C++ name: what it is without parameters, its last part, and that part as it stands in mangled names.
	cxx             bool
	plain, base     string
	mangled, params string
	kind            int
	name            string
	at              *symbol
}

// suggest gives errors their hints.
func (l *linker) suggest(list []*UndefinedError) {
	var wishes []*wish
	for _, e := range list[:min(len(list), maxSuggest)] {
		if e.Hint != "" {
			continue
		}
		w := &wish{e: e, lower: strings.ToLower(e.Symbol), base: e.Symbol}
		if d := demangleName(e.Symbol); d != e.Symbol && strings.HasPrefix(e.Symbol, "_Z") {
			w.cxx = true
			w.plain, w.params = splitParams(d)
			w.base = lastPart(w.plain)
		}
		w.mangled = strconv.Itoa(len(w.base)) + w.base
		wishes = append(wishes, w)
	}
	if len(wishes) == 0 {
		return
	}
	for n := range l.syms.shards[:nShards] {
		for i := 1; i < len(l.syms.shards[n].syms); i++ {
			s := &l.syms.shards[n].syms[i]
			if s.kind == symUndef && s.flags&(defShared|defDropped) == 0 || s.name == "" {
				continue
			}
			for _, w := range wishes {
				if k, name := w.compare(s.name); k != hintNone && w.better(k, name) {
					w.kind, w.name, w.at = k, name, s
				}
			}
		}
	}
	for _, w := range wishes {
		if w.kind == hintNone {
			if strings.HasPrefix(w.e.Symbol, "_ZTV") {
				w.e.Hint = "the class has no definition of its first virtual function that is not inline"
			}
			continue
		}
		w.e.Hint = "did you mean: " + w.name + l.definedIn(w.at)
	}
}

func (w *wish) better(kind int, name string) bool {
	if w.kind == hintNone || kind != w.kind {
		return w.kind == hintNone || kind < w.kind
	}
	return len(name) < len(w.name) || len(name) == len(w.name) && name < w.name
}

// compare returns whether a defined symbol may be what is wanted, and what to call it.
func (w *wish) compare(name string) (int, string) {
	if strings.HasPrefix(name, "_Z") && strings.Contains(name, w.mangled) {
		d := demangleName(name)
		plain, params := splitParams(d)
		switch {
		case d == name || lastPart(plain) != w.base:
		case !w.cxx && plain == w.base:
			return hintLanguage, d + ", declared without extern \"C\""
		case !w.cxx:
		case params == w.params:
			return hintScope, d
		case plain == w.plain:
			return hintParams, d
		}
	}
	if w.cxx && name == w.base {
		return hintLanguage, "extern \"C\" " + name
	}
	if n := len(name) - len(w.lower); n < -3 || n > 3 || len(name) < 3 {
		return hintNone, ""
	}
	if len(name) == len(w.lower) && strings.EqualFold(name, w.lower) {
		return hintCase, demangleName(strings.Clone(name))
	}
	limit := 1
	if w.cxx {
		limit = 3 // a letter more or less also changes the length before the name, which has two digits
	}
	if near(name, w.e.Symbol, limit) {
		return hintTypo, demangleName(strings.Clone(name))
	}
	return hintNone, ""
}

// near reports whether a can be made b by at most limit changes: a letter put in, left out, replaced, or swapped with the next.
func near(a, b string, limit int) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	switch {
	case len(a) == 0 && len(b) == 0:
		return true
	case limit == 0 || len(a)-len(b) > limit || len(b)-len(a) > limit:
		return false
	case len(a) >= 2 && len(b) >= 2 && a[0] == b[1] && a[1] == b[0] && near(a[2:], b[2:], limit-1):
		return true
	case len(a) > 0 && near(a[1:], b, limit-1), len(b) > 0 && near(a, b[1:], limit-1):
		return true
	}
	return len(a) > 0 && len(b) > 0 && near(a[1:], b[1:], limit-1)
}

// splitParams splits the parameters off a C++ name: what follows the last parenthesis of the outermost level that opens a list.
func splitParams(d string) (plain, params string) {
	depth := 0
	for i := len(d) - 1; i > 0; i-- {
		switch d[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth == 0 {
				return d[:i], d[i:]
			}
		}
	}
	return d, ""
}

// lastPart returns a C++ name without its namespaces and classes.
func lastPart(plain string) string {
	depth := 0
	for i := len(plain) - 1; i > 0; i-- {
		switch plain[i] {
		case '>':
			depth++
		case '<':
			depth--
		case ':':
			if depth == 0 && plain[i-1] == ':' {
				return plain[i+1:]
			}
		}
	}
	return plain
}

// definedIn says where a symbol that is a hint is defined.
func (l *linker) definedIn(s *symbol) string {
	switch s.kind {
	case symObject, symCommon:
		return ", defined in " + l.objs[s.file].name
	case symShared:
		return ", defined in " + l.dsos[s.file].name
	}
	return ""
}

// demangleName returns a C++ or Rust name as its language has it; others as they are.
func demangleName(name string) string { return demangle.Filter(name, demangle.NoClones) }
