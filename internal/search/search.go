// Package search finds the file of a shared object from its name, by the rules of the system's run-time linker.
//
// The rules are those of ld.so(8) for glibc (2.33 and later in full; the directories for older hardware names up to 2.36)
// and of musl's dynamic linker. They are followed to the letter, because a program that runs under the system's linker
// must get the same files here; the tests compare every file tried, and their order, with LD_DEBUG=libs.
//
// The package opens nothing and maps nothing: it asks a file system view what exists, and a function of the caller
// whether a file will do.
package search

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"
)

// Flavor is the C library whose run-time linker is followed.
type Flavor int

const (
	Glibc Flavor = iota // GNU C library
	Musl                // musl libc
)

// String gives "glibc" or "musl".
func (f Flavor) String() string {
	if f == Musl {
		return "musl"
	}
	return "glibc"
}

// What Attempt.Why says; an RPATH or RUNPATH is followed by " of " and the path of the object that has it.
const (
	WhyName        = "path"
	WhyExtra       = "namespace path"
	WhyLibraryPath = "LD_LIBRARY_PATH"
	WhyRpath       = "RPATH"
	WhyRunpath     = "RUNPATH"
	WhyCache       = "ld.so.cache"
	WhyDefault     = "default directory"
	WhyBuiltin     = "part of musl"
)

// Config says how to search. The zero value is glibc on this machine without LD_LIBRARY_PATH.
// Slices are not to be changed after New.
type Config struct {
	Libc Flavor

	// ExtraPath is searched before anything else, also when Secure.
	ExtraPath []string

	// LibraryPath is LD_LIBRARY_PATH in its elements (see SplitLibraryPath). To glibc an empty element is the current
	// directory; musl passes it over.
	LibraryPath []string

	// Secure is AT_SECURE of the process: LibraryPath is ignored and $ORIGIN restricted.
	Secure bool

	// Main is the main program: its RPATH is searched for every object without a RUNPATH, its directory is $ORIGIN in
	// LibraryPath and ExtraPath. May be nil.
	Main *Requester

	// Root is put before every path that is looked at, but is not part of the paths returned. Normally "".
	Root string

	// FS is the view of the file system; nil is the machine's own.
	FS FS

	// Platform is the value of $PLATFORM. "" is what ld.so finds: AT_PLATFORM, or a name for newer Intel processors.
	Platform string

	// HWCaps are the names of the glibc-hwcaps folders to search, best first. nil is what the processor supports.
	HWCaps []string

	// Linker is the path of the run-time linker, whose file tells the defaults below. "" is the psABI's path for glibc
	// and /lib/ld-musl-ARCH.so.1 for musl.
	Linker string

	// Minor is the glibc version 2.Minor to follow. 0 is that of the Linker file, or the newest known.
	Minor int

	// Lib is the value of $LIB. "" is what the Linker file uses.
	Lib string

	// CacheFile is the cache of ldconfig(8); "" is /etc/ld.so.cache. NoCache leaves it out. musl has none.
	CacheFile string
	NoCache   bool

	// Defaults are the directories searched last. nil is what the Linker file has built in; for musl the content of
	// /etc/ld-musl-ARCH.path or else /lib, /usr/local/lib and /usr/lib.
	Defaults []string

	// Trace, if not nil, is called for every file tried, in order; Err is nil for the one found.
	Trace func(Attempt)
}

// Requester is the object that asks for a library.
type Requester struct {
	// Path is the object's absolute path, as it was found (symbolic links not resolved). Its directory is $ORIGIN; ""
	// leaves $ORIGIN without a value.
	Path string

	Rpath      string // DT_RPATH
	Runpath    string // DT_RUNPATH
	HasRunpath bool   // there is a DT_RUNPATH, even an empty one: DT_RPATH of this object is then ignored
	NoDefLib   bool   // DF_1_NODEFLIB: the default directories are not searched

	// Loader is the object that had this one loaded; nil for the main program.
	Loader *Requester
}

