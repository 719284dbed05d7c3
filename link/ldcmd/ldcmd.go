// Package ldcmd is the command line of GNU ld in front of package link: weld link, and whatever answers to the name of ld.
package ldcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"weld/link"
)

// ErrUsage is the kind of errors of the command line.
var ErrUsage = errors.New("wrong command line")

type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }
func (e *usageError) Unwrap() error { return ErrUsage }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// A parser is the state of a command line that is read.
type parser struct {
	opt     link.Options
	interp  string
	mapFile string
	depFile string
	texts   []string // files of options that steer the link
	version int
	help    bool
	time    bool
	json    string // where a summary goes; "" for nowhere, - for standard output
	picture string // where a picture of the phases goes
	quiet   bool
	cref    bool
	color   string // always, auto or never
	unknown []string

	state
	stack     []state
	sawStatic bool
}

// A state is what --push-state saves.
type state struct {
	static, asNeeded, whole, lazy bool
}

func (p *parser) push() { p.stack = append(p.stack, p.state) }

func (p *parser) pop() error {
	if len(p.stack) == 0 {
		return usage("--pop-state without --push-state")
	}
	p.state, p.stack = p.stack[len(p.stack)-1], p.stack[:len(p.stack)-1]
	return nil
}

func (p *parser) input(path string) { p.add(link.Input{Path: path}) }

func (p *parser) add(in link.Input) {
	in.Static, in.AsNeeded, in.WholeArchive, in.Lazy = p.static, p.asNeeded, p.whole, p.lazy
	p.opt.Inputs = append(p.opt.Inputs, in)
}

// script is the option -T: a script that stands in for a library is an input like any other.
func (p *parser) script(path string) error {
	p.input(path)
	return nil
}

func (p *parser) text(to *[]link.Text, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	*to = append(*to, link.Text{Name: path, Data: data})
	p.texts = append(p.texts, path)
	return nil
}

// escapeMake writes a path as a makefile has it.
func escapeMake(path string) string {
	return strings.NewReplacer(" ", "\\ ", "#", "\\#", "$", "$$", ":", "\\:").Replace(path)
}

// A Command is the linker as a program.
type Command struct {
	Name           string // what messages begin with
	Stdout, Stderr io.Writer
	// OpenPlugin opens the plugins that -plugin names; nil if there is no support for them.
	OpenPlugin func(link.PluginConfig) (link.Plugin, error)
}

// Main is [Command.Main] without plugins.
func Main(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	return (&Command{Name: name, Stdout: stdout, Stderr: stderr}).Main(ctx, args)
}

// Main runs a command line without the name of the program, and returns the exit status: 0, 2 if the command line is
// wrong, or 1 after another error. Errors are written to Stderr.
func (c *Command) Main(ctx context.Context, args []string) int {
	name, stderr := c.Name, c.Stderr
	p := &parser{color: "auto"}
	p.opt.ErrorLimit = defaultErrors
	p.opt.OpenPlugin = c.OpenPlugin
	err := p.run(ctx, name, args, c.Stdout, stderr)
	if err == nil {
		return 0
	}
	p.reporter(name, stderr).errors(err, p.opt.ErrorLimit)
	if errors.Is(err, ErrUsage) || errors.As(err, new(*link.OptionError)) {
		return 2
	}
	return 1
}

func (p *parser) run(ctx context.Context, name string, args []string, stdout, stderr io.Writer) error {
	args, err := expand(args, 0)
	if err != nil {
		return err
	}
	p.opt.Output = "a.out"
	p.interp = link.DefaultInterpreter
	if err := p.parse(args); err != nil {
		return err
	}
	if p.help {
		printHelp(stdout, name)
		return nil
	}
	if p.version > 0 {
		printVersion(stdout, p.version)
		if p.version == 3 || len(p.opt.Inputs) == 0 {
			return nil
		}
	}
	if len(p.unknown) > 0 {
		return usage("unknown option%s: %s", plural(p.unknown), strings.Join(p.unknown, ", "))
	}
	if p.opt.Mode != link.Shared && p.opt.Mode != link.Relocatable && p.sawStatic {
		p.opt.Static = true
	}
	if p.opt.Mode != link.Shared && !p.opt.Static {
		p.opt.Interpreter = p.interp
	}
	return p.link(ctx, name, stdout, stderr)
}

func plural(list []string) string {
	if len(list) > 1 {
		return "s"
	}
	return ""
}

