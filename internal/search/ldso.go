package search

import (
	"bytes"
	"strings"
)

// What a glibc was built with is nowhere but in its run-time linker: the default directories, $LIB and the version.

// A linkerInfo is what the file of ld.so tells; zero fields where it does not.
type linkerInfo struct {
	known bool
	dirs  []string
	minor int
}

// newestMinor is assumed where there is no ld.so to ask: the rules have not changed since 2.37.
const newestMinor = 37

// linker reads the file once; ld.so is not exchanged under a process.
func (s *Searcher) linker() linkerInfo {
	s.mu.Lock()
	info := s.ldso
	s.mu.Unlock()
	if info.known {
		return info
	}
	data, err := s.fs.ReadFile(s.HostPath(s.cfg.Linker))
	if err != nil {
		return info
	}
	info = readLinker(data)
	s.mu.Lock()
	s.ldso = info
	s.mu.Unlock()
	return info
}

// readLinker looks for the default directories, which are strings one after the other, each with a slash at both
// ends, and for the version that ld.so --version prints.
func readLinker(data []byte) linkerInfo {
	info := linkerInfo{known: true, minor: releaseMinor(data)}
	var run []string
	end := -2 // of the last string of the run
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte("/lib"))
		if i < 0 {
			break
		}
		i += at
		start := bytes.LastIndexByte(data[:i], 0) + 1
		n := bytes.IndexByte(data[i:], 0)
		if n < 0 {
			break
		}
		stop := i + n
		at = stop
		// The first of a run may follow bytes that are no string.
		if start != end+1 {
			if j := bytes.IndexByte(data[start:stop], '/'); j > 0 && (data[start+j-1] < ' ' || data[start+j-1] > '~') {
				start += j
			}
		}
		if !systemDir(data[start:stop]) {
			continue
		}
		if start != end+1 {
			run = nil
		}
		run = append(run, string(data[start:stop]))
		end = stop
		if len(run) > len(info.dirs) {
			info.dirs = run
		}
	}
	return info
}

// releaseMinor returns the number behind the 2 of "release version 2.36.\n" or "2.36.9000\n", 0 if there is none.
func releaseMinor(data []byte) int {
	before := []byte("release version 2.")
	i := bytes.Index(data, before)
	if i < 0 {
		return 0
	}
	n := 0
	for _, c := range data[i+len(before):] {
		if c < '0' || c > '9' || n > 9999 {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// systemDir reports whether a string is an absolute path that ends in a slash, of names without odd characters.
func systemDir(s []byte) bool {
	if len(s) < 3 || len(s) >= 4096 || s[0] != '/' || s[len(s)-1] != '/' {
		return false
	}
	for i, c := range s {
		switch {
		case c == '/':
			if i > 0 && s[i-1] == '/' {
				return false
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', bytes.IndexByte([]byte("_.+-"), c) >= 0:
		default:
			return false
		}
	}
	return true
}

func (s *Searcher) minor() int {
	if s.cfg.Minor != 0 {
		return s.cfg.Minor
	}
	if m := s.linker().minor; m != 0 {
		return m
	}
	return newestMinor
}

// Defaults gives the directories that are searched last.
func (s *Searcher) Defaults() []string {
	switch {
	case s.cfg.Defaults != nil:
		return s.cfg.Defaults
	case s.cfg.Libc == Musl:
		return s.muslDefaults()
	}
	if dirs := s.linker().dirs; dirs != nil {
		return dirs
	}
	if fi, err := s.fs.Stat(s.HostPath("/usr/lib/" + hostArch.multiarch)); err == nil && fi.IsDir() {
		return []string{"/lib/" + hostArch.multiarch, "/usr/lib/" + hostArch.multiarch, "/lib", "/usr/lib"}
	}
	return []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}
}

// lib gives the value of $LIB: the first default directory below / or /usr, or the last part of another.
func (s *Searcher) lib() string {
	if s.cfg.Lib != "" {
		return s.cfg.Lib
	}
	dirs := s.Defaults()
	if len(dirs) == 0 {
		return "lib"
	}
	dir := strings.Trim(dirs[0], "/")
	dir = strings.TrimPrefix(dir, "usr/")
	if !strings.HasPrefix(dir, "lib") {
		dir = dir[strings.LastIndexByte(dir, '/')+1:]
	}
	if dir == "" {
		return "lib"
	}
	return dir
}
