package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"weld/internal/cproto"
	"weld/internal/rtld"
	"weld/native"
)

// hookFlags are the flags of weld run that step in between a program and the functions it calls.
type hookFlags struct {
	Hook       []string `placeholder:"SPEC" sep:"none" help:"Step in at calls: count=NAMES, trace=FUNCTIONS or fail=NAME:N:ERRNO, see below. May be given several times."`
	HookOutput string   `name:"hook-output" placeholder:"FILE" help:"Write what --hook prints to FILE, not to standard error."`

	hooks hooks
}

const hookHelp = `

--hook steps in at calls through a GOT or PLT, those of the program, of its libraries and of the C library, as a library in LD_PRELOAD
would; calls within a library that its linker has bound are not seen. A SPEC is one of

  count=NAME,...      Print at the exit how often each function was called. The counts are exact, in signal handlers and threads too.
                      Printed when main returns, at exit, _exit and _Exit; not when the program dies of a signal, executes another or
                      makes the system call itself. Children of fork print nothing, and their calls are not among those of the parent.
  trace=FUNCTION,...  Print a line for each call when it has returned, with arguments and result; functions that return twice or
                      never when they are called, with ? for the result. The types are from the prototype, if FUNCTION is one
                      ('trace=int open(const char *, int, ...)'), from a table of common functions of the C library, or from the
                      debug information of the object that defines it. Threads in a child of fork that is not the copy of the
                      first thread are not traced. C++ exceptions must not pass through a traced call.
  fail=NAME:N:ERRNO   The N-th call, N+ for that and all after it, N-M for N to M, does not happen: it returns -1, or NULL where the
                      function returns a pointer, or what else its failure is known by, and leaves ERRNO, a name of errno(3). NAME
                      may be a prototype. :RESULT may follow, an integer to return instead. All threads count together.

With --json what is printed are JSON objects, one a line: {"counts": {NAME: N}}, {"call", "args", "result", "errno", "pid"}.

  weld run --hook count=malloc,free ls -l /
  weld run --hook trace=open,close --hook fail=read:3:EIO cat FILE`

// hooks are what --hook asks for.
type hooks struct {
	list []*hookSpec
	out  *sink
	json bool

	mu       sync.Mutex
	reported bool
}

// hookSpec is one function of a --hook.
type hookSpec struct {
	kind  string
	name  string
	proto *cproto.Prototype // given, or found

	from, to uint64 // fail
	errno    syscall.Errno
	result   *int64

	mu       sync.Mutex
	counters []*native.Hook
	failure  *native.Failure
	found    bool // something defines it
}

// The order in which hooks of one function stand, innermost first: what fails is counted, and all is traced.
var hookKinds = []string{"fail", "count", "trace"}

func (f *hookFlags) checkHooks() error {
	for _, s := range f.Hook {
		if err := f.hooks.parse(s); err != nil {
			return usageError{fmt.Errorf("--hook %s: %w", s, err)}
		}
	}
	if f.HookOutput != "" && len(f.Hook) == 0 {
		return usageError{errors.New("--hook-output goes with --hook")}
	}
	return nil
}

// parse adds the hooks of one SPEC.
func (h *hooks) parse(spec string) error {
	kind, rest, ok := strings.Cut(spec, "=")
	if !ok || !slices.Contains(hookKinds, kind) {
		return fmt.Errorf("it begins with none of count=, trace=, fail=")
	}
	for _, item := range splitList(rest) {
		s := &hookSpec{kind: kind}
		if kind == "fail" {
			var err error
			if item, err = s.parseFailure(item); err != nil {
				return err
			}
		}
		s.name = item
		if strings.Contains(item, "(") {
			p, err := cproto.Parse(item)
			if err != nil {
				return fmt.Errorf("prototype: %w", err)
			}
			s.name, s.proto = p.Name, p
		}
		if s.name == "" || strings.ContainsAny(s.name, " \t*()") {
			return fmt.Errorf("%q is not the name of a function", s.name)
		}
		same := func(o *hookSpec) bool { return o.kind == s.kind && o.name == s.name }
		if i := slices.IndexFunc(h.list, same); i < 0 || kind == "fail" {
			h.list = append(h.list, s)
		} else if s.proto != nil {
			h.list[i] = s
		}
	}
	return nil
}

