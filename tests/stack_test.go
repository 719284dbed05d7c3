package tests

import (
	"testing"

	"weld"
	"weld/internal/testenv"
)

// Native code is on the stack that the C library says it is on: collectors of garbage that look through stacks rely on it.
// So it is on the thread of a call, and on one that native code has made.
func TestStackOfThread(t *testing.T) {
	lib, err := weld.Open(testenv.NewDir(t).Shared("libstack.so", "stack.c", "-pthread"))
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	var f struct {
		Mine   func() int32 `sym:"on_my_stack"`
		Theirs func() int32 `sym:"on_their_stack"`
	}
	if err := weld.Bind(lib, &f); err != nil {
		t.Fatal(err)
	}
	if n := f.Mine(); n != 1 {
		t.Errorf("the calling thread: %d, want 1", n)
	}
	if n := f.Theirs(); n != 1 {
		t.Errorf("a thread of native code: %d, want 1", n)
	}
}
