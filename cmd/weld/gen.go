package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"weld/ctype"
	"weld/internal/gogen"
)

type genCmd struct {
	Pkg      string   `short:"p" placeholder:"NAME" help:"The name of the package. Default: the library's, without lib and .so."`
	Names    []string `placeholder:"PATTERN" help:"Functions and variables to bind, as patterns with * and ?. Default: all."`
	Trim     []string `placeholder:"PREFIX" help:"Prefixes to take off names: with sqlite3_ the function sqlite3_open is Open."`
	Raw      []string `placeholder:"PATTERN" help:"Functions of which a const char * is *byte, which can be nil, not string."`
	Describe []string `placeholder:"PATTERN" help:"Structs to describe although a source file, not a header, does: such as those of an amalgamation."`
	Opaque   []string `placeholder:"PATTERN" help:"Structs not to describe: Go has pointers to them only."`
	Consts   []string `placeholder:"PATTERN" help:"Macros to take wherever they are defined; others only if a header of the library does it. They are known if the library was compiled with -g3."`
	Lib      string   `placeholder:"NAME" help:"What the generated Load opens. Default: the library's soname, or its path."`
	Output   string   `short:"o" placeholder:"FILE" help:"Write to FILE instead of standard output."`
	DebugDir []string `name:"debug-dir" placeholder:"DIR" sep:"none" help:"Look for separate files of debugging information in DIR instead of /usr/lib/debug. May be given several times."`

	From string `arg:"" name:"lib" help:"The library, with debugging information: a path, or a name that is searched as weld call searches it."`
}

// Help is the second part of weld gen --help.
func (*genCmd) Help() string {
	return `It writes a Go file with a struct that has a func field for each function of the library, the structs and enums that these lead to, and
a function Load that opens the library, binds all of them and checks the types of all. What Go has no type for is left out, and named with the reason at the end
of the file.

    weld gen -p sqlite --trim sqlite3_ --consts 'SQLITE_*' -o sqlite/sqlite.go ./libsqlite3.so.0

A const char * is a string, which cannot be nil: see --raw. A function pointer is a *weld.CallbackOf of the Go func type that fits.`
}

func (c *genCmd) Run(s *streams) error {
	wanted, err := matcher(c.Names)
	if err != nil {
		return err
	}
	file := c.From
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if found := findLibrary(file); found != "" {
			file = found
		}
	}
	if len(c.Names) == 0 {
		wanted = func(string) bool { return true }
	}
	l, err := gogen.Read(file, wanted, &ctype.Options{DebugDirs: c.DebugDir})
	if err != nil {
		return err
	}
	if c.Lib != "" {
		l.Name = c.Lib
	}
	o := &gogen.Options{Package: c.Pkg, Trim: c.Trim}
	for _, x := range []struct {
		patterns []string
		to       *func(string) bool
	}{{c.Raw, &o.Raw}, {c.Describe, &o.Open}, {c.Opaque, &o.Opaque}, {c.Consts, &o.Consts}} {
		if *x.to, err = matcher(x.patterns); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(l.Symbols, func(s gogen.Symbol) bool { return s.Type != nil && s.Why == "" }) {
		return fmt.Errorf("%s: no type is known of what it exports and is wanted", l.Name)
	}
	text, err := gogen.Write(l, o)
	if err != nil {
		return err
	}
	if c.Output == "" {
		_, err = s.out.Write(text)
		return err
	}
	return os.WriteFile(c.Output, text, 0o666)
}

// matcher returns what matches any of a list of patterns.
func matcher(patterns []string) (func(string) bool, error) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, usageError{fmt.Errorf("the pattern %q: %w", p, err)}
		}
	}
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, _ := path.Match(p, name)
			return ok
		})
	}, nil
}
