package tests

import (
	"os"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// The places where libraries are looked for, in their order, compared with the
// system's dynamic linker.
func TestSearch(t *testing.T) {
	d := testenv.NewDir(t)
	for _, place := range []string{"env", "env2", "rpath", "runpath", "origin", "cwd", "glibc-hwcaps/x86-64-v2", "hw/glibc-hwcaps/x86-64-v2", "hw"} {
		d.Shared(place+"/libplace.so", "place.c", `-DPLACE="`+place+`"`)
	}
	d.Shared("env/libplace2.so", "place.c", `-DPLACE="env"`)
	link := d.Join("env/libplace.so")
	user := func(name string, flags ...string) {
		d.Shared(name, append([]string{"place_user.c", link}, flags...)...)
	}
	user("libplain.so")
	user("librpath.so", "-Wl,--disable-new-dtags,-rpath,"+d.Join("rpath"))
	user("librunpath.so", "-Wl,--enable-new-dtags,-rpath,"+d.Join("runpath"))
	user("liborigin.so", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/origin")
	user("libbraces.so", "-Wl,--enable-new-dtags,-rpath,/nonexistent:${ORIGIN}/origin")
	user("libhw.so", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/hw")
	user("liblib.so", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/$LIB:$ORIGIN/$PLATFORM")
	user("libempty.so", "-Wl,--enable-new-dtags,-rpath,:$ORIGIN/none")
	d.Shared("lib/x86_64-linux-gnu/libplace.so", "place.c", `-DPLACE="LIB"`)
	// A dependency of a dependency: an rpath is inherited, a runpath is not.
	outer := func(name, inner string, flags ...string) {
		d.Shared(name, append([]string{d.Write("outer.c", `
const char *user_place(void);
const char *outer_place(void) { return user_place(); }
`), d.Join(inner)}, flags...)...)
	}
	outer("libouter_rpath.so", "libplain.so", "-Wl,--disable-new-dtags,-rpath,"+d.Join("rpath")+":"+d.Path)
	outer("libouter_runpath.so", "libplain.so", "-Wl,--enable-new-dtags,-rpath,"+d.Join("runpath")+":"+d.Path)
	if err := os.Symlink(d.Join("origin"), d.Join("env2/linked")); err != nil {
		t.Fatal(err)
	}

	env := func(dirs ...string) string { return "LD_LIBRARY_PATH=" + strings.Join(dirs, ":") }
	users := func(names ...string) string {
		s := ""
		for _, n := range names {
			s += "open h ./" + n + " now\nstr h user_place\nclose h\n"
		}
		return s
	}
	all := users("libplain.so", "librpath.so", "librunpath.so", "liborigin.so", "libbraces.so", "libhw.so", "liblib.so", "libempty.so")
	outers := "open h ./libouter_rpath.so now\nstr h outer_place\nclose h\nopen h ./libouter_runpath.so now\nstr h outer_place\n"
	cases := map[string][]string{
		"no env":         {env("/nonexistent")},
		"env":            {env("env2", "env")},
		"env later":      {env("/nonexistent", d.Join("env"), d.Join("env2"))},
		"env semicolon":  {"LD_LIBRARY_PATH=/nonexistent;" + d.Join("env2")},
		"env empty":      {env("", "/nonexistent")},
		"env with slash": {env(d.Join("env2")+"/", d.Join("env"))},
		"env linked":     {env(d.Join("env2/linked"))},
		"env hwcaps":     {env(d.Join("hw"))},
		"env top hwcaps": {env(d.Path)},
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			runScript(t, d, all+outers, e...)
			runScript(t, d, "open h libplace.so now\nstr h place\nsym h place\n", e...)
		})
	}
	// By path, by soname after that, the same file by two names.
	if err := os.Symlink("env/libplace.so", d.Join("alias.so")); err != nil {
		t.Fatal(err)
	}
	runScript(t, d, `
open a ./alias.so now
open b env/libplace.so now
loaded libplace.so
loaded ./alias.so
loaded env2/libplace.so
str a place
open c libplace.so now
str c place
open d env2/libplace.so now
str d place
close a
close c
loaded ./alias.so
close b
loaded ./alias.so
open e libplace2.so now
open f libc.so.6 now
open g libm.so.6 now
dbl g cos 0
open h libnot_there.so now
open i ./libnot_there.so now
open j `+d.Path+` now
open k env/../env/libplace.so now
str k place
`, env("/nonexistent"))
}
