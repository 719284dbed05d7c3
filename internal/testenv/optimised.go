package testenv

import (
	"runtime/debug"
	"strings"
)

// Optimised reports whether the test is built by a compiler that optimises, which keeps values off the heap: not so with
// -gcflags=-N.
func Optimised() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return true
	}
	for _, s := range info.Settings {
		if s.Key == "-gcflags" && strings.Contains(s.Value, "-N") {
			return false
		}
	}
	return true
}
