package debuggers

import (
	"testing"

	"weld/internal/testenv"
)

// gdb on a program that weld runs, as its interpreter and as a command.
func TestGDBProgram(t *testing.T) {
	d, lib := fixture(t)
	weld := testenv.GoProgram(t, "weld/cmd/weld")
	for _, c := range []struct {
		name    string
		command []string
		listed  bool // the program itself is in the list of libraries, since gdb was started with another one
	}{
		{name: "interpreter", command: []string{d.Program("itself", "opener.c", "-O0", "-pie", "-Wl,--dynamic-linker="+weld)}},
		{name: "interpreter, no-pie", command: []string{d.Program("fixed", "opener.c", "-O0", "-no-pie", "-Wl,--dynamic-linker="+weld)}},
		{name: "run", command: []string{weld, "run", d.Program("ordinary", "opener.c", "-O0", "-pie")}, listed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			program := c.command[len(c.command)-1]
			args := append(append([]string{"--args"}, c.command...), lib)
			out := tool(t, gdb(t, []string{"break show", "break add_numbers", "run", "bt", "info sharedlibrary", "continue", "bt", "info sharedlibrary", "info locals",
				"finish", "continue", "bt 1", "info threads", "kill"}, args...))
			expect(t, out, `Breakpoint 2 \(add_numbers\) pending`, hit+`show \(name=0x`, `^#0  show `, `^#1 .* main \(argc=2, argv=0x\w+\) at .*opener\.c`, libc,
				hit+`add_numbers \(a=40, b=3\)`, `^#1 .* main \(argc=2, `, libc, listed(lib), `^sum = `, `Value returned is \$1 = 43`,
				hit+`add_numbers \(a=41, b=3\)`, `^#0 .*add_numbers`, `^\* 1 .* add_numbers \(a=41, b=3\)`)
			if c.listed {
				expect(t, out, hit+`show`, listed(program))
			} else {
				never(t, out, listed(program))
			}
			never(t, out, `internal-error`, `Corrupted shared library list`)
		})
	}
}
