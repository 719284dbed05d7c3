package prepare

import (
	"fmt"
	"strings"
)

// TypedFunctions is the number of functions of TypedSource, each with a struct of its own of typedMembers members: some 10 MB of .debug_info.
const (
	TypedFunctions = 4000
	typedMembers   = 180
)

// TypedSource is the C source of a library of which there is much to know.
func TypedSource() string {
	var members, b strings.Builder
	for i := range typedMembers {
		fmt.Fprintf(&members, "int m%d; ", i)
	}
	for i := range TypedFunctions {
		fmt.Fprintf(&b, "struct typed_%d { %s};\nint typed_%[1]d(struct typed_%[1]d *p, long n) { return p->m0 + (int)n; }\n", i, members.String())
	}
	return b.String()
}
