package tests

import (
	"fmt"
	"os"
	"testing"

	"weld/internal/testenv"
)

func TestVersions(t *testing.T) {
	d := testenv.NewDir(t)
	old := d.Shared("old/libversion.so", "version.c", "-Wl,--version-script,"+testdata(t, "version1.map"))
	d.Shared("libversion.so", "version.c", "-DNEW", "-Wl,--version-script,"+testdata(t, "version2.map"))
	d.Shared("libolduser.so", "version_user.c", old)
	d.Shared("libnewuser.so", "version_user.c", "-DNEW", d.Join("libversion.so"))
	runScript(t, d, `
open v libversion.so now
int v f
int v plain
int v only_new
sym v g
sym v f V1
sym v f V2
sym v f V3
sym v g V1
sym v plain V1
sym v plain V2
sym v V1
open o libolduser.so now
int o user_f
int o user_g
int o user_plain
open n libnewuser.so lazy
int n user_f
int n user_only_new
sym n f
sym n f V1
`)
	// With the old library at run time the new user is refused, for V2 is missing.
	runScript(t, d, "open n libnewuser.so now\nopen n libnewuser.so lazy\nopen o libolduser.so now\nint o user_f\n",
		"LD_LIBRARY_PATH="+d.Join("old")+":"+d.Path+"/none")
	runScript(t, d, "open n ./libnewuser.so now\nopen n ./libnewuser.so lazy\nopen o ./libolduser.so now\nint o user_f\n",
		"LD_LIBRARY_PATH="+d.Join("old"))
	// One that defines no versions will do.
	d.Shared("bare/libversion.so", "version.c", "version_more.c")
	runScript(t, d, "open n ./libnewuser.so now\nint n user_f\nint n user_plain\nint n user_only_new\nopen o ./libolduser.so now\nint o user_f\nint o user_g\n",
		"LD_LIBRARY_PATH="+d.Join("bare"))
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir + "/testdata/" + name
}

func TestUnique(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libu1.so", "unique.cc")
	d.Shared("libu2.so", "unique.cc")
	runScript(t, d, `
open a libu1.so now
open b libu2.so now
int a bump
int b bump
int a bump_local
int b bump_local
int a make
int b make
close a
loaded libu1.so
int b bump
int b bump_local
close b
loaded libu2.so
open a libu1.so now
int a bump
exit 0
`)
}

func TestInterposition(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libone.so", "which.c", "-DWHICH=1")
	d.Shared("libtwo.so", "which.c", "-DWHICH=2", "-Wl,--no-as-needed", "-lone")
	d.Shared("libsym.so", "which.c", "-DWHICH=3", "-Wl,-Bsymbolic")
	d.Shared("libsymfun.so", "which.c", "-DWHICH=4", "-Wl,-Bsymbolic-functions")
	d.Shared("libfour.so", "which.c", "-DWHICH=5", "-Wl,--no-as-needed", "-lsym", "-lsymfun")
	d.Shared("libmaybe.so", d.Write("maybe.c", "int maybe(void) { return 1; }\n"))
	all := func(h string) string {
		s := ""
		for _, f := range []string{"call_which", "call_guarded", "call_soft", "read_shared", "has_maybe", "call_through_pointer"} {
			s += "int " + h + " " + f + "\n"
		}
		return s
	}
	one := func(flags string) string { return "open one libone.so " + flags + "\n" + all("one") }
	scripts := map[string]string{
		"alone":           one("now"),
		"dependency":      "open two libtwo.so lazy\n" + all("two") + one("lazy"),
		"symbolic":        "open four libfour.so now\n" + all("four") + "open s libsym.so now\n" + all("s") + "open f libsymfun.so now\n" + all("f"),
		"global first":    "open two libfour.so now,global\n" + one("now"),
		"global later":    one("lazy") + "open m libmaybe.so now,global\nopen four libfour.so now,global\n" + all("one"),
		"deepbind":        "open four libfour.so now,global\n" + one("now,deepbind"),
		"weak found":      "open m libmaybe.so now,global\n" + one("now"),
		"weak not found":  "open m libmaybe.so now\n" + one("now"),
		"closed global":   "open four libfour.so now,global\nclose four\n" + one("now"),
		"used by another": "open four libfour.so now,global\nopen c libcaller.so now\nclose four\nint c caller_which\nloaded libfour.so\nclose c\nloaded libfour.so\n",
		"missing":         "open c libcaller.so now\nopen c libcaller.so lazy\nloaded libcaller.so\n",
	}
	d.Shared("libcaller.so", "caller.c")
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) { runScript(t, d, script) })
	}
}

