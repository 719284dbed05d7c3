package tests

import (
	"testing"

	"weld"
)

// open opens a library for the length of the test.
func open(t testing.TB, name string, opts ...weld.Option) *weld.Library {
	t.Helper()
	lib, err := weld.Open(name, opts...)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := lib.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return lib
}

// bind returns a function of a library, or fails the test.
func bind[F any](t testing.TB, lib *weld.Library, name string, opts ...weld.FuncOption) F {
	t.Helper()
	f, err := weld.Func[F](lib, name, opts...)
	if err != nil {
		t.Fatalf("%s of %s: %v", name, lib.Path, err)
	}
	return f
}

// bindAll fills a struct of functions, or fails the test.
func bindAll(t testing.TB, lib *weld.Library, dst any) {
	t.Helper()
	if err := weld.Bind(lib, dst); err != nil {
		t.Fatalf("bind to %s: %v", lib.Path, err)
	}
}

// callback makes a callback for the length of the test.
func callback(t testing.TB, fn any) *weld.Callback {
	t.Helper()
	cb, err := weld.NewCallback(fn)
	if err != nil {
		t.Fatalf("callback of %T: %v", fn, err)
	}
	t.Cleanup(func() {
		if err := cb.Close(); err != nil {
			t.Errorf("close of a callback: %v", err)
		}
	})
	return cb
}
