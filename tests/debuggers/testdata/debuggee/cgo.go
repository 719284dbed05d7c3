//go:build cgo && !unused

package main

import "C" // links the program with the C library: the system's run-time linker starts it
