package tests

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// A script of dl operations runs twice: by testdata/dlscript.c through the
// system's dynamic linker and by the child "dlscript" through weld. What the
// two print, libraries' own output in between, has to be the same.

func init() { testenv.Child("dlscript", scriptChild) }

// runScript runs the script in the fixture folder on both sides, compares, and
// returns the output.
func runScript(t *testing.T, d *testenv.Dir, script string, env ...string) string {
	t.Helper()
	native := exec.Command(scriptProgram(t))
	want := runSide(t, native, d, script, env)
	ours := testenv.ChildCommand(t, "dlscript")
	env = append(env, ours.Env[len(ours.Env)-1])
	got := runSide(t, ours, d, script, env)
	if string(want.Stdout) != string(got.Stdout) || want.String() != got.String() {
		t.Errorf("weld and the system's dynamic linker differ\nglibc (%v):\n%s%s\nweld (%v):\n%s%s",
			want, want.Stdout, want.Stderr, got, got.Stdout, tail(got.Stderr, 60))
	}
	return string(want.Stdout)
}

func runSide(t *testing.T, cmd *exec.Cmd, d *testenv.Dir, script string, env []string) testenv.Result {
	t.Helper()
	cmd.Dir = d.Path
	cmd.Env = append(append(plainEnv(), "LD_LIBRARY_PATH="+d.Path), env...)
	cmd.Stdin = strings.NewReader(script)
	return testenv.Run(t, cmd, testenv.Patience)
}

var scriptPath string

// scriptProgram compiles testdata/dlscript.c, once per run.
func scriptProgram(t *testing.T) string {
	t.Helper()
	oraclePath.Lock()
	defer oraclePath.Unlock()
	if scriptPath == "" {
		built := testenv.NewDir(t).Program("dlscript", "dlscript.c")
		path := filepath.Join(testenv.RunDir(t), "dlscript")
		if err := os.Rename(built, path); err != nil {
			t.Fatal(err)
		}
		scriptPath = path
	}
	return scriptPath
}

func say(format string, args ...any) { os.Stdout.WriteString(fmt.Sprintf(format, args...)) }

func scriptChild([]string) {
	// Thread-local variables are to keep their values from call to call.
	runtime.LockOSThread()
	handles := map[string]*weld.Library{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		if len(w) == 0 {
			continue
		}
		say("%s: ", strings.Join(w, " "))
		switch w[0] {
		case "exit":
			code, _ := strconv.Atoi(w[1])
			say("\n")
			weld.Exit(code)
		case "loaded":
			lib, err := weld.Open(w[1], weld.Lazy, weld.NoLoad)
			if err != nil {
				say("no\n")
				continue
			}
			say("yes\n")
			lib.Close()
		case "open":
			lib, err := weld.Open(w[2], scriptOptions(w[3])...)
			if err != nil {
				delete(handles, w[1])
				say("refused\n")
				fmt.Fprintln(os.Stderr, err)
				continue
			}
			handles[w[1]] = lib
			say("ok\n")
		default:
			scriptLibrary(handles, w)
		}
	}
}

func scriptOptions(list string) []weld.Option {
	var opts []weld.Option
	for _, o := range strings.Split(list, ",") {
		switch o {
		case "now":
			opts = append(opts, weld.Now)
		case "lazy":
			opts = append(opts, weld.Lazy)
		case "global":
			opts = append(opts, weld.Global)
		case "nodelete":
			opts = append(opts, weld.NoDelete)
		case "noload":
			opts = append(opts, weld.NoLoad)
		case "deepbind":
			opts = append(opts, weld.DeepBind)
		}
	}
	return opts
}

// scriptLibrary does the operations on an open library.
func scriptLibrary(handles map[string]*weld.Library, w []string) {
	lib := handles[w[1]]
	switch {
	case lib == nil:
		say("not open\n")
	case w[0] == "close":
		delete(handles, w[1])
		if err := lib.Close(); err != nil {
			say("error\n")
			fmt.Fprintln(os.Stderr, err)
			return
		}
		say("ok\n")
	default:
		scriptSymbol(lib, w)
	}
}

// scriptSymbol does the operations that look up a symbol.
func scriptSymbol(lib *weld.Library, w []string) {
	var sym weld.Symbol
	var err error
	if w[0] == "sym" && len(w) > 3 {
		sym, err = lib.LookupVersion(w[2], w[3])
	} else {
		sym, err = lib.Lookup(w[2])
	}
	if err != nil {
		say("none\n")
		fmt.Fprintln(os.Stderr, err)
		return
	}
	switch w[0] {
	case "int":
		var a [6]int64
		for i, s := range w[3:] {
			a[i], _ = strconv.ParseInt(s, 10, 64)
		}
		f, err := weld.FuncAt[func(a, b, c, d, e, f int64) int64](sym.Addr)
		if err != nil {
			say("%v\n", err)
			return
		}
		say("%d\n", f(a[0], a[1], a[2], a[3], a[4], a[5]))
	case "dbl":
		var a [8]float64
		for i, s := range w[3:] {
			a[i], _ = strconv.ParseFloat(s, 64)
		}
		f, err := weld.FuncAt[func(a, b, c, d, e, f, g, h float64) float64](sym.Addr)
		if err != nil {
			say("%v\n", err)
			return
		}
		say("%.6f\n", f(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]))
	case "str":
		f, err := weld.FuncAt[func() string](sym.Addr)
		if err != nil {
			say("%v\n", err)
			return
		}
		say("%s\n", f())
	case "var":
		say("%d\n", *(*int32)(pointer(sym.Addr)))
	case "sym":
		loc, ok := weld.FindAddr(sym.Addr)
		if !ok {
			say("outside\n")
			return
		}
		say("%s+%#x\n", filepath.Base(loc.Library.Path), sym.Addr-loc.Library.Base)
	case "perm":
		say("%s\n", permAt(sym.Addr))
	default:
		say("what?\n")
		os.Exit(97)
	}
}

// pointer makes a pointer to memory that Go does not own.
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// permAt returns the protection of the page at addr, as /proc/self/maps has it.
func permAt(addr uintptr) string {
	data, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(data)) {
		var from, to uintptr
		var perm string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perm); n == 3 && from <= addr && addr < to {
			return perm
		}
	}
	return "unmapped"
}
