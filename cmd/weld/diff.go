package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"weld/ctype"
)

// statusBreaks is the exit status of weld diff if callers that were compiled against the old library do not work with the
// new one.
const statusBreaks = 3

type diffCmd struct {
	JSON     bool     `help:"Print a JSON object."`
	DebugDir []string `name:"debug-dir" placeholder:"DIR" sep:"none" help:"Look for separate files of debugging information in DIR instead of /usr/lib/debug. May be given several times."`

	Old string `arg:"" help:"The library as it was: a path, or a name that is searched as weld call searches it."`
	New string `arg:"" help:"The library as it is."`
}

// Help is the second part of weld diff --help.
func (*diffCmd) Help() string {
	return `It compares what two versions of a library export: symbols that are gone or new, and, as far as there is debugging information or a table of
signatures, the types of functions and variables, with the structs that they lead to. It tells what breaks callers that were compiled against OLD (!), what may (?),
and what does not. Differences between compilers are none.

The exit status is 0 if old callers go on working, 3 if they do not, 1 if the libraries cannot be compared.`
}

// diffOutput is what weld diff prints.
type diffOutput struct {
	Effect   string       `json:"effect"`
	Compared int          `json:"compared"`
	Unknown  int          `json:"unknown"`
	Symbols  []diffSymbol `json:"symbols"`
}

type diffSymbol struct {
	Name    string       `json:"name"`
	What    string       `json:"what"` // gone, new, changed
	Effect  string       `json:"effect"`
	Old     string       `json:"old,omitempty"`
	New     string       `json:"new,omitempty"`
	Changes []diffChange `json:"changes,omitempty"`
}

type diffChange struct {
	Where  string `json:"where,omitempty"`
	Text   string `json:"text"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
	Effect string `json:"effect"`
}

var marks = [...]string{ctype.Harmless: " ", ctype.MayBreak: "?", ctype.Breaks: "!"}

func (c *diffCmd) Run(s *streams) error {
	old, err := c.open(c.Old)
	if err != nil {
		return err
	}
	now, err := c.open(c.New)
	if err != nil {
		return err
	}
	comparison, err := ctype.Compare(old, now)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, diffJSON(comparison), "  ")
	} else {
		err = diffText(s.out, comparison)
	}
	if err != nil {
		return err
	}
	if comparison.Effect() == ctype.Breaks {
		return statusError{statusBreaks, errors.New("callers of " + c.Old + " do not work with " + c.New)}
	}
	return nil
}

func (c *diffCmd) open(name string) (*ctype.Info, error) {
	o := &ctype.Options{DebugDirs: c.DebugDir}
	in, err := ctype.Open(name, o)
	if errors.Is(err, fs.ErrNotExist) {
		if path := findLibrary(name); path != "" {
			return ctype.Open(path, o)
		}
	}
	return in, err
}

func diffText(w io.Writer, c *ctype.Comparison) error {
	var b strings.Builder
	for i := range c.Symbols {
		s := &c.Symbols[i]
		switch {
		case s.Gone:
			fmt.Fprintf(&b, "! %s is gone\n", declared(s.Name, s.Old))
		case s.Added:
			fmt.Fprintf(&b, "  %s is new\n", declared(s.Name, s.New))
		default:
			fmt.Fprintf(&b, "%s %s\n", marks[s.Effect()], declared(s.Name, s.New))
		}
		for _, x := range s.Changes {
			fmt.Fprintf(&b, "    %s %s\n", marks[x.Effect], x)
		}
	}
	fmt.Fprintf(&b, "%d types compared", c.Compared)
	if c.Unknown > 0 {
		fmt.Fprintf(&b, ", %d not known", c.Unknown)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// declared is a symbol with its type, if that is known.
func declared(name string, t *ctype.Type) string {
	if t == nil {
		return name
	}
	return t.Declare(name)
}

func diffJSON(c *ctype.Comparison) diffOutput {
	out := diffOutput{Effect: c.Effect().String(), Compared: c.Compared, Unknown: c.Unknown, Symbols: []diffSymbol{}}
	for i := range c.Symbols {
		s := &c.Symbols[i]
		d := diffSymbol{Name: s.Name, What: "changed", Effect: s.Effect().String()}
		if s.Gone {
			d.What = "gone"
		} else if s.Added {
			d.What = "new"
		}
		if s.Old != nil {
			d.Old = s.Old.Declare(s.Name)
		}
		if s.New != nil {
			d.New = s.New.Declare(s.Name)
		}
		for _, x := range s.Changes {
			d.Changes = append(d.Changes, diffChange{x.Where, x.Text, x.Old, x.New, x.Effect.String()})
		}
		out.Symbols = append(out.Symbols, d)
	}
	return out
}
