package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"weld/image/elf"
	"weld/internal/rtld"
	"weld/native"
)

// A program runs on the first kernel thread of the process, which main is on when it begins.
func init() { runtime.LockOSThread() }

// Exit statuses of weld run for a program that was not started, as those of a shell.
const (
	statusCannot   = 126
	statusNotFound = 127
)

// runCmd is weld run.
type runCmd struct {
	Prog string   `arg:"" help:"The program: a path, or a name that is looked up in PATH. What follows are its arguments."`
	Args []string `kong:"-"`
	Lazy bool     `help:"Bind functions when they are called first, as ld.so does; else at load, where they are defined."`

	traceFlags
	hookFlags
}

func (c *runCmd) Help() string {
	return `The program runs in this process: weld maps it and its libraries, binds them and starts it. Its exit status, or the
signal it dies of, is that of the process. If it cannot be started the status is 127 where something was not found, else
126. LD_LIBRARY_PATH, LD_PRELOAD and LD_BIND_NOW mean what they mean to ld.so.

  weld run ls -l /
  weld run python3 -c 'import json; print(json.dumps([1]))'
  weld run --trace --stats true
  weld run --hook count=malloc,free sort FILE` + traceHelp + hookHelp
}

func (c *runCmd) Run(s *streams) error {
	if err := errors.Join(c.check(len(c.Hook) > 0), c.checkHooks()); err != nil {
		return err
	}
	env, err := native.Restart(native.Environ())
	if err == nil {
		err = c.start(env)
	}
	return statusError{runStatus(err), fmt.Errorf("%s: %w", c.Prog, err)}
}

// cutProgram splits the command line of weld run behind the program's name: what comes after it is not weld's.
func cutProgram(model *kong.Application, args []string) (own, rest []string) {
	value := map[string]bool{} // the flags that take a word of their own
	for _, node := range model.Children {
		if node.Name == args[0] {
			for _, f := range node.Flags {
				value["--"+f.Name] = !f.IsBool()
			}
		}
	}
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case value[a]:
			i++
		case a == "--" && i+1 < len(args):
			return args[:i+2], args[i+2:]
		case !strings.HasPrefix(a, "-"):
			return append(slices.Clone(args[:i]), "--", a), args[i+1:]
		}
	}
	return args, nil
}

// start runs the program; it returns if that is not possible.
func (c *runCmd) start(env []string) error {
	path, args, err := resolve(c.Prog, append([]string{c.Prog}, c.Args...))
	if err != nil {
		return err
	}
	p := &rtld.Program{Path: path, Args: args, Env: env, Lazy: c.Lazy}
	p.Preload = preload(env)
	if err := c.traceFlags.start(); err != nil {
		return err
	}
	if err := c.startHooks(p, c.JSON); err != nil {
		return err
	}
	if err := p.Load(); err != nil {
		return err
	}
	if p.Object() == nil && len(c.Hook) > 0 {
		return errors.New("--hook: the program is a static one, which binds nothing at run time")
	}
	return p.Run()
}

// interpret runs the program that names this binary as its interpreter (PT_INTERP), if the kernel has started it as that.
// It returns if the program cannot be run.
func interpret() (status int, ok bool) {
	p, secure, err := rtld.Started()
	if err == nil && p == nil {
		return 0, false
	}
	if err == nil {
		p.Args, p.Env = os.Args, native.Environ()
		if secure {
			p.Env = slices.DeleteFunc(p.Env, forLinker)
		}
		p.Preload = preload(p.Env)
		if err = p.Load(); err == nil {
			err = p.Run()
		}
	}
	return report(os.Stderr, "", statusError{runStatus(err), err}), true
}

// forLinker reports whether an entry of the environment tells a run-time linker what else to load, where to look for it,
// or what to write where. A program with rights that its caller has not is to have none of them, nor may the run-time
// linker of its C library see them. That one drops all that is unsafe for the library itself (GCONV_PATH, TMPDIR and so
// on): which variables those are is a matter of its version.
func forLinker(entry string) bool {
	name, _, _ := strings.Cut(entry, "=")
	switch name {
	case "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LD_DEBUG", "LD_DEBUG_OUTPUT", "LD_PROFILE", "LD_SHOW_AUXV", "LD_TRACE_LOADED_OBJECTS":
		return true
	}
	return false
}

