package main

import (
	"os"
	"path/filepath"

	"weld/debug"
)

// stampCmd is weld stamp.
type stampCmd struct {
	File   string `arg:"" help:"The program."`
	Output string `short:"o" placeholder:"FILE" help:"Write to FILE instead of replacing the program."`
}

func (c *stampCmd) Help() string {
	return `Gives the file of a Go program that uses weld notes (.note.stapsdt) of the nine probes of the run-time linker's debugger
interface, provider rtld: gdb, perf, bpftrace and weld watch find the probes in the program itself then. Without it the
program makes a small object for them when it first opens a library, which keeps a file descriptor. The program must not
be stripped.

  weld stamp ./prog
  bpftrace -e 'usdt:./prog:rtld:map_complete { printf("%d\n", pid); }'`
}

func (c *stampCmd) Run() error {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	out, err := debug.Stamp(c.File, data)
	if err != nil {
		return err
	}
	name := c.Output
	if name == "" {
		if name, err = filepath.EvalSymlinks(c.File); err != nil { // the link stays one
			return err
		}
	}
	// The program may be running, and whatever fails must leave it as it is.
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(out); err != nil {
		return err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