// Searcher finds libraries. Its methods may be called concurrently.
//
// It remembers which directories have no hardware folders, and keeps the cache file mapped, and checks both against the
// file's identity, size and time of change on every use. What was not found is never remembered, but in a Pass.
type Searcher struct {
	cfg Config
	fs  FS

	now func() time.Time

	mu     sync.Mutex // for what follows
	ldso   linkerInfo
	subs   subdirList
	dirs   map[string]dirState
	cache  cacheState
	muslSP sysPathState
}

// New makes a Searcher. It reads no file; that happens as the searches need it.
func New(cfg Config) *Searcher {
	s := &Searcher{cfg: cfg, fs: cfg.FS, dirs: make(map[string]dirState), now: time.Now}
	if s.fs == nil {
		s.fs = osFS{}
	}
	if s.cfg.Linker == "" {
		s.cfg.Linker = hostArch.linker
		if cfg.Libc == Musl {
			s.cfg.Linker = "/lib/ld-musl-" + hostArch.musl + ".so.1"
		}
	}
	if s.cfg.CacheFile == "" {
		s.cfg.CacheFile = "/etc/ld.so.cache"
	}
	return s
}

// Config gives the configuration with the values that stand for what it leaves out.
func (s *Searcher) Config() Config {
	c := s.cfg
	c.HWCaps, c.Platform = s.hwcaps(), s.platform()
	return c
}

// hwcaps gives the names of the folders for the processor. To ask that for what it has (CPUID) takes as long as to open
// a small library where a hypervisor answers: few searches need it.
func (s *Searcher) hwcaps() []string {
	if s.cfg.HWCaps != nil {
		return s.cfg.HWCaps
	}
	return hostHWCaps()
}

var hostHWCaps = sync.OnceValue(HWCaps)

// platform gives the value of $PLATFORM.
func (s *Searcher) platform() string {
	if s.cfg.Platform != "" {
		return s.cfg.Platform
	}
	return hostPlatform()
}

// HostPath gives the path by which a path that Find returned is opened: the Root is put before it.
func (s *Searcher) HostPath(path string) string {
	if s.cfg.Root == "" {
		return path
	}
	return strings.TrimSuffix(s.cfg.Root, "/") + "/" + strings.TrimPrefix(path, "/")
}

// SplitLibraryPath cuts a value of LD_LIBRARY_PATH into its elements: glibc cuts at ':' and ';', musl at ':' and
// newline. An empty value has none.
func SplitLibraryPath(f Flavor, value string) []string {
	if value == "" {
		return nil
	}
	var list []string
	for {
		i := strings.IndexAny(value, separators(f))
		if i < 0 {
			return append(list, value)
		}
		list = append(list, value[:i])
		value = value[i+1:]
	}
}

func separators(f Flavor) string {
	if f == Musl {
		return ":\n"
	}
	return ":;"
}

// Find finds the file for a DT_NEEDED name of the object from. A name with a slash is a path.
//
// With glibc, $ORIGIN, $LIB and $PLATFORM (also as ${ORIGIN} and so on) are expanded first; when Secure such a name is
// refused, as ld.so does. Then come, in this order: ExtraPath; unless from has a RUNPATH, the RPATH of from, of what
// loaded it and so on, and of the main program; LD_LIBRARY_PATH; RUNPATH of from; ld.so.cache; the default
// directories. In each directory the glibc-hwcaps folders come first.
// With musl: ExtraPath, LD_LIBRARY_PATH, the RPATH or RUNPATH of from and of everything in its Loader chain, and the
// default directories.
//
// accept is called for each candidate, which it opens, and decides: nil takes the file; an error that is (errors.Is)
// ErrWrongClass or ErrWrongMachine passes it over (glibc only), as does failing to open it (*fs.PathError of Op
// "open"), because there is none or where the linker would pass over a file it cannot open; any other error ends the
// search. A nil accept takes regular files.
//
// from may be nil for a request that no object makes: it is taken as one of the main program.
//
// The path returned is the one the run-time linker would use: not cleaned, relative if the directory named was.
// The error is a *NotFoundError, a *CandidateError or a *NameError.
func (s *Searcher) Find(name string, from *Requester, accept func(path string) error) (string, error) {
	return s.Pass().Find(name, from, accept)
}

