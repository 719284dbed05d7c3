//go:build race

package testenv

// The race detector waits a second at the end of each process, in case that other threads still report something.
const raceEnv = "GORACE=atexit_sleep_ms=20"

// Race reports whether the test is built with the race detector, which makes much work of what is quick otherwise.
const Race = true
