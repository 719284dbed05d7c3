package link

import (
	"path"
	"strings"
)

// A pattern is a symbol name or a glob of a version script or a dynamic list.
type pattern struct {
	text string
	glob bool
	cxx  bool // it is matched against the demangled name
}

// A versionNode is a version of a version script with its patterns (GNU ld manual, "VERSION Command").
type versionNode struct {
	name   string // "" for the anonymous version
	parent string
	global []pattern
	local  []pattern
}

func newPattern(x *scriptLexer, cxx bool) pattern {
	return pattern{text: x.tok, glob: !x.quote && strings.ContainsAny(x.tok, "*?["), cxx: cxx}
}

// match reports whether a name matches. demangled is the name as C++ has it.
func (p *pattern) match(name string, demangled func() string) bool {
	if p.cxx {
		name = demangled()
	}
	if !p.glob {
		return p.text == name
	}
	if p.text == "*" {
		return true
	}
	return globMatch(p.text, name)
}

// globMatch matches a glob where, unlike in paths, * also matches slashes.
func globMatch(glob, name string) bool {
	if rest, ok := strings.CutSuffix(glob, "*"); ok && !strings.ContainsAny(rest, "*?[\\") {
		return strings.HasPrefix(name, rest)
	}
	if strings.ContainsRune(name, '/') {
		name = strings.ReplaceAll(name, "/", "\x01")
		glob = strings.ReplaceAll(glob, "/", "\x01")
	}
	ok, err := path.Match(strings.ReplaceAll(glob, "[!", "[^"), name)
	return ok && err == nil
}

// parseVersionScript reads a version script, or the content of a VERSION command.
func parseVersionScript(name string, data []byte) ([]versionNode, error) {
	x := &scriptLexer{name: name, text: string(data), line: 1, punct: "{};()"}
	if err := x.next(); err != nil {
		return nil, err
	}
	var nodes []versionNode
	if x.is("VERSION") { // the command of a linker script is accepted too
		if err := x.next(); err != nil {
			return nil, err
		}
		if !x.is("{") {
			return nil, x.err("%q where { is wanted", x.tok)
		}
		if err := x.next(); err != nil {
			return nil, err
		}
	}
	for !x.atEnd() && !x.is("}") {
		n := versionNode{}
		if !x.is("{") {
			n.name = x.tok
			if err := x.next(); err != nil {
				return nil, err
			}
		}
		if !x.is("{") {
			return nil, x.err("%q where { is wanted", x.tok)
		}
		if err := x.next(); err != nil {
			return nil, err
		}
		if err := n.parseBody(x); err != nil {
			return nil, err
		}
		for !x.is(";") { // versions that this one follows: only the first is recorded, as a parent
			if x.atEnd() || x.is("{") || x.is("}") {
				return nil, x.err("%q where ; is wanted", x.tok)
			}
			if n.parent == "" {
				n.parent = x.tok
			}
			if err := x.next(); err != nil {
				return nil, err
			}
		}
		if err := x.next(); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 {
		return nil, x.err("a version script without a version")
	}
	for i := range nodes {
		if nodes[i].name == "" && len(nodes) > 1 {
			return nil, x.err("an anonymous version beside others")
		}
	}
	return nodes, nil
}

// parseBody reads the patterns of a version up to and with its closing brace.
func (n *versionNode) parseBody(x *scriptLexer) error {
	list := &n.global
	cxx, inExtern := false, false
	for {
		switch {
		case x.atEnd():
			return x.err("the script ends where } is wanted")
		case x.is("}"):
			if err := x.next(); err != nil {
				return err
			}
			if !inExtern {
				return nil
			}
			inExtern, cxx = false, false
			continue
		case x.is(";"):
		case x.is("global:"), x.is("global"):
			list = &n.global
		case x.is("local:"), x.is("local"):
			list = &n.local
		case x.is(":"):
		case x.is("{"), x.is("("), x.is(")"):
			return x.err("%q in a list of symbols", x.tok)
		case x.is("extern") && !inExtern:
			if err := x.next(); err != nil {
				return err
			}
			cxx = x.tok == "C++"
			if !cxx && x.tok != "C" {
				return x.err("extern %q: the languages are \"C\" and \"C++\"", x.tok)
			}
			if err := x.next(); err != nil {
				return err
			}
			if !x.is("{") {
				return x.err("%q where { is wanted", x.tok)
			}
			inExtern = true
		default:
			// A label may be written together with the first name: "local:*".
			if !x.quote {
				for _, label := range []string{"global:", "local:"} {
					if rest, ok := strings.CutPrefix(x.tok, label); ok && rest != "" && rest[0] != ':' {
						x.tok = rest
						if list = &n.global; label == "local:" {
							list = &n.local
						}
					}
				}
			}
			*list = append(*list, newPattern(x, cxx))
		}
		if err := x.next(); err != nil {
			return err
		}
	}
}

// parseDynamicList reads a dynamic list: a version script of one anonymous version (GNU ld manual, --dynamic-list).
func parseDynamicList(name string, data []byte) ([]pattern, error) {
	nodes, err := parseVersionScript(name, data)
	if err != nil {
		return nil, err
	}
	var list []pattern
	for _, n := range nodes {
		list = append(list, n.global...)
	}
	return list, nil
}

// A matcher finds the version of a name: exact names first, then globs in order, with * the last.
type matcher struct {
	exact map[string]int
	globs []globRule
	all   int // what * says
	cxx   bool
}

type globRule struct {
	p   pattern
	val int
}

// What a matcher says beside the index of a version.
const (
	matchNone  = -1
	matchLocal = -2
)

func newMatcher() *matcher { return &matcher{exact: map[string]int{}, all: matchNone} }

func (m *matcher) add(p pattern, val int) {
	switch {
	case p.cxx:
		m.globs = append(m.globs, globRule{p, val})
		m.cxx = true
	case !p.glob:
		if old, ok := m.exact[p.text]; !ok || old == matchLocal {
			m.exact[p.text] = val
		}
	case p.text == "*":
		if m.all == matchNone || m.all == matchLocal {
			m.all = val
		}
	default:
		m.globs = append(m.globs, globRule{p, val})
	}
}

// find returns what is said of a name.
func (m *matcher) find(name string) int {
	if v, ok := m.exact[name]; ok {
		return v
	}
	if len(m.globs) > 0 {
		var d string
		demangled := func() string {
			if d == "" {
				d = demangleName(name)
			}
			return d
		}
		for i := range m.globs {
			if r := &m.globs[i]; r.p.cxx && !r.p.glob && r.p.match(name, demangled) {
				return r.val
			}
		}
		for i := range m.globs {
			if r := &m.globs[i]; r.p.match(name, demangled) {
				return r.val
			}
		}
	}
	return m.all
}
