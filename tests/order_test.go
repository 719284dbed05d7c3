package tests

import (
	"strings"
	"testing"

	"weld/internal/testenv"
)

// orderLib compiles order.c to lib<name>.so, which needs the libraries given
// and prints when its initialisers and finalisers run. An argument with a dash
// goes to the compiler.
func orderLib(d *testenv.Dir, name string, args ...string) {
	flags := []string{"order.c", `-DNAME="` + name + `"`, "-Wl,-init,legacy_init,-fini,legacy_fini", "-Wl,--no-as-needed"}
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			a = "-l" + a
		}
		flags = append(flags, a)
	}
	d.Shared("lib"+name+".so", flags...)
}

// diamond makes top, which needs left and right, which both need bottom.
func diamond(d *testenv.Dir) {
	orderLib(d, "bottom")
	orderLib(d, "left", "bottom")
	orderLib(d, "right", "bottom")
	orderLib(d, "top", "left", "right")
}

func TestOrderDiamond(t *testing.T) {
	d := testenv.NewDir(t)
	diamond(d)
	out := runScript(t, d, `
open a libtop.so now
loaded libbottom.so
close a
loaded libbottom.so
open a libtop.so lazy
close a
`)
	for _, want := range []string{"bottom DT_INIT", "top destructor 200", "top arguments ok"} {
		if !strings.Contains(out, want) {
			t.Errorf("the fixture did not say %q:\n%s", want, out)
		}
	}
}

func TestOrderAtExit(t *testing.T) {
	d := testenv.NewDir(t)
	diamond(d)
	orderLib(d, "other")
	runScript(t, d, "open a libtop.so now\nopen b libother.so now\nexit 7\n")
	runScript(t, d, "open b libother.so now\nopen a libtop.so now\nclose b\nexit 0\n")
}

func TestOrderShared(t *testing.T) {
	d := testenv.NewDir(t)
	diamond(d)
	orderLib(d, "second", "right")
	runScript(t, d, `
open a libtop.so now
open b libsecond.so now
close a
loaded libleft.so
loaded libright.so
loaded libbottom.so
close b
loaded libright.so
open c libleft.so now
open d libtop.so now
open e libtop.so now
close d
close c
loaded libtop.so
close e
loaded libbottom.so
`)
}

func TestOrderCycle(t *testing.T) {
	d := testenv.NewDir(t)
	orderLib(d, "b")
	orderLib(d, "a", "b")
	orderLib(d, "b", "a") // closes the cycle
	orderLib(d, "user", "b")
	runScript(t, d, `
open x liba.so now
close x
loaded libb.so
open x libb.so now
close x
open x libuser.so now
open y liba.so now
close x
loaded libb.so
close y
loaded libb.so
`)
}

func TestOrderInitFirst(t *testing.T) {
	d := testenv.NewDir(t)
	orderLib(d, "deep")
	orderLib(d, "first", "deep", "-Wl,-z,initfirst")
	orderLib(d, "plain")
	orderLib(d, "top", "plain", "first")
	runScript(t, d, "open a libtop.so now\nclose a\n")
}

func TestOrderOpenInConstructor(t *testing.T) {
	d := testenv.NewDir(t)
	orderLib(d, "base")
	orderLib(d, "inner", "base")
	orderLib(d, "outer", "base", `-DOPENS="libinner.so"`)
	orderLib(d, "top", "outer")
	runScript(t, d, `
open a libtop.so now
loaded libinner.so
open b libinner.so now
close a
loaded libinner.so
close b
loaded libinner.so
`)
	runScript(t, d, "open a libtop.so now\nexit 3\n")
}

// A library's constructor opens a library that needs the first one again.
func TestOrderOpenSelfInConstructor(t *testing.T) {
	d := testenv.NewDir(t)
	orderLib(d, "self", `-DOPENS="libback.so"`)
	orderLib(d, "back", "self")
	runScript(t, d, "open a libself.so now\nclose a\nloaded libself.so\nloaded libback.so\nexit 0\n")
}

func TestNoDelete(t *testing.T) {
	d := testenv.NewDir(t)
	orderLib(d, "kept", "-Wl,-z,nodelete")
	orderLib(d, "user", "kept")
	orderLib(d, "plain")
	runScript(t, d, `
open a libuser.so now
close a
loaded libuser.so
loaded libkept.so
open b libplain.so now,nodelete
close b
loaded libplain.so
open c libplain.so now
int c id
close c
exit 0
`)
}

func TestNoOpen(t *testing.T) {
	d := testenv.NewDir(t)
	orderLib(d, "closed", "-Wl,-z,nodlopen")
	orderLib(d, "user", "closed")
	runScript(t, d, "open a libclosed.so now\nloaded libclosed.so\nopen b libuser.so now\nloaded libclosed.so\n")
}

func TestNoLoadPromotes(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libone.so", "which.c", "-DWHICH=1")
	d.Shared("libcaller.so", "caller.c")
	runScript(t, d, `
open a libone.so noload,now
open a libone.so now
open c libcaller.so now
open b libone.so noload,now,global
open c libcaller.so now
int c caller_which
close c
close b
close a
loaded libone.so
`)
}
