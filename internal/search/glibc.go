package search

import (
	"errors"
	"io/fs"
	"strings"
)

// The order of glibc: ld.so(8), and as seen with LD_DEBUG=libs where the manual is silent.

func (r *request) glibc(needed bool) (verdict, error) {
	s, name := r.s, r.name
	if needed && hasToken(name) {
		if s.cfg.Secure {
			return stop, &NameError{Name: name, What: "dynamic string token not allowed when privileged (AT_SECURE)"}
		}
		expanded, ok := s.expand(name, r.from)
		if !ok || expanded == "" {
			return stop, &NameError{Name: name, What: "dynamic string token has no value here"}
		}
		name = expanded
	}
	if strings.IndexByte(name, '/') >= 0 {
		if !needed {
			expanded, ok := s.expand(name, r.from)
			if !ok || expanded == "" {
				return stop, &NameError{Name: name, What: "dynamic string token has no value here, or is not allowed when privileged (AT_SECURE)"}
			}
			name = expanded
		}
		return r.try(name, WhyName), nil
	}
	for _, l := range s.firstLists(r.from) {
		if v := r.tryList(name, l); v != next {
			return v, nil
		}
	}
	noDefaults := r.from != nil && r.from.NoDefLib
	if !s.cfg.NoCache {
		if v := r.tryCache(name, noDefaults); v != next {
			return v, nil
		}
	}
	if noDefaults {
		return next, nil
	}
	return r.tryList(name, s.list(WhyDefault, s.Defaults(), nil)), nil
}

// A list is a search path: directories, each "" or with a slash at its end.
type list struct {
	why  string
	dirs []string
}

// list makes a search path out of its elements: tokens expanded, elements without a value left out, repeated ones
// too, and "" kept for the current directory.
func (s *Searcher) list(why string, elems []string, from *Requester) list {
	l := list{why: why, dirs: make([]string, 0, len(elems))}
	for _, e := range elems {
		if e != "" {
			expanded, ok := s.expand(e, from)
			if !ok || expanded == "" {
				continue
			}
			e = strings.TrimRight(expanded, "/") + "/"
		}
		known := false
		for _, d := range l.dirs {
			known = known || d == e
		}
		if !known {
			l.dirs = append(l.dirs, e)
		}
	}
	return l
}

func (s *Searcher) objectList(kind, value string, from *Requester) list {
	if value == "" {
		return list{}
	}
	why := kind
	if from.Path != "" {
		why += " of " + from.Path
	}
	return s.list(why, strings.Split(value, ":"), from)
}

// firstLists gives what comes before the cache.
func (s *Searcher) firstLists(from *Requester) []list {
	var lists []list
	add := func(l list) {
		if len(l.dirs) > 0 {
			lists = append(lists, l)
		}
	}
	rpath := func(q *Requester) {
		if !q.HasRunpath {
			add(s.objectList(WhyRpath, q.Rpath, q))
		}
	}
	add(s.list(WhyExtra, s.cfg.ExtraPath, s.cfg.Main))
	if from == nil || !from.HasRunpath {
		sawMain := s.cfg.Main == nil
		for q := from; q != nil; q = q.Loader {
			rpath(q)
			sawMain = sawMain || q == s.cfg.Main
		}
		if !sawMain {
			rpath(s.cfg.Main)
		}
	}
	if !s.cfg.Secure {
		add(s.list(WhyLibraryPath, s.cfg.LibraryPath, s.cfg.Main))
	}
	if from != nil && from.HasRunpath {
		add(s.objectList(WhyRunpath, from.Runpath, from))
	}
	return lists
}

// tryList tries the name in each directory. endList stays inside.
func (r *request) tryList(name string, l list) verdict {
	for _, dir := range l.dirs {
		subs, err := r.pass.subdirs(dir)
		if err != nil {
			r.note(dir+name, l.why, err)
			continue
		}
		for _, sub := range subs {
			v := r.try(dir+sub+name, l.why)
			if v == found || v == stop {
				return v
			}
			// An error other than absence ends the list if it comes last in the directory.
			if v == endList && sub == "" {
				return next
			}
		}
	}
	return next
}

func (r *request) tryCache(name string, noDefaults bool) verdict {
	s := r.s
	c, err := r.pass.Cache()
	if err != nil {
		r.note(s.cfg.CacheFile, WhyCache, err)
		return next
	}
	path, err := c.find(name, hostArch.cacheFlags, func() selection {
		return selection{
			hwcaps:   s.namedHWCaps(),
			level:    isaLevel(s.hwcaps()),
			legacy:   s.legacyBits(),
			platform: platformBit(s.platform()),
		}
	})
	if path == "" {
		if err == nil {
			err = ErrNotInCache
			if c.ExtensionErr != nil {
				err = c.ExtensionErr
			}
		}
		r.note(s.cfg.CacheFile, WhyCache, err)
		return next
	}
	if noDefaults && s.inDefaults(path) {
		r.note(path, WhyCache, errNoDefLib)
		return next
	}
	if v := r.try(path, WhyCache); v != endList {
		return v
	}
	return next
}

func (s *Searcher) inDefaults(path string) bool {
	for _, d := range s.Defaults() {
		if strings.HasPrefix(path, strings.TrimRight(d, "/")+"/") {
			return true
		}
	}
	return false
}

// Dir is one directory of a search.
type Dir struct {
	Path string // without a slash at the end; "" for the current directory
	Why  string // as in Attempt
}

// Dirs lists the directories that a search for the object from looks into, in order, hardware folders included
// whether they exist or not. ld.so.cache, which is asked before the default directories, is not among them.
func (s *Searcher) Dirs(from *Requester) []Dir {
	if from == nil {
		from = s.cfg.Main
	}
	if s.cfg.Libc == Musl {
		return s.muslDirs(from)
	}
	lists := s.firstLists(from)
	if from == nil || !from.NoDefLib {
		lists = append(lists, s.list(WhyDefault, s.Defaults(), nil))
	}
	var dirs []Dir
	subs := s.allSubdirs()
	for _, l := range lists {
		for _, d := range l.dirs {
			for _, sub := range subs {
				p := d + sub
				if len(p) > 1 {
					p = strings.TrimSuffix(p, "/")
				}
				dirs = append(dirs, Dir{Path: p, Why: l.why})
			}
		}
	}
	return dirs
}

// afterOpenError says what follows when a file cannot be opened: glibc ends a list at anything but absence and lack
// of permission.
func (s *Searcher) afterOpenError(err error) verdict {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return next
	case s.cfg.Libc == Musl:
		return muslOpenError(err)
	}
	return endList
}