// preload returns the libraries that LD_PRELOAD names.
func preload(env []string) []string {
	for _, v := range env {
		if list, ok := strings.CutPrefix(v, "LD_PRELOAD="); ok {
			return strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ':' })
		}
	}
	return nil
}

// resolve finds the file to load for a program name: the program, or the interpreter that its first line names
// (execve(2)), with that put before the arguments.
func resolve(name string, args []string) (string, []string, error) {
	path := name
	if !strings.Contains(name, "/") {
		found, err := exec.LookPath(name)
		if err != nil && !errors.Is(err, exec.ErrDot) {
			return "", nil, errors.Unwrap(err)
		}
		path = found
	}
	const depth = 5 // BINPRM_MAX_RECURSION of Linux and one
	for range depth {
		if err := executable(path); err != nil {
			return "", nil, err
		}
		interp, arg, err := scriptInterpreter(path)
		if err != nil || interp == "" {
			return path, args, err
		}
		line := []string{interp}
		if arg != "" {
			line = append(line, arg)
		}
		args = append(append(line, path), args[1:]...)
		path = interp
	}
	return "", nil, syscall.ELOOP
}

// executable checks what execve checks before it reads the file.
func executable(path string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	const execute = 1
	switch {
	case st.Mode&syscall.S_IFMT == syscall.S_IFDIR:
		return &fs.PathError{Op: "run", Path: path, Err: syscall.EISDIR}
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG || syscall.Access(path, execute) != nil:
		return &fs.PathError{Op: "run", Path: path, Err: syscall.EACCES}
	case st.Mode&syscall.S_ISUID != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s: the program is to run as another user (set-user-ID); only the kernel can do that", path)
	case st.Mode&syscall.S_ISGID != 0 && st.Mode&0o010 != 0 && int(st.Gid) != os.Getegid():
		return fmt.Errorf("%s: the program is to run as another group (set-group-ID); only the kernel can do that", path)
	case os.Geteuid() != 0 && hasCapabilities(path):
		return fmt.Errorf("%s: the program is to run with capabilities of its own; only the kernel can give it those", path)
	}
	return nil
}

// hasCapabilities reports whether a file has capabilities for who executes it (capabilities(7)).
func hasCapabilities(path string) bool {
	n, err := syscall.Getxattr(path, "security.capability", nil)
	return err == nil && n > 0
}

// scriptInterpreter returns the interpreter that the first line of a script names, and its one argument; "" for other
// files.
func scriptInterpreter(path string) (interp, arg string, err error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	buf := make([]byte, 256) // BINPRM_BUF_SIZE of Linux
	n, err := syscall.Read(fd, buf)
	if err != nil {
		return "", "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	line, ok := bytes.CutPrefix(buf[:n], []byte("#!"))
	if !ok {
		return "", "", nil
	}
	if line, _, ok = bytes.Cut(line, []byte("\n")); !ok && n == len(buf) {
		return "", "", fmt.Errorf("%s: the first line is too long", path)
	}
	interp, arg, _ = strings.Cut(strings.Trim(string(line), " \t"), " ")
	if interp, tab, ok := strings.Cut(interp, "\t"); ok {
		return interp, strings.Trim(tab+" "+arg, " \t"), nil
	}
	if interp == "" {
		return "", "", fmt.Errorf("%s: the first line names no interpreter", path)
	}
	return interp, strings.Trim(arg, " \t"), nil
}

// runStatus returns the exit status for a program that could not be started.
func runStatus(err error) int {
	var missing *rtld.UndefinedError
	var version *rtld.VersionError
	var format *elf.FormatError
	var open *rtld.OpenError
	switch {
	case errors.As(err, &format) && (!errors.As(err, &open) || format.File == open.Path):
		return statusCannot // the program; libraries are what is not there
	case errors.As(err, &format):
		return statusNotFound
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound), errors.Is(err, rtld.ErrNotFound),
		errors.Is(err, native.ErrNoLibc), errors.As(err, &missing), errors.As(err, &version):
		return statusNotFound
	}
	return statusCannot
}
