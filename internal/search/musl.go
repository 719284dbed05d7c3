package search

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// The order of musl's dynamic linker (ldso/dynlink.c, load_library; seen with musl 1.2.3).

// muslReserved are the names, between "lib" and the first dot, of what musl has in one file.
var muslReserved = map[string]bool{"c": true, "pthread": true, "rt": true, "m": true, "dl": true, "util": true, "xnet": true}

// IsMuslReserved reports whether musl takes the name for a part of itself and looks for no file: libc, libpthread,
// librt, libm, libdl, libutil or libxnet with any ending after a dot.
func IsMuslReserved(name string) bool {
	base, ok := strings.CutPrefix(name, "lib")
	if !ok {
		return false
	}
	base, _, ok = strings.Cut(base, ".")
	return ok && muslReserved[base]
}

const (
	muslDefaultPath = "/lib:/usr/local/lib:/usr/lib"
	nameMax         = 255 // NAME_MAX of Linux
)

func (r *request) musl() verdict {
	if IsMuslReserved(r.name) {
		return r.try(r.s.cfg.Linker, WhyBuiltin)
	}
	if strings.IndexByte(r.name, '/') >= 0 {
		return r.try(r.name, WhyName)
	}
	if len(r.name) > nameMax {
		r.note(r.name, WhyName, syscall.ENAMETOOLONG)
		return next
	}
	for _, d := range r.s.muslDirs(r.from) {
		if v := r.try(d.Path+"/"+r.name, d.Why); v != next {
			return v
		}
	}
	return next
}

// muslDirs gives the directories as written, slashes at the end included.
func (s *Searcher) muslDirs(from *Requester) []Dir {
	var dirs []Dir
	add := func(why string, elems []string) {
		for _, e := range elems {
			if e != "" {
				dirs = append(dirs, Dir{Path: e, Why: why})
			}
		}
	}
	add(WhyExtra, s.cfg.ExtraPath)
	if !s.cfg.Secure {
		add(WhyLibraryPath, s.cfg.LibraryPath)
	}
	for q := from; q != nil; q = q.Loader {
		kind, value := WhyRpath, q.Rpath
		if q.HasRunpath {
			kind, value = WhyRunpath, q.Runpath
		}
		if q.Path != "" {
			kind += " of " + q.Path
		}
		if value, ok := s.muslExpand(value, q); ok {
			add(kind, SplitLibraryPath(Musl, value))
		}
	}
	add(WhyDefault, s.Defaults())
	return dirs
}

// muslExpand replaces $ORIGIN and ${ORIGIN}; a '$' before anything else makes musl ignore the whole path.
func (s *Searcher) muslExpand(value string, from *Requester) (string, bool) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(value, "$")
		b.WriteString(before)
		if !ok {
			return b.String(), true
		}
		rest, ok := strings.CutPrefix(after, "{ORIGIN}")
		if !ok {
			if rest, ok = strings.CutPrefix(after, "ORIGIN"); !ok {
				return "", false
			}
		}
		if from.Path == "" || s.cfg.Secure && from.Path[0] != '/' {
			return "", false
		}
		if i := strings.LastIndexByte(from.Path, '/'); i >= 0 {
			b.WriteString(from.Path[:i])
		} else {
			b.WriteString(".")
		}
		value = rest
	}
}

// muslOpenError says what follows when a file cannot be opened: musl ends the whole search at an error it does not
// expect.
func muslOpenError(err error) verdict {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return next
	}
	return stop
}

// A sysPathState is the parsed /etc/ld-musl-ARCH.path.
type sysPathState struct {
	info fs.FileInfo
	seen time.Time
	dirs []string
}

// muslDefaults reads the path file that belongs to the Linker. Only its absence gives musl's own directories; one that
// cannot be read gives none.
func (s *Searcher) muslDefaults() []string {
	prefix := ""
	if parts := strings.Split(s.cfg.Linker, "/"); len(parts) > 3 {
		prefix = strings.Join(parts[:len(parts)-2], "/")
	}
	path := s.HostPath(prefix + "/etc/ld-musl-" + hostArch.musl + ".path")
	seen := s.now()
	info, err := s.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return SplitLibraryPath(Musl, muslDefaultPath)
	} else if err != nil {
		return nil
	}
	s.mu.Lock()
	old := s.muslSP
	s.mu.Unlock()
	if old.info != nil && unchanged(old.info, info, old.seen) {
		return old.dirs
	}
	data, err := s.fs.ReadFile(path)
	if err != nil {
		return nil
	}
	text, _, _ := strings.Cut(string(data), "\x00")
	dirs := SplitLibraryPath(Musl, text)
	s.mu.Lock()
	s.muslSP = sysPathState{info: info, seen: seen, dirs: dirs}
	s.mu.Unlock()
	return dirs
}
