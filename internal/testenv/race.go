//go:build race

package testenv

// The race detector waits a second at the end of each process, in case that other threads still report something.
const raceEnv = "GORACE=atexit_sleep_ms=20"