// splitList splits at commas that are not in parentheses or braces.
func splitList(s string) (list []string) {
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '{':
			depth++
		case ')', '}':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	return append(list, strings.TrimSpace(s[from:]))
}

// parseFailure reads NAME:N:ERRNO and returns NAME.
func (s *hookSpec) parseFailure(item string) (name string, err error) {
	part := strings.Split(item, ":")
	if len(part) < 3 || len(part) > 4 {
		return "", fmt.Errorf("%q is not NAME:N:ERRNO", item)
	}
	from, to, isRange := strings.Cut(part[1], "-")
	from, open := strings.CutSuffix(from, "+")
	if s.from, err = strconv.ParseUint(from, 10, 63); err != nil || s.from == 0 || open && isRange {
		return "", fmt.Errorf("%q is no number of a call: they count from 1", part[1])
	}
	s.to = s.from
	if open {
		s.to = math.MaxInt64
	}
	if isRange {
		if s.to, err = strconv.ParseUint(to, 10, 63); err != nil || s.to < s.from {
			return "", fmt.Errorf("%q is no range of calls", part[1])
		}
	}
	var ok bool
	if s.errno, ok = errnoNamed(part[2]); !ok {
		return "", fmt.Errorf("%q is no errno (see errno(3))", part[2])
	}
	if len(part) == 4 {
		r, err := strconv.ParseInt(part[3], 0, 64)
		if err != nil {
			return "", fmt.Errorf("%q is no integer to return", part[3])
		}
		s.result = &r
	}
	return part[0], nil
}

// start has the hooks put in when p is loaded.
func (f *hookFlags) startHooks(p *rtld.Program, json bool) error {
	h := &f.hooks
	if len(h.list) == 0 {
		return nil
	}
	var err error
	if h.out, err = openSink(f.HookOutput); err != nil {
		return err
	}
	h.json = json
	native.OnExit(h.report)
	p.Ready = h.install
	return nil
}

