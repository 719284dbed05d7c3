package search

import (
	"io/fs"
	"strings"
	"time"
)

// The folders for hardware inside a directory: glibc-hwcaps/LEVEL/ since 2.33, and up to 2.36 every combination of
// "tls", the platform and the names of AT_HWCAP bits.

func (s *Searcher) namedHWCaps() []string {
	if s.minor() < 33 {
		return nil
	}
	return s.hwcaps()
}

// A subdirList has the folders that go with a version of glibc.
type subdirList struct {
	minor int
	list  []string
}

// allSubdirs gives the folders in order of preference, each with a slash at its end, and "" last. The result is
// shared.
func (s *Searcher) allSubdirs() []string {
	minor := s.minor()
	s.mu.Lock()
	subs := s.subs
	s.mu.Unlock()
	if subs.list != nil && subs.minor == minor {
		return subs.list
	}
	var list []string
	for _, h := range s.namedHWCaps() {
		list = append(list, "glibc-hwcaps/"+h+"/")
	}
	list = append(list, s.legacySubdirs()...)
	s.mu.Lock()
	s.subs = subdirList{minor: minor, list: list}
	s.mu.Unlock()
	return list
}

// legacySubdirs gives the combinations, those with more and weightier names first; the last is "".
func (s *Searcher) legacySubdirs() []string {
	if s.minor() >= 37 {
		return []string{""}
	}
	names := legacyNames(s.legacyBits())
	if p := s.platform(); p != "" {
		names = append(names, p)
	}
	names = append(names, "tls")
	var subs []string
	for set := 1<<len(names) - 1; set >= 0; set-- {
		sub := ""
		for i := len(names) - 1; i >= 0; i-- {
			if set&(1<<i) != 0 {
				sub += names[i] + "/"
			}
		}
		subs = append(subs, sub)
	}
	return subs
}

// A dirState remembers that a directory holds none of the hardware folders.
type dirState struct {
	info fs.FileInfo
	seen time.Time
}

var onlyItself = []string{""}

// dirResult is what subdirs has given.
type dirResult struct {
	subs []string
	err  error
}

// subdirs is the Searcher's, once for each directory.
func (p *Pass) subdirs(dir string) ([]string, error) {
	d, known := p.dirs[dir]
	if !known {
		d.subs, d.err = p.Searcher.subdirs(dir)
		if p.dirs == nil {
			p.dirs = map[string]dirResult{}
		}
		p.dirs[dir] = d
	}
	return d.subs, d.err
}

// subdirs gives the folders to look into in the directory ("" or with a slash at its end), "" last for the directory
// itself. It fails if there is no such directory. Relative directories are not looked at beforehand, as in ld.so.
func (s *Searcher) subdirs(dir string) ([]string, error) {
	if !strings.HasPrefix(dir, "/") {
		return s.allSubdirs(), nil
	}
	path := s.HostPath(strings.TrimRight(dir, "/"))
	if path == "" {
		path = "/"
	}
	seen := s.now()
	info, err := s.fs.Stat(path)
	if err != nil || !info.IsDir() {
		return nil, notDirectory(path, err)
	}
	s.mu.Lock()
	state, known := s.dirs[dir]
	s.mu.Unlock()
	if known && unchanged(state.info, info, state.seen) {
		return onlyItself, nil
	}

	exists := make(map[string]bool) // first names, then whole folders
	any := false
	var subs []string
	for _, sub := range s.allSubdirs() {
		if sub == "" {
			continue
		}
		first, _, _ := strings.Cut(sub, "/")
		there, asked := exists[first]
		if !asked {
			_, err := s.fs.Lstat(path + "/" + first)
			there = err == nil
			exists[first] = there
		}
		if !there {
			continue
		}
		any = true
		there, asked = exists[sub]
		if !asked {
			fi, err := s.fs.Stat(path + "/" + sub)
			there = err == nil && fi.IsDir()
			exists[sub] = there
		}
		if there {
			subs = append(subs, sub)
		}
	}
	s.mu.Lock()
	if any {
		delete(s.dirs, dir)
	} else {
		s.dirs[dir] = dirState{info: info, seen: seen}
	}
	s.mu.Unlock()
	return append(subs, ""), nil
}
