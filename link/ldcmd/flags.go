package ldcmd

import (
	"strings"
)

// How an option takes its value.
type argKind uint8

const (
	argNone   argKind = iota
	argValue          // -o FILE, -oFILE, --output=FILE or --output FILE
	argEquals         // only --name=VALUE
	argMaybe          // --name or --name=VALUE
)

// An option is an option of GNU ld's command line.
type option struct {
	kind argKind
	set  func(p *parser, val string) error
}

// flag is an option without a value.
func flag(set func(p *parser)) option {
	return option{argNone, func(p *parser, _ string) error { set(p); return nil }}
}

// value is an option with a value.
func value(set func(p *parser, v string)) option {
	return option{argValue, func(p *parser, v string) error { set(p, v); return nil }}
}

// find finds the option that an argument begins. Long names may be written with one dash or two, except that of those that begin
// with o only two mean the long one; a name of one letter takes its value from the rest of the argument.
func find(arg string) (opt option, name, val string, hasVal, ok bool) {
	body := strings.TrimPrefix(arg, "-")
	double := strings.HasPrefix(body, "-")
	body = strings.TrimPrefix(body, "-")
	long, v, eq := strings.Cut(body, "=")
	if double || !strings.HasPrefix(body, "o") {
		if o, found := longOptions[long]; found && (!eq || o.kind != argNone) {
			return o, arg, v, eq, true
		}
	}
	if !double && body != "" {
		if o, found := shortOptions[body[:1]]; found {
			if len(body) == 1 {
				return o, arg, "", false, true
			}
			if o.kind != argNone {
				return o, arg, body[1:], true, true
			}
		}
	}
	return option{}, arg, "", false, false
}

// parse goes through the arguments.
func (p *parser) parse(args []string) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "" {
			continue
		}
		if arg[0] != '-' || arg == "-" {
			p.input(arg)
			continue
		}
		o, name, val, hasVal, ok := find(arg)
		if !ok {
			p.unknown = append(p.unknown, arg)
			continue
		}
		switch {
		case o.kind == argValue && !hasVal:
			if i++; i >= len(args) {
				return usage("option %s needs a value", name)
			}
			val = args[i]
		case o.kind == argEquals && !hasVal:
			return usage("option %s needs a value after =", name)
		}
		if err := o.set(p, val); err != nil {
			return err
		}
	}
	return nil
}
