package weld_test

import (
	"path/filepath"
	"slices"
	"testing"

	"weld"
)

// TestTrace has the events of a library that needs another one, and none when that is over.
func TestTrace(t *testing.T) {
	d := fixtures(t)
	var got []string
	weld.Trace(func(e *weld.Event) {
		switch e.Kind {
		case "load":
			if e.Why == "system" {
				return // the C library, if it was not up before
			}
			got = append(got, "load "+filepath.Base(e.Name)+" "+e.Why)
		case "relocate", "unload":
			got = append(got, e.Kind+" "+filepath.Base(e.Object))
		}
	})
	defer weld.Trace(nil)
	closeLib(t, openAt(t, d.Join("liblid.so")))
	want := []string{
		"load liblid.so open", "load libbox.so needed", "relocate libbox.so", "relocate liblid.so", "unload liblid.so", "unload libbox.so",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, wanted %q", got, want)
	}
	weld.Trace(nil)
	closeLib(t, openAt(t, d.Join("liblid.so")))
	if len(got) != len(want) {
		t.Errorf("%q after the end", got[len(want):])
	}
}
