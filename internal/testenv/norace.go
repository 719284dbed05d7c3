//go:build !race

package testenv

const raceEnv = ""