// install puts the hooks in. Names that nothing defines yet are hooked when an object is loaded that does.
func (h *hooks) install() error {
	// What is to be known of the functions is found out before anything stands in for them.
	for _, s := range h.list {
		target, err := rtld.Default.Definition(s.name, "")
		if errors.Is(err, rtld.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.findPrototype(target); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(h.list, func(s *hookSpec) bool { return s.kind == "count" }) {
		for _, name := range []string{"_exit", "_Exit"} {
			if err := h.interpose(name, func(next, _ uintptr) (*native.Hook, error) {
				return native.NewTracer(next, atExit{h})
			}); err != nil {
				return err
			}
		}
	}
	for _, kind := range hookKinds {
		for _, s := range h.list {
			if s.kind == kind {
				if err := h.interpose(s.name, func(next, target uintptr) (*native.Hook, error) { return s.hook(h, next, target) }); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (h *hooks) interpose(name string, wrap func(next, target uintptr) (*native.Hook, error)) error {
	_, err := rtld.Default.Interpose(name, "", func(next, target uintptr) (uintptr, error) {
		k, err := wrap(next, target)
		if err != nil {
			return 0, err
		}
		return k.Addr(), nil
	})
	return err
}

// hook makes the hook of a function that is defined at target.
func (s *hookSpec) hook(h *hooks, next, target uintptr) (*native.Hook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.found { // at the start it was not
		if err := s.findPrototype(target); err != nil && s.kind == "fail" {
			return nil, err
		}
	}
	switch s.kind {
	case "count":
		k, err := native.NewCounter(next)
		if err == nil {
			s.counters = append(s.counters, k)
		}
		return k, err
	case "fail":
		if s.failure == nil {
			e, result, err := s.failed()
			if err != nil {
				return nil, err
			}
			if s.failure, err = native.NewFailure(s.from, s.to, e, result); err != nil {
				return nil, err
			}
		}
		return s.failure.NewHook(next)
	}
	return native.NewTracer(next, newCallTracer(h, s, rtld.FindObject(target)))
}

// findPrototype finds the types of the function defined at target, if they matter and are not given.
func (s *hookSpec) findPrototype(target uintptr) error {
	s.found = true
	if s.proto == nil && s.kind != "count" {
		o := rtld.FindObject(target)
		if o == nil || o.System { // weld's own take the place of the C library's
			s.proto = known(s.name)
		}
		if s.proto == nil && o != nil {
			s.proto, _ = described(o.Path, o.BuildID, s.name)
		}
		if s.proto == nil {
			s.proto = known(s.name)
		}
	}
	switch {
	case s.kind == "trace" && s.proto == nil:
		return fmt.Errorf("--hook trace=%s: its types are not known: give a prototype, as in 'trace=int %s(int)'", s.name, s.name)
	case s.kind == "fail":
		_, _, err := s.failed()
		return err
	}
	return nil
}

// errnoResult are functions that return an error number, or not: those of POSIX's threads and of posix_* do as a rule.
var errnoResult = map[string]bool{
	"posix_openpt": false, "pthread_self": false, "pthread_getspecific": false, "clock_nanosleep": true, "getpwnam_r": true,
	"getpwuid_r": true, "getgrnam_r": true, "getgrgid_r": true, "ttyname_r": true, "readdir_r": true,
}

// minusOne are functions that fail with -1 though they do not return a signed integer.
var minusOne = set("mmap mmap64 mremap shmat sbrk signal sigset iconv iconv_open mbstowcs wcstombs mbrtowc wcrtomb mbsrtowcs wcsrtombs clock time alarm")

// failed returns the errno and the result of a call that fails.
func (s *hookSpec) failed() (e syscall.Errno, result uintptr, err error) {
	returnsErrno, known := errnoResult[s.name]
	if !known {
		returnsErrno = strings.HasPrefix(s.name, "pthread_") || strings.HasPrefix(s.name, "posix_")
	}
	const eaiSystem = -11
	switch {
	case s.result != nil:
		return s.errno, uintptr(*s.result), nil
	case returnsErrno:
		return 0, uintptr(s.errno), nil
	case s.name == "getaddrinfo" || s.name == "getnameinfo":
		r := int32(eaiSystem)
		return s.errno, uintptr(uint32(r)), nil
	case s.proto == nil || minusOne[s.name]:
		return s.errno, ^uintptr(0), nil
	}
	switch t := s.proto.Result; t.Kind {
	case cproto.Int:
		if t.Signed || t.Size < 4 {
			return s.errno, ^uintptr(0), nil
		}
		return s.errno, 0, nil
	case cproto.Void, cproto.Bool, cproto.Pointer:
		return s.errno, 0, nil
	default:
		return 0, 0, fmt.Errorf("--hook fail=%s: a result of type %s does not tell of an error", s.name, t)
	}
}

// report prints the counts, once, in the process that the program began in.
func (h *hooks) report() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reported || syscall.Getpid() != h.out.pid {
		return
	}
	h.reported = true
	counts := map[string]uint64{}
	var names, unknown []string
	for _, s := range h.list {
		s.mu.Lock()
		if !s.found {
			unknown = append(unknown, s.name)
		}
		if s.kind == "count" {
			names = append(names, s.name)
			for _, c := range s.counters {
				counts[s.name] += c.Count()
			}
			counts[s.name] += 0
		}
		s.mu.Unlock()
	}
	if h.json {
		if names != nil {
			h.out.object(map[string]any{"counts": counts})
		}
		if unknown != nil {
			h.out.object(map[string]any{"undefined": unknown})
		}
		return
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%10d %s\n", counts[name], name)
	}
	for _, name := range unknown {
		fmt.Fprintf(&b, "weld: --hook: nothing defined %s\n", name)
	}
	h.out.write([]byte(b.String()))
}

// atExit reports before a function that ends the process.
type atExit struct{ h *hooks }

func (a atExit) Enter(*native.CallFrame, native.Upcall) (int, bool) {
	a.h.report()
	return 0, false
}

func (a atExit) Leave(*native.CallFrame, native.Upcall) {}
