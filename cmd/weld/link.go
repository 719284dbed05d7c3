package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"weld/link/ldcmd"
	"weld/link/plugin"
)

// linkCmd is weld link. It takes GNU ld's command line as it is.
type linkCmd struct {
	Args []string `arg:"" optional:"" help:"The command line of GNU ld; --help lists the options."`
}

// Names that weld answers to as a linker: that of gcc -B DIR and COMPILER_PATH, and its own.
var linkerNames = map[string]bool{"ld": true, "ld.weld": true}

func (c *linkCmd) Run(s *streams) error {
	if status := runLinker("weld link", c.Args, s.out, s.err); status != 0 {
		return statusError{status, errLink}
	}
	return nil
}

// errLink is what is left to say after the linker's own messages.
var errLink = errors.New("nothing was linked")

// asLinker runs the command line of a process that was started by the name of a linker, or as weld link: a small link takes no
// longer than it takes to make a parser for the other commands.
func asLinker(args []string) (status int, ok bool) {
	switch {
	case len(args) > 0 && linkerNames[filepath.Base(args[0])]:
		return runLinker(filepath.Base(args[0]), args[1:], os.Stdout, os.Stderr), true
	case len(args) > 1 && args[1] == "link":
		return runLinker("weld link", args[2:], os.Stdout, os.Stderr), true
	}
	return 0, false
}

// memoryLimit is how much a link may allocate before the garbage collector runs. A link ends soon, and what it allocates it
// mostly keeps.
const memoryLimit = 4 << 30

func runLinker(name string, args []string, stdout, stderr io.Writer) int {
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(memoryLimit)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	cmd := ldcmd.Command{Name: name, Stdout: stdout, Stderr: stderr, OpenPlugin: plugin.Open}
	return cmd.Main(context.Background(), args)
}
