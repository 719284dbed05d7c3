package tests

import (
	"fmt"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// The TLS models as compiler options; each must give the same answers.
var tlsModels = map[string][]string{
	"global-dynamic": {"-ftls-model=global-dynamic"},
	"local-dynamic":  {"-ftls-model=local-dynamic"},
	"initial-exec":   {"-ftls-model=initial-exec"},
	"descriptors":    {"-mtls-dialect=gnu2"},
}

const tlsScript = `
open a libtls.so %[1]s
int a add 1
int a hidden
int a zeros
int a zeros
int a is_aligned
int a in_thread
int a in_thread
int a add 1
var a counter
open u libuser.so %[1]s
int u user_counter
int u user_same
int a add 0
close u
close a
loaded libtls.so
open a libtls.so %[1]s
int a add 1
int a in_thread
`

func TestTLSModels(t *testing.T) {
	for name, flags := range tlsModels {
		t.Run(name, func(t *testing.T) {
			d := testenv.NewDir(t)
			d.Shared("libtls.so", append(flags, "tls.c", "-pthread")...)
			if name == "local-dynamic" { // it is for a library's own variables only
				flags = nil
			}
			d.Shared("libuser.so", append(flags, "tls_user.c", "-ltls")...)
			runScript(t, d, fmt.Sprintf(tlsScript, "now"))
			runScript(t, d, fmt.Sprintf(tlsScript, "lazy"))
		})
	}
}

// A thread that was there before the library came sees initial values too.
func TestTLSEarlierThread(t *testing.T) {
	for name, flags := range tlsModels {
		t.Run(name, func(t *testing.T) {
			d := testenv.NewDir(t)
			d.Shared("libearly.so", "tls.c", "-pthread")
			d.Shared("libtls.so", append(flags, "tls.c", "-pthread")...)
			d.Shared("libbridge.so", "tls_bridge.c")
			runScript(t, d, `
open e libearly.so now
int e start_early
open a libtls.so now,global
int a add 3
open b libbridge.so now
int b finish
int a add 0
`)
		})
	}
}

func TestTLSDestructors(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libobjects.so", "tls_destructor.cc", "-pthread")
	runScript(t, d, `
open a libobjects.so now
int a threads 2
close a
loaded libobjects.so
`)
	// The main thread's objects go at exit, and keep the library until then.
	runScript(t, d, `
open a libobjects.so now
int a touch
close a
loaded libobjects.so
exit 0
`)
}

// Many libraries with thread-local data, come and gone again and again.
func TestTLSMany(t *testing.T) {
	d := testenv.NewDir(t)
	var script strings.Builder
	const n = 40
	for i := range n {
		d.Shared(fmt.Sprintf("libt%d.so", i), "tls.c", "-pthread", "-mtls-dialect="+[]string{"gnu", "gnu2"}[i%2])
	}
	for round := range 3 {
		for i := range n {
			fmt.Fprintf(&script, "open h%d libt%d.so now\nint h%d add %d\n", i, i, i, i*round)
		}
		for i := range n {
			fmt.Fprintf(&script, "int h%d in_thread\nint h%d hidden\nclose h%d\n", i, i, i)
		}
	}
	runScript(t, d, script.String())
}

// Initial-exec TLS of many libraries at once, within what the system's loader
// gives too.
func TestTLSInitialExecMany(t *testing.T) {
	d := testenv.NewDir(t)
	src := d.Write("ie.c", `
__thread int v __attribute__((tls_model("initial-exec"))) = START;
int add(long n) { return v += n; }
`)
	var script strings.Builder
	for i := range 60 {
		d.Shared(fmt.Sprintf("libie%d.so", i), src, fmt.Sprintf("-DSTART=%d", i))
		fmt.Fprintf(&script, "open h%d libie%d.so now\nint h%d add 1000\n", i, i, i)
	}
	for i := range 60 {
		fmt.Fprintf(&script, "int h%d add 1\nclose h%d\n", i, i)
	}
	for i := range 60 {
		fmt.Fprintf(&script, "open h%d libie%d.so now\nint h%d add 1\n", i, i, i)
	}
	runScript(t, d, script.String())
}