// FindDlopen finds the file for a name given to dlopen by the object from. It differs from Find in one thing:
// glibc expands $ORIGIN and the like only in a name with a slash there, and when Secure restricts $ORIGIN rather
// than refusing it.
func (s *Searcher) FindDlopen(name string, from *Requester, accept func(path string) error) (string, error) {
	return s.Pass().FindDlopen(name, from, accept)
}

// Pass is a Searcher for the libraries of one open: it looks at the cache file and at a directory when it first needs
// it, and takes it for unchanged from then on. It is not for concurrent use.
type Pass struct {
	Searcher *Searcher

	dirs     map[string]dirResult
	cache    *Cache
	cacheErr error
}

// Pass begins one.
func (s *Searcher) Pass() *Pass { return &Pass{Searcher: s} }

// Find is [Searcher.Find].
func (p *Pass) Find(name string, from *Requester, accept func(path string) error) (string, error) {
	return p.find(name, from, accept, true)
}

// FindDlopen is [Searcher.FindDlopen].
func (p *Pass) FindDlopen(name string, from *Requester, accept func(path string) error) (string, error) {
	return p.find(name, from, accept, false)
}

// Cache is [Searcher.Cache].
func (p *Pass) Cache() (*Cache, error) {
	if p.cache == nil && p.cacheErr == nil {
		p.cache, p.cacheErr = p.Searcher.Cache()
	}
	return p.cache, p.cacheErr
}

func (p *Pass) find(name string, from *Requester, accept func(path string) error, needed bool) (string, error) {
	s := p.Searcher
	r := &request{s: s, pass: p, name: name, from: from, accept: accept}
	if from == nil {
		r.from = s.cfg.Main
	}
	if name == "" {
		return "", &NameError{Name: name, What: "empty name"}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", &NameError{Name: name, What: "NUL byte in name"}
	}
	v, err := next, error(nil)
	if s.cfg.Libc == Musl {
		v = r.musl()
	} else {
		v, err = r.glibc(needed)
	}
	switch {
	case err != nil:
		return "", err
	case v == found:
		return r.path, nil
	case v == stop:
		return "", &CandidateError{Name: name, NeededBy: r.fromPath(), Path: r.stopped.Path, Why: r.stopped.Why, Err: r.stopped.Err}
	}
	return "", &NotFoundError{Name: name, NeededBy: r.fromPath(), Tried: r.tried}
}

// A verdict is what follows from one candidate, or from one list of directories.
type verdict int

const (
	next    verdict = iota // go on with the next directory
	endList                // the rest of this list of directories is left out
	found
	stop // the search ends with an error
)

// A request is one search under way.
type request struct {
	s      *Searcher
	pass   *Pass
	name   string
	from   *Requester
	accept func(string) error

	tried   []Attempt
	path    string  // of the file found
	stopped Attempt // what ended the search
}

func (r *request) fromPath() string {
	if r.from == nil {
		return ""
	}
	return r.from.Path
}

func (r *request) note(path, why string, err error) {
	a := Attempt{Path: path, Why: why, Err: err}
	if err != nil {
		r.tried = append(r.tried, a)
	}
	if r.s.cfg.Trace != nil {
		r.s.cfg.Trace(a)
	}
}

// try looks at one candidate.
func (r *request) try(path, why string) verdict {
	opened := true
	var err error
	if r.accept != nil {
		if err = r.accept(path); err != nil {
			var pe *fs.PathError
			opened = !(errors.As(err, &pe) && pe.Op == "open")
		}
	} else {
		var fi fs.FileInfo
		if fi, err = r.s.fs.Stat(r.s.HostPath(path)); err != nil {
			opened = false
		} else if !fi.Mode().IsRegular() {
			err = errNotRegular
		}
	}
	r.note(path, why, err)
	if err == nil {
		r.path = path
		return found
	}
	v := r.s.afterOpenError(err)
	if opened {
		v = stop
		if r.s.cfg.Libc == Glibc && (errors.Is(err, ErrWrongClass) || errors.Is(err, ErrWrongMachine)) {
			v = next
		}
	}
	if v == stop {
		r.stopped = Attempt{Path: path, Why: why, Err: err}
	}
	return v
}
