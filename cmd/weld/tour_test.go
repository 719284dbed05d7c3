package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"weld"
)

// TestTourWithoutLibc takes the tour where nothing is found: it says so and does not fail.
func TestTourWithoutLibc(t *testing.T) {
	var out bytes.Buffer
	asked := map[string]bool{}
	tour := &tour{out: &out, find: func(name string, _ ...weld.Option) (*weld.Library, error) {
		asked[name] = true
		return nil, &weld.OpenError{Name: name, Err: weld.ErrNotFound}
	}}
	if err := tour.walk(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "There is no C library on this machine, neither glibc nor musl.") {
		t.Errorf("the tour says:\n%s", &out)
	}
	if !asked["libc.so.6"] || !asked["libc.musl-x86_64.so.1"] || len(asked) != 2 {
		t.Errorf("asked for %v", asked)
	}
}

// TestTourOnlyLibc takes the tour with the C library and nothing else.
func TestTourOnlyLibc(t *testing.T) {
	var out bytes.Buffer
	tour := &tour{out: &out, find: func(name string, opts ...weld.Option) (*weld.Library, error) {
		if strings.HasPrefix(name, "libc.") {
			return weld.Open(name, opts...)
		}
		return nil, &weld.OpenError{Name: name, Err: weld.ErrNotFound}
	}}
	if err := errors.Join(tour.walk(), tour.close()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"libz        absent", "no library is there but the C library's own", "numbers sorted with", "combine(6, 7) = 42", "steps done in"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the tour does not say %q:\n%s", want, &out)
		}
	}
}

// TestTourFailure has a library that is there but cannot be opened: the tour goes on, names it, and fails.
func TestTourFailure(t *testing.T) {
	var out bytes.Buffer
	broken := errors.New("it is broken")
	tour := &tour{out: &out, find: func(name string, opts ...weld.Option) (*weld.Library, error) {
		if name == "libz.so.1" {
			return nil, &weld.OpenError{Name: name, Err: broken}
		}
		if strings.HasPrefix(name, "libc.") {
			return weld.Open(name, opts...)
		}
		return nil, &weld.OpenError{Name: name, Err: weld.ErrNotFound}
	}}
	err := errors.Join(tour.walk(), tour.close())
	if err == nil || !strings.Contains(err.Error(), "1 of ") || !strings.Contains(out.String(), "libz        FAILED: ") || !strings.Contains(out.String(), "numbers sorted") {
		t.Errorf("%v\n%s", err, &out)
	}
}
