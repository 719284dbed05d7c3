package run_test

import (
	"os/exec"
	"strings"
	"testing"
)

// packageOf names the Debian package of each program whose name differs from it. .ci/setup installs them.
var packageOf = map[string]string{
	"as":              "binutils",
	"busybox":         "busybox-static",
	"convert":         "imagemagick",
	"ld":              "binutils",
	"man":             "man-db",
	"musl-gcc":        "musl-tools",
	"nginx":           "nginx-light",
	"node":            "nodejs",
	"objdump":         "binutils",
	"pg_ctl":          "postgresql",
	"readelf":         "binutils",
	"redis-benchmark": "redis-tools",
	"redis-cli":       "redis-tools",
	"tclsh":           "tcl",
	"xz":              "xz-utils",
}

// need fails the test unless the programs are in PATH, and says what to install. Unlike testenv.Need it
// looks in the folders of the administrator too.
func need(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if _, err := exec.LookPath("/usr/sbin/" + p); err == nil {
			continue
		}
		pkg := packageOf[p]
		if pkg == "" {
			pkg = p
		}
		missing = append(missing, p+" (apt-get install "+pkg+")")
	}
	if missing != nil {
		t.Fatalf("this case needs %s", strings.Join(missing, ", "))
	}
}
