package debuggers

import (
	"os/exec"
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
			out := testenv.Tool(t, testenv.GDB(t, []string{"break show", "break add_numbers", "run", "bt", "info sharedlibrary", "continue", "bt", "info sharedlibrary", "info locals",
				"finish", "continue", "bt 1", "info threads", "kill"}, args...))
			testenv.Expect(t, out, `Breakpoint 2 \(add_numbers\) pending`, hit+`show \(name=0x`, `^#0  show `, `^#1 .* main \(argc=2, argv=0x\w+\) at .*opener\.c`, libc,
				hit+`add_numbers \(a=40, b=3\)`, `^#1 .* main \(argc=2, `, libc, listed(lib), `^sum = `, `Value returned is \$1 = 43`,
				hit+`add_numbers \(a=41, b=3\)`, `^#0 .*add_numbers`, `^\* 1 .* add_numbers \(a=41, b=3\)`)
			if c.listed {
				testenv.Expect(t, out, hit+`show`, listed(program))
			} else {
				never(t, out, listed(program))
			}
			never(t, out, `internal-error`, `Corrupted shared library list`)
		})
	}
}

// Where weld has notes of the probes in its own file and is the program interpreter, gdb follows it by the probes, and the
// two of a program's start are reached, in order, with the list of the program.
func TestStampedInterpreter(t *testing.T) {
	d, lib := fixture(t)
	weld := d.Join("weld")
	if out := testenv.Tool(t, exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), "stamp", "-o", weld, testenv.GoProgram(t, "weld/cmd/weld"))); out != "" {
		t.Fatal(out)
	}
	program := d.Program("itself", "opener.c", "-O0", "-pie", "-Wl,--dynamic-linker="+weld)
	out := testenv.Tool(t, testenv.GDB(t, []string{"break -probe-stap rtld:init_start", "break -probe-stap rtld:init_complete", "break show", "run",
		"print $_probe_argc", "print $_probe_arg0", "x/1dw $_probe_arg1+24", "continue",
		"print $_probe_argc", "print $_probe_arg0", "x/1dw $_probe_arg1+24", "info sharedlibrary", "continue",
		"maint info breakpoints", "kill"}, "--args", program, lib))
	testenv.Expect(t, out, `Breakpoint 1, .*weld_rtld_init_start`, `^\$1 = 2$`, `^\$2 = 0$`, `^0x.*:\s+1$`, // RT_ADD
		`Breakpoint 2, .*weld_rtld_init_complete`, `^\$3 = 2$`, `^\$4 = 0$`, `^0x.*:\s+0$`, libc, // RT_CONSISTENT
		hit+`show`, `shlib events .*<weld_rtld_init_complete>`, `shlib events .*<weld_rtld_reloc_complete>`)
	never(t, out, `_dl_debug_state`, `internal-error`)
}
