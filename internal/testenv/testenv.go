// Package testenv is what weld's tests share: compiling the fixtures, finding
// the distribution's libraries, running a part of a test in a process of its
// own, and counting what a process holds.
//
// A test that needs something the machine lacks fails and says what to install;
// it does not skip.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
)

// packages names the Debian package of a tool that Need is asked for.
var packages = map[string]string{
	"gcc":      "gcc",
	"abidiff":  "abigail-tools",
	"g++":      "g++",
	"gdb":      "gdb",
	"ld":       "binutils",
	"readelf":  "binutils",
	"objcopy":  "binutils",
	"strip":    "binutils",
	"musl-gcc": "musl-tools",
	"objdump":  "binutils",
	"perf":     "linux-perf",
	"lldb":     "lldb-19",
	"nsenter":  "util-linux",
	"go":       "golang-go",
}

// Need fails the test unless every tool is in PATH, and names the Debian
// packages that bring the missing ones.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	var missing []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		pkg := packages[tool]
		if pkg == "" {
			pkg = tool
		}
		missing = append(missing, tool+" (apt-get install "+pkg+")")
	}
	if missing != nil {
		t.Fatalf("this test needs %s", strings.Join(missing, ", "))
	}
}

// Triplet returns the multiarch name of the machine, as Debian uses it in the
// names of library folders.
func Triplet() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64-linux-gnu"
	case "arm64":
		return "aarch64-linux-gnu"
	case "riscv64":
		return "riscv64-linux-gnu"
	}
	return runtime.GOARCH + "-linux-gnu"
}

// LibDir returns the folder that holds the distribution's shared libraries,
// with symbolic links resolved.
func LibDir(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/" + Triplet(), "/usr/lib64", "/usr/lib"} {
		if m, _ := filepath.Glob(filepath.Join(dir, "libc.so.*")); len(m) == 0 {
			continue
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return real
		}
	}
	t.Fatalf("no folder with libc.so.6 among /usr/lib/%s, /usr/lib64, /usr/lib", Triplet())
	return ""
}

// Library returns the path of the first pattern that matches a file in the
// distribution's library folder; of several matches of one pattern the one that
// sorts last by version is taken. It fails the test, naming pkg as the Debian
// package to install, when none matches.
func Library(t testing.TB, pkg string, patterns ...string) string {
	t.Helper()
	dir := LibDir(t)
	for _, p := range patterns {
		m, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			t.Fatal(err)
		}
		if len(m) > 0 {
			sort.Slice(m, func(i, j int) bool { return versionLess(m[i], m[j]) })
			return m[len(m)-1]
		}
	}
	t.Fatalf("this test needs %s in %s (apt-get install %s)", strings.Join(patterns, " or "), dir, pkg)
	return ""
}

// versionLess orders names with runs of digits compared as numbers.
func versionLess(a, b string) bool {
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if len(x) != len(y) {
				return len(x) < len(y)
			}
			if x != y {
				return x < y
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

// Root returns the folder of the module, found upwards from the test's own.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if data, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(data), "module weld\n") {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod of module weld above the test's folder")
		}
		dir = up
	}
}

// runDir is a folder of this run of the test binary; Main removes it.
var runDir = sync.OnceValues(func() (string, error) {
	return os.MkdirTemp("", "weld-test-")
})

// RunDir returns a folder that lives as long as this run of the test binary.
// Everybody may read it, so that a child under another uid can.
func RunDir(t testing.TB) string {
	t.Helper()
	dir, err := runDir()
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Soak reports whether the long tests are asked for (WELD_SOAK=1).
func Soak() bool { return os.Getenv("WELD_SOAK") != "" }

// NeedSoak skips a long test that nobody has asked for: make soak does. Why says what it takes that make test has not.
func NeedSoak(t testing.TB, why string) {
	t.Helper()
	if !Soak() {
		t.Skip("for make soak (WELD_SOAK=1) only: " + why)
	}
}

// DebianSources returns the lines of a sources.list for the packages and the sources of what apt knows of Debian.
func DebianSources(t testing.TB) []string {
	t.Helper()
	Need(t, "apt-get")
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SIGNED_BY)|$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian").Output()
	if err != nil {
		t.Fatalf("apt-get indextargets: %v", err)
	}
	var list []string
	for l := range strings.Lines(string(out)) {
		by, repo, _ := strings.Cut(strings.TrimSpace(l), "|")
		if strings.Contains(strings.Fields(repo)[1], "-") {
			continue // updates: they are in another place than their lists say
		}
		option := ""
		if filepath.IsAbs(by) {
			option = "[signed-by=" + by + "] "
		} else if keys, _ := filepath.Glob("/usr/share/keyrings/debian-archive-keyring.gpg"); len(keys) > 0 {
			option = "[signed-by=" + keys[0] + "] "
		}
		list = append(list, "deb-src "+option+repo, "deb "+option+repo)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
