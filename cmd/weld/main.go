// The program that weld run runs must not find descriptors that the Go runtime keeps open.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command weld calls functions of shared libraries, shows what is in an ELF file, and shows on the machine it runs on what package weld
// does there.
//
//	weld call LIB 'PROTOTYPE' ARGS... (or a NAME whose type is known)
//	weld diff OLD NEW
//	weld gen LIB
//	weld info FILE
//	weld link OPTIONS AND FILES OF GNU LD
//	weld run PROG ARGS...
//	weld stamp PROG
//	weld tour
//	weld watch PID
//
// Under the name ld or ld.weld it is weld link. Each command has --help. The exit status is 0, or 1 if something failed, or
// 2 if the command line is wrong; 3 of diff if old callers break; of run, it is the program's.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"weld"
)

// Exit statuses.
const (
	statusOK     = 0
	statusFailed = 1
	statusUsage  = 2
)

func main() {
	if status, ok := interpret(); ok {
		os.Exit(status)
	}
	if status, ok := asLinker(os.Args); ok {
		os.Exit(status)
	}
	// The C library's exit runs what loaded code has left to be run, and writes its buffers.
	weld.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// commands is the command line.
type commands struct {
	Call  callCmd  `cmd:"" help:"Call a C function of a shared library."`
	Diff  diffCmd  `cmd:"" help:"Compare two versions of a library: symbols, types, struct layouts."`
	Gen   genCmd   `cmd:"" help:"Write a Go package that binds a library, from its debugging information."`
	Info  infoCmd  `cmd:"" help:"Show what an ELF file holds for a run-time linker."`
	Link  linkCmd  `cmd:"" passthrough:"" help:"Link objects, archives and shared libraries, with the options of GNU ld."`
	Run   runCmd   `cmd:"" help:"Run a program with weld as its run-time linker."`
	Stamp stampCmd `cmd:"" help:"Put notes of the debugger interface's probes into a program that uses weld."`
	Tour  tourCmd  `cmd:"" help:"Load and call the libraries of this machine, step by step."`
	Watch watchCmd `cmd:"" help:"Show what any process has loaded, and what it loads and unloads."`
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is an error of the command line, not of what it asks for.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	err    error
}

func (e statusError) Error() string { return e.err.Error() }
func (e statusError) Unwrap() error { return e.err }

// run executes the command line args and returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	io3 := &streams{stdin, stdout, stderr}
	if len(args) > 1 && args[0] == "run" && !strings.HasPrefix(args[1], "-") {
		// There are no flags to parse, and a parser takes longer to make than some programs to run.
		c := runCmd{Prog: args[1], Args: args[2:]}
		return report(stderr, "run: ", c.Run(io3))
	}
	helped := false
	var c commands
	parser, err := kong.New(&c,
		kong.Name("weld"),
		kong.Description("A run-time linker and loader. Exit status: 0 done, 1 failed, 2 the command line is wrong."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Bind(io3),
		kong.Help(printHelp),
	)
	if err != nil {
		return report(stderr, "", err)
	}
	if len(args) == 0 {
		parser.Stdout = stderr
		parser.Parse([]string{"--help"})
		return statusUsage
	}
	switch args[0] {
	case "run":
		args, c.Run.Args = cutProgram(parser.Model, args)
	case "watch":
		before := len(args)
		args, c.Watch.Args = cutProgram(parser.Model, args)
		c.Watch.isProgram = len(args)+len(c.Watch.Args) == before // else the -- is cutProgram's
	}
	ctx, err := parser.Parse(args)
	switch {
	case helped: // whatever else is missing
		return statusOK
	case err != nil:
		return report(stderr, "", usageError{fmt.Errorf("%w (see weld --help)", err)})
	}
	name, _, _ := strings.Cut(ctx.Command(), " ")
	if err := ctx.Run(); err != nil {
		return report(stderr, name+": ", err)
	}
	return statusOK
}

// usages are the command lines in the order in which they have to be typed.
var usages = map[string]string{
	"call":  "weld call [flags] LIB 'PROTOTYPE'|NAME [ARGS...]",
	"diff":  "weld diff [flags] OLD NEW",
	"gen":   "weld gen [flags] LIB",
	"info":  "weld info [flags] FILE",
	"link":  "weld link [options of GNU ld] FILE...",
	"run":   "weld run [flags] PROG [ARGS...]",
	"stamp": "weld stamp [flags] FILE",
	"tour":  "weld tour",
	"watch": "weld watch [flags] PID, or weld watch [flags] [--] PROG [ARGS...]",
}

// printHelp is kong's help with the first line from usages.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	var b bytes.Buffer
	out := ctx.Stdout
	ctx.Stdout = &b
	err := kong.DefaultHelpPrinter(options, ctx)
	ctx.Stdout = out
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(b.String(), "\n")
	_, err = fmt.Fprintf(out, "Usage: %s\n%s", usages[node.Name], rest)
	return err
}

// report prints err as one line and returns the exit status for it.
func report(stderr io.Writer, command string, err error) int {
	fmt.Fprintf(stderr, "weld: %s%s\n", command, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " "))
	if errors.As(err, new(usageError)) {
		return statusUsage
	}
	if e := new(statusError); errors.As(err, e) {
		return e.status
	}
	return statusFailed
}