// link links and writes what goes beside the output.
func (p *parser) link(ctx context.Context, name string, stdout, stderr io.Writer) error {
	rep := p.reporter(name, stderr)
	p.opt.Warn = func(msg string) {
		if !p.quiet {
			rep.say("warning", colorWarning, msg)
		}
	}
	p.opt.Print = func(line string) { fmt.Fprintln(stdout, line) }
	var mapText []byte
	if p.mapFile != "" {
		p.opt.Map = func(text []byte) { mapText = append(text, mapText...) }
	}
	if p.cref {
		p.opt.CrossReference = func(text []byte) { mapText = text }
		if p.mapFile == "" {
			p.mapFile = "-"
		}
	}
	if isTerminal(stderr) {
		var done func()
		p.opt.Progress, done = rep.progress(progressAfter)
		defer done()
	}
	p.opt.ListDiscarded, p.opt.Spans = p.json != "", p.picture != ""
	res, err := link.Link(ctx, p.opt)
	if err != nil {
		return err
	}
	switch p.mapFile {
	case "":
	case "-":
		stdout.Write(mapText)
	default:
		if err := os.WriteFile(p.mapFile, mapText, 0o666); err != nil {
			return err
		}
	}
	if p.depFile != "" {
		// Each file is a target too, so that make does not stop when one is gone.
		var b, targets strings.Builder
		b.WriteString(escapeMake(p.opt.Output) + ":")
		for _, f := range append(res.Opened, p.texts...) {
			f = escapeMake(f)
			b.WriteString(" \\\n  " + f)
			targets.WriteString("\n" + f + ":\n")
		}
		b.WriteString("\n" + targets.String())
		if err := os.WriteFile(p.depFile, []byte(b.String()), 0o666); err != nil {
			return err
		}
	}
	if p.json != "" {
		if err := p.writeSummary(res, stdout); err != nil {
			return err
		}
	}
	if p.picture != "" {
		if err := os.WriteFile(p.picture, timeline(p.opt.Output, res), 0o666); err != nil {
			return err
		}
	}
	if p.time {
		for _, ph := range res.Phases {
			fmt.Fprintf(stderr, "%10.3f ms  %s\n", float64(ph.Time.Nanoseconds())/1e6, ph.Name)
		}
	}
	return nil
}

// maxResponse bounds response files that name response files.
const maxResponse = 16

// expand replaces arguments @FILE by the arguments in the file, which are separated by white space and may be quoted.
func expand(args []string, depth int) ([]string, error) {
	var out []string
	for _, a := range args {
		if !strings.HasPrefix(a, "@") {
			out = append(out, a)
			continue
		}
		data, err := os.ReadFile(a[1:])
		if errors.Is(err, os.ErrNotExist) {
			out = append(out, a) // as GNU ld does
			continue
		}
		if err != nil {
			return nil, err
		}
		if depth == maxResponse {
			return nil, usage("%s: response files name response files %d deep", a, depth)
		}
		more, err := expand(splitArgs(string(data)), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// splitArgs splits the text of a response file.
func splitArgs(s string) []string {
	var args []string
	var b strings.Builder
	in := false
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				b.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if in {
				args = append(args, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		args = append(args, b.String())
	}
	return args
}

// printVersion writes what build systems look for: "GNU" tells them which options there are.
func printVersion(w io.Writer, level int) {
	fmt.Fprintln(w, "weld ld 1.0 (compatible with GNU ld)")
	if level == 2 {
		fmt.Fprintln(w, "  Supported emulations:\n   "+strings.Join(link.Emulations(), "\n   "))
	}
}

func printHelp(w io.Writer, name string) {
	fmt.Fprintf(w, `Usage: %s [options] file...

Links relocatable objects, archives and shared libraries to an executable or a shared library. The options are those of GNU ld:
  -o FILE                     the output (a.out)
  -shared, -pie, -static      what is made: a shared library, a position-independent executable, one without shared libraries
  -L DIR, -l NAME, -l:FILE    where libraries are searched, and a library
  --as-needed, --no-as-needed, --whole-archive, --no-whole-archive, --start-group, --end-group, --push-state, --pop-state,
  --start-lib, --end-lib, -Bstatic, -Bdynamic
                              how the inputs that follow are taken
  -e SYMBOL, -u SYMBOL, --defsym NAME=VALUE, --wrap SYMBOL, --require-defined SYMBOL
                              symbols
  -soname NAME, -rpath DIR, -rpath-link DIR, -dynamic-linker FILE, -E, --dynamic-list FILE, --version-script FILE,
  --exclude-libs LIST, --export-dynamic-symbol PATTERN, -Bsymbolic, -Bsymbolic-functions, --hash-style=gnu|sysv|both
                              what the run-time linker sees
  --gc-sections, --print-gc-sections, -s, -S, -x, -X
                              what is left out
  --build-id[=KIND], --eh-frame-hdr, -z KEYWORD, -Map FILE, --dependency-file FILE, --threads=N
  --module[=FILE], --export-table[=FILE]
                              a module of signed symbols for package module, with what it may import; a table of exports
  --time, --json[=FILE], --timeline=FILE
                              the phases and their times, a summary, a picture of the phases
  @FILE                       more arguments from a file

%s: supported targets: %s
%s: supported emulations: %s
`, name, name, strings.Join(link.Formats(), " "), name, strings.Join(link.Emulations(), " "))
}
