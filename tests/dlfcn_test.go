package tests

import (
	"testing"

	"weld/internal/testenv"
)

// What dlopen, dlsym, dladdr and the others give to code that was loaded,
// compared with what they give it in a program of the system.
func TestDlfcnOfLoadedCode(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("sub/libdlplug.so", "dlplug.c")
	d.Shared("libdllast.so", d.Write("last.c", "int probe_me(void) { return 3; }\n"))
	d.Shared("libdlnext.so", "dlcode.c", "-DWHICH=2")
	d.Shared("libdlcode.so", "dlcode.c", "-DWHICH=1", "-Wl,-rpath,$ORIGIN/sub", "-Wl,--enable-new-dtags",
		"-Wl,--no-as-needed", "-ldlnext", "-ldllast")
	script := `
open a libdlcode.so lazy
int a by_default
int a by_next
int a next_of_libc
int a versioned
int a addresses
int a errors
int a opens
loaded libdlplug.so
int a objects
int a spaces
int a self
int a find_object
open n libdlnext.so now
int n by_default
int n by_next
int n opens
open g libdllast.so now,global
int a by_default
int n by_next
`
	runScript(t, d, script)
	runScript(t, d, "open g libdllast.so now,global\n"+script)
	runScript(t, d, "open a libdlcode.so now,global\nint a by_default\nint a by_next\nclose a\nopen n libdlnext.so now\nint n by_default\nint n by_next\n")
}

// A library that loaded code leaves open stays, one that a finaliser closes goes.
func TestDlopenCounts(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libplug.so", "dlplug.c")
	d.Shared("libhold.so", d.Write("hold.c", `
#include <dlfcn.h>
static void *h;
int hold(void) { h = dlopen("libplug.so", RTLD_NOW); return h != 0; }
int drop(void) { return dlclose(h); }
`))
	runScript(t, d, `
open a libhold.so now
int a hold
loaded libplug.so
int a hold
int a drop
loaded libplug.so
int a drop
loaded libplug.so
int a hold
close a
loaded libhold.so
loaded libplug.so
`)
}
