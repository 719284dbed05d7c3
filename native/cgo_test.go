//go:build cgo

package native

// With cgo the test binary has a C library from the start, which BringUp adopts.
import _ "runtime/cgo"
