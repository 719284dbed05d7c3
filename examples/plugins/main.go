// Command plugins is a host for modules. It gives them a small store of texts and a way to print, calls plugin_line for each line that
// it reads, and loads the module anew whenever its file has changed: what is in the store stays.
//
//	gcc -g -fPIC -c examples/plugins/testdata/count.c && weld link --module -o count.so count.o
//	go run ./examples/plugins count.so
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"weld"
	"weld/module"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: plugins MODULE")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plugins:", err)
		os.Exit(1)
	}
}

// plugin is what a module has to export.
type plugin struct {
	m       *module.Module
	line    func(text string) int32 // int plugin_line(const char *text)
	changed time.Time
}

// serve calls the module for each line of in.
func serve(path string, in io.Reader, out io.Writer) error {
	host, err := newHost(out)
	if err != nil {
		return err
	}
	defer host.Close()
	p, err := load(path, host)
	if err != nil {
		return err
	}
	defer func() { p.m.Free() }()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if info, err := os.Stat(path); err == nil && !info.ModTime().Equal(p.changed) {
			next, err := load(path, host)
			if err != nil { // the old one goes on
				fmt.Fprintln(out, err)
				p.changed = info.ModTime()
			} else {
				p, next = next, p
				if err := next.m.Free(); err != nil {
					return err
				}
			}
		}
		if n := p.line(lines.Text()); n != 0 {
			return fmt.Errorf("plugin_line: %d", n)
		}
	}
	return lines.Err()
}

// newHost makes the table of what modules may use.
func newHost(out io.Writer) (*module.Exports, error) {
	store := map[string]int64{}
	host := new(module.Exports)
	err := errors.Join(
		host.Func("void host_print(const char *text, long n)", func(text *byte, n int64) { fmt.Fprintln(out, weld.GoString(text), n) }),
		host.Func("long host_get(const char *key)", func(key *byte) int64 { return store[weld.GoString(key)] }),
		host.Func("void host_set(const char *key, long value)", func(key *byte, value int64) { store[weld.GoString(key)] = value }),
	)
	return host, err
}

func load(path string, host *module.Exports) (*plugin, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m, err := module.Load(f, info.Size(), host, &module.Options{Name: path, MaxSize: 16 << 20})
	if err != nil {
		return nil, err
	}
	line, err := module.Import[func(text string) int32](m, "plugin_line")
	if err != nil {
		return nil, errors.Join(err, m.Free())
	}
	return &plugin{m, line, info.ModTime()}, nil
}
