package run_test

import (
	"regexp"
	"slices"
	"strings"
)

// A normaliser takes out of a text what two native runs do not have in common either.
type normaliser func(string) string

// sub replaces all matches of a regular expression, in which ^ and $ are the ends of a line.
func sub(expr, with string) normaliser {
	re := regexp.MustCompile("(?m)" + expr)
	return func(s string) string { return re.ReplaceAllString(s, with) }
}

// Normalisers that several cases use.
var (
	numbers = sub(`[0-9]+(\.[0-9]+)?`, "N")
	blanks  = sub(`[ \t]+`, " ")
	hexes   = sub(`0x[0-9a-f]+`, "0xN")

	// pidOfShell takes out the pid in what a shell says of a job that died.
	pidOfShell = sub(`[0-9]{2,}`, "N")
)

// echoes takes out the echoes of keys that send signals. The terminal echoes them after it has sent the signal: the program may have
// written something before, or be dead.
var echoes = []normaliser{sub(`\^[CZ\\]`, "")}

// What differs under weld, as the README says: libraries have absolute names, and the stack is 68 KiB smaller.
var (
	absolute = sub(`^\S*/libplugin0`, "./libplugin0")
	frames   = sub(`(not flushedflushed stack\n){2,}`, "not flushedflushed stack\n")
)

// sorted puts the lines of concurrent writers into one order.
func sorted(s string) string {
	lines := strings.SplitAfter(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// only keeps the lines that match a regular expression.
func only(expr string) normaliser {
	re := regexp.MustCompile(expr)
	return func(s string) string {
		var out strings.Builder
		for _, l := range strings.SplitAfter(s, "\n") {
			if re.MatchString(l) {
				out.WriteString(l)
			}
		}
		return out.String()
	}
}

// without drops the lines that match a regular expression.
func without(expr string) normaliser {
	re := regexp.MustCompile(expr)
	return func(s string) string {
		var out strings.Builder
		for _, l := range strings.SplitAfter(s, "\n") {
			if !re.MatchString(l) {
				out.WriteString(l)
			}
		}
		return out.String()
	}
}