func TestIFunc(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libifunc.so", "ifunc.c")
	d.Shared("libuser.so", "ifunc_user.c", "-lifunc")
	script := `
open u libuser.so %s
int u user_call
int u user_pointer
open i libifunc.so now
int i picked
int i call_inner
int i call_picked
int i call_in_data
int i same_address
sym i picked
`
	for _, mode := range []string{"now", "lazy"} {
		runScript(t, d, fmt.Sprintf(script, mode))
	}
}

func TestFilter(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libreal.so", "filter.c", "-DVALUE=100")
	d.Shared("libfilter.so", "filter.c", "-DVALUE=1", "-DMORE", "-Wl,-F,libreal.so")
	d.Shared("libauxiliary.so", "filter.c", "-DVALUE=2", "-DMORE", "-Wl,-f,libreal.so")
	d.Shared("libnofilter.so", "filter.c", "-DVALUE=3", "-Wl,-F,libnot_there.so")
	d.Shared("libnoaux.so", "filter.c", "-DVALUE=4", "-Wl,-f,libnot_there.so")
	d.Shared("libuser.so", d.Write("user.c", "int f(void); int user(void) { return f(); }\n"), d.Join("libfilter.so"))
	runScript(t, d, `
open a libfilter.so now
int a f
int a more
loaded libreal.so
close a
loaded libreal.so
open b libauxiliary.so now
int b f
int b more
close b
open c libnofilter.so now
open d libnoaux.so now
int d f
open u libuser.so lazy
int u user
`)
}

func TestRelocations(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("librelr.so", "relr.c", "-Wl,-z,pack-relative-relocs")
	d.Shared("librela.so", "relr.c", "-Wl,-z,nopack-relative-relocs")
	d.Shared("librelocs.so", "relocs.s")
	d.Shared("libsysv.so", "which.c", "-DWHICH=6", "-Wl,--hash-style=sysv")
	d.Shared("libgnu.so", "which.c", "-DWHICH=7", "-Wl,--hash-style=gnu")
	d.Shared("libtext.so", "relocs.s", "-Wl,-z,notext")
	d.Shared("libpacked.so", "which.c", "-DWHICH=8", "-Wl,-z,noseparate-code")
	d.Shared("libwide.so", "which.c", "-DWHICH=9", "-Wl,-z,max-page-size=0x200000")
	d.Shared("libaligned.so", "tls.c", "-Wl,-z,max-page-size=0x10000", "-Wl,-z,common-page-size=0x10000")
	d.Shared("libstripped.so", "which.c", "-DWHICH=10", "-s")
	runScript(t, d, `
open r librelr.so now
int r count
int r sole
open q librela.so lazy
int q count
int q sole
open l librelocs.so now
int l size_of_thing
int l second_of_thing
int l third_of_thing
open s libsysv.so now
int s call_which
sym s no_such
open g libgnu.so now
int g call_which
sym g no_such
open t libtext.so now
int t second_of_thing
open p libpacked.so now
int p call_which
open w libwide.so now
int w call_which
open a libaligned.so now
int a add 1
open x libstripped.so now
int x call_which
`)
}

func TestRelro(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("librelro.so", "relro.c", "-Wl,-z,relro,-z,now")
	d.Shared("libpart.so", "relro.c", "-Wl,-z,relro,-z,lazy")
	d.Shared("libnone.so", "relro.c", "-Wl,-z,norelro")
	runScript(t, d, `
open a librelro.so now
perm a sealed
perm a open_data
perm a first
int a first
open b libpart.so lazy
perm b sealed
perm b open_data
open c libnone.so now
perm c sealed
`)
}
