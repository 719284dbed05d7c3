package link_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// llvm returns a program of LLVM, such as clang or ld.lld: that of version 19, or else of the highest there is.
func llvm(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name + "-19"); err == nil {
		return path
	}
	best, version := name, 0
	list, err := filepath.Glob("/usr/bin/" + name + "-[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		if n, err := strconv.Atoi(path[strings.LastIndexByte(path, '-')+1:]); err == nil && n > version {
			best, version = path, n
		}
	}
	return best
}
