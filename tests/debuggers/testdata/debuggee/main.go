// Command debuggee does with libraries what it is told: by its arguments, one command each, and then by the lines of its
// standard input if the last argument is "-". It answers each command with a line.
//
//	open PATH                open a library in the default namespace
//	load PATH, fs PATH       open one from memory, from an fs.FS
//	ns N PATH                open one in a namespace of its own, which is made on first use
//	close NAME               close what was opened last under the last element of its path
//	closens N                close a namespace
//	call NAME FUNC [INT...]  call int FUNC(int, ...) of a library, of up to three arguments
//	back NAME FUNC INT       call int FUNC(int (*)(int), int), the function being Go, which calls int twice(int) of the library
//	nest NAME FUNC INT       the same, the Go function calling FUNC again with one less until it is 0, and twice after that
//	spin NAME FUNC MS        call FUNC(1) for so much processor time
//	mark NAME                call the function marked
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing/fstest"

	"weld"
)

var (
	libs   = map[string][]*weld.Library{}
	spaces = map[string]*weld.Namespace{}
)

func main() {
	for _, line := range os.Args[1:] {
		if line == "-" {
			fmt.Println("ready", os.Getpid())
			for s := bufio.NewScanner(os.Stdin); s.Scan(); {
				command(s.Text())
			}
			return
		}
		command(line)
	}
	end()
}

func command(line string) {
	out, err := do(strings.Fields(line))
	if err != nil {
		out = fmt.Sprint("error: ", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if out != "" {
		fmt.Println(out)
	}
}

func do(f []string) (string, error) {
	switch f[0] {
	case "open":
		lib, err := weld.Open(f[1])
		return opened(lib, err, f[1])
	case "load":
		data, err := os.ReadFile(f[1])
		if err != nil {
			return "", err
		}
		lib, err := weld.Load(filepath.Base(f[1]), bytes.NewReader(data), int64(len(data)))
		return opened(lib, err, f[1])
	case "fs":
		data, err := os.ReadFile(f[1])
		if err != nil {
			return "", err
		}
		name := filepath.Base(f[1])
		lib, err := weld.OpenFS(fstest.MapFS{name: &fstest.MapFile{Data: data}}, name)
		return opened(lib, err, f[1])
	case "objects":
		lib, err := weld.OpenObjects(nil, f[1:]...)
		return opened(lib, err, f[1])
	case "ns":
		ns := spaces[f[1]]
		if ns == nil {
			var err error
			if ns, err = weld.NewNamespace(weld.Config{}); err != nil {
				return "", err
			}
			spaces[f[1]] = ns
		}
		lib, err := ns.Open(f[2])
		return opened(lib, err, f[2])
	case "close":
		list := libs[f[1]]
		last := len(list) - 1
		libs[f[1]] = list[:last]
		return "closed", list[last].Close()
	case "closens":
		ns := spaces[f[1]]
		delete(spaces, f[1])
		return "closed", ns.Close()
	case "call":
		r, err := call(library(f[1]), f[2], ints(f[3:]))
		return fmt.Sprint("result ", r), err
	case "back":
		return back(library(f[1]), f[2], ints(f[3:])[0])
	case "nest":
		return nest(library(f[1]), f[2], ints(f[3:])[0])
	case "spin":
		return spin(library(f[1]), f[2], ints(f[3:])[0])
	case "mark":
		mark(f[1])
		return "", nil
	}
	return "", fmt.Errorf("no command %s", f[0])
}

func library(name string) *weld.Library { return libs[name][len(libs[name])-1] }

func opened(lib *weld.Library, err error, path string) (string, error) {
	if err != nil {
		return "", err
	}
	name := filepath.Base(path)
	libs[name] = append(libs[name], lib)
	return fmt.Sprintf("open %#x %s", lib.Base, name), nil
}

func ints(words []string) (list []int32) {
	for _, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil {
			panic(err)
		}
		list = append(list, int32(n))
	}
	return list
}

func call(lib *weld.Library, name string, args []int32) (int32, error) {
	args = append(args, 0, 0, 0)
	f, err := weld.Func[func(a, b, c int32) int32](lib, name, weld.IgnoreTypes) // of fewer arguments, as a rule
	if err != nil {
		return 0, err
	}
	return f(args[0], args[1], args[2]), nil
}

func back(lib *weld.Library, name string, n int32) (string, error) {
	twice, err := weld.Func[func(int32) int32](lib, "twice")
	if err != nil {
		return "", err
	}
	cb, err := weld.NewCallback(func(n int32) int32 { return goBack(twice, n) })
	if err != nil {
		return "", err
	}
	defer cb.Close()
	f, err := weld.Func[func(cb uintptr, n int32) int32](lib, name)
	if err != nil {
		return "", err
	}
	return fmt.Sprint("result ", f(cb.Addr(), n)), nil
}

//go:noinline
func goBack(twice func(int32) int32, n int32) int32 { return twice(n) + 1 }

func nest(lib *weld.Library, name string, n int32) (string, error) {
	twice, err := weld.Func[func(int32) int32](lib, "twice")
	if err != nil {
		return "", err
	}
	f, err := weld.Func[func(cb uintptr, n int32) int32](lib, name)
	if err != nil {
		return "", err
	}
	var cb *weld.Callback
	if cb, err = weld.NewCallback(func(n int32) int32 { return nested(f, twice, cb, n) }); err != nil {
		return "", err
	}
	defer cb.Close()
	return fmt.Sprint("result ", f(cb.Addr(), n)), nil
}

//go:noinline
func nested(f func(uintptr, int32) int32, twice func(int32) int32, cb *weld.Callback, n int32) (r int32) {
	deep(1000) // the goroutine's stack moves
	if n > 0 {
		r = f(cb.Addr(), n-1)
	}
	return r + twice(n)
}

//go:noinline
func deep(n int) (sum byte) {
	var room [256]byte
	if n > 0 {
		sum = deep(n - 1)
	}
	room[n%len(room)] = sum + 1
	return room[n%len(room)]
}

func spin(lib *weld.Library, name string, ms int32) (string, error) {
	f, err := weld.Func[func(int32) int32](lib, name)
	if err != nil {
		return "", err
	}
	used := func() int64 {
		var r syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return r.Utime.Nano()
	}
	n := 0
	for end := used() + int64(ms)*1e6; used() < end; n++ {
		f(1)
	}
	return fmt.Sprint("spun ", n), nil
}

func mark(name string) {
	fmt.Println("mark", name)
	marked()
}

// marked and end are for breakpoints: a function that needs more stack begins anew when it has it.
//
//go:noinline
func marked() {}

//go:noinline
func end() {}
