package run_test

import "testing"

// TestStaticTLS has threads whose stacks have little room for what lies on them beside the program's own, and libraries
// that want a lot of it.
func TestStaticTLS(t *testing.T) {
	library := func(name string, size string) Build {
		return Build{"libstatic" + name + ".so", []string{"statictlslib.c", "-DNAME=static_" + name, "-DSIZE=" + size}}
	}
	needs := []Build{library("one", "20000"), library("two", "300000"), {"statictls", words("statictls.c -pthread -lstaticone -lstatictwo")}}
	script := `ulimit -n 100; trap '' USR1 PIPE; exec "$@" <&-`
	runTable(t, []Case{
		{Name: "stacks", Build: program("setstack", "-w", "-pthread"), Argv: words("./setstack"), Want: "16384: 0 0 1\n"},
		{Name: "libraries", Build: needs, Env: words("LD_LIBRARY_PATH={dir} WELDING=1"), Argv: []string{"bash", "-c", script, "bash", "{run}", "./statictls", "a", ""}, Want: "main initial initial 1\nignored 1 1 0 blocked 0 files 100\n"},
	})
}
