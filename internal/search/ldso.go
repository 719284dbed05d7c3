package search

import (
	"bytes"
	"regexp"
	"strconv"
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

var (
	versionText = regexp.MustCompile(`release version 2\.([0-9]{1,4})[.0-9]*\n`)
	systemDir   = regexp.MustCompile(`^/(?:[A-Za-z0-9_.+-]+/)*$`)
)

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
	info := linkerInfo{known: true}
	if m := versionText.FindSubmatch(data); m != nil {
		info.minor, _ = strconv.Atoi(string(m[1]))
	}
	var run []string
	end := func() {
		if len(run) > len(info.dirs) {
			info.dirs = run
		}
		run = nil
	}
	for len(data) > 0 {
		i := bytes.IndexByte(data, 0)
		if i < 0 {
			break
		}
		str := data[:i]
		data = data[i+1:]
		// The first of a run may follow bytes that are no string.
		if run == nil {
			if j := bytes.IndexByte(str, '/'); j > 0 && (str[j-1] < ' ' || str[j-1] > '~') {
				str = str[j:]
			}
		}
		if len(str) > 2 && len(str) < 4096 && systemDir.Match(str) && bytes.Contains(str, []byte("/lib")) {
			run = append(run, string(str))
		} else {
			end()
		}
	}
	end()
	return info
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
