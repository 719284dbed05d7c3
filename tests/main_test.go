// Package tests checks weld against the machine: against the system's own
// dynamic linker, file by file and symbol by symbol, and through real libraries.
package tests

import (
	"testing"

	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
