//go:build !race

package testenv

const raceEnv = ""

// Race reports whether the test is built with the race detector, which makes much work of what is quick otherwise.
const Race = false
