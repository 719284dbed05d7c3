package live_test

import (
	"fmt"
	"slices"
	"testing"

	"weld"
	"weld/internal/testenv"
	"weld/live"
)

// weld.Trace tells of an object that is made, what each commit does, and of its end.
func TestTrace(t *testing.T) {
	path := testenv.NewDir(t).Shared("liblook.so", "look.c", "-O1", "-Wl,-z,now")
	var got []string
	weld.Trace(func(e *weld.Event) {
		switch {
		case e.Soname == "jit" && e.Kind == "load":
			got = append(got, "load "+e.Why)
		case e.Kind == "commit":
			got = append(got, fmt.Sprint("commit ", e.Bound, e.Unbound, e.Redirected))
		case e.Kind == "unload" && len(got) > 0 && e.Addr != 0:
			got = append(got, "unload")
		}
	})
	defer weld.Trace(nil)
	o, gen := generated(t, nil)
	check(t, o.Commit())
	lib, err := weld.Open(path)
	check(t, err)
	emit(t, o, "other", returns(1))
	check(t, o.Bind("gen", emit(t, o, "second", returns(50)), live.Replace))
	check(t, o.Unbind("gen_value"))
	check(t, o.Commit())
	check(t, gen.Free())
	check(t, o.Commit())
	check(t, lib.Close())
	check(t, o.Close())
	weld.Trace(nil)
	want := []string{"load live", "commit 2 0 0", "commit 0 0 0", "commit 3 1 2", "commit 0 0 0", "unload", "unload"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, wanted %q", got, want)
	}
}
