package ctype

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"weld/image/elf"
	"weld/internal/testenv"
)

// goValue returns a Go type that stands for a C type as a parameter or result; nil if this test makes none.
func goValue(t *Type, depth int) reflect.Type {
	t = t.asParam().Strip()
	switch t.Kind {
	case Bool:
		return reflect.TypeFor[bool]()
	case Int:
		if t.Bits == 0 && t.Size <= 8 {
			return goInt(t.Size, t.Signed)
		}
	case Enum:
		return goInt(t.Size, t.Signed)
	case Float:
		switch t.Format {
		case Binary32:
			return reflect.TypeFor[float32]()
		case Binary64:
			return reflect.TypeFor[float64]()
		}
	case Complex:
		switch t.Format {
		case Binary32:
			return reflect.TypeFor[complex64]()
		case Binary64:
			return reflect.TypeFor[complex128]()
		}
	case Pointer, Array, Func:
		if t.Kind == Pointer && depth == 0 {
			switch e := t.Elem.Strip(); e.Kind {
			case Int, Float, Bool, Enum, Struct:
				if v := goValue(e, 1); v != nil && !e.Incomplete {
					return reflect.PointerTo(v)
				}
			}
		}
		return reflect.TypeFor[unsafe.Pointer]()
	case Struct:
		return goStruct(t, depth)
	}
	return nil
}

func goInt(size int64, signed bool) reflect.Type {
	list := map[int64][2]reflect.Type{1: {reflect.TypeFor[uint8](), reflect.TypeFor[int8]()}, 2: {reflect.TypeFor[uint16](), reflect.TypeFor[int16]()},
		4: {reflect.TypeFor[uint32](), reflect.TypeFor[int32]()}, 8: {reflect.TypeFor[uint64](), reflect.TypeFor[int64]()}}[size]
	if signed {
		return list[1]
	}
	return list[0]
}

// goStruct makes a Go struct with the members of a C struct in their places, with bytes between them.
func goStruct(t *Type, depth int) reflect.Type {
	ms, err := t.Members()
	if err != nil || t.Incomplete || t.ByReference || len(ms) == 0 || depth > 3 || t.align() > 8 || len(ms) > 100 {
		return nil
	}
	var fields []reflect.StructField
	off := int64(0)
	add := func(g reflect.Type) {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", len(fields)), Type: g})
		off += int64(g.Size())
	}
	for _, m := range ms {
		g := goValue(m.Type, depth+1)
		if m.Type.Strip().Kind == Array || g == nil || m.Bits > 0 || m.Offset%8 != 0 || m.Offset/8%int64(g.Align()) != 0 {
			return nil
		}
		if pad := m.Offset/8 - off; pad > 0 {
			add(reflect.ArrayOf(int(pad), reflect.TypeFor[byte]()))
		}
		add(g)
	}
	if pad := t.Size - off; pad > 0 {
		add(reflect.ArrayOf(int(pad), reflect.TypeFor[byte]()))
	}
	if g := reflect.StructOf(fields); int64(g.Size()) == t.Size {
		return g
	}
	return nil
}

// wrongs are Go types that do not stand for a C type, each with a word that says why.
func wrongs(t *Type) map[reflect.Type]string {
	t = t.asParam().Strip()
	list := map[reflect.Type]string{reflect.TypeFor[complex64](): "Go ", reflect.TypeFor[map[int]int](): "has no C equivalent"}
	switch t.Kind {
	case Int, Enum:
		list[reflect.TypeFor[float64]()] = "float64"
		list[reflect.TypeFor[unsafe.Pointer]()] = "unsafe.Pointer"
		for _, n := range []int64{1, 2, 4, 8} {
			if n != t.Size {
				list[goInt(n, t.Signed)] = fmt.Sprintf(": %s, not %d", bytesOf(n), t.Size)
			}
		}
		if t.Kind == Int && t.Name != "char" {
			list[goInt(t.Size, !t.Signed)] = "the sign differs"
		}
	case Float:
		list[reflect.TypeFor[int64]()] = "int64"
		if t.Format == Binary32 {
			list[reflect.TypeFor[float64]()] = "8 bytes, not 4"
		} else {
			list[reflect.TypeFor[float32]()] = ": 4 bytes, not "
		}
	case Pointer:
		list[reflect.TypeFor[int64]()] = "which is no pointer"
		list[reflect.TypeFor[bool]()] = "bool"
		if e := t.Elem.Strip(); e.Kind == Int && e.Size == 4 {
			list[reflect.TypeFor[*int64]()] = "behind the pointer 8 bytes, not 4"
		} else if e.Kind == Struct && !e.Incomplete && e.Size > 8 {
			list[reflect.TypeFor[*[4]struct{ A uint8 }]()] = "Go "
		}
	case Complex:
		delete(list, goValue(t, 0))
		list[reflect.TypeFor[float64]()] = "float64"
	case Struct:
		list[reflect.TypeFor[int32]()] = "int32"
	}
	return list
}

// checkLibrary compares every function of a list with the Go type that stands for it, and with wrong ones. It returns how many functions have a type that
// Go has too.
func checkLibrary(t *testing.T, in *Info, list []Query) (known, tried int) {
	t.Helper()
	for _, q := range list {
		k, err := in.Lookup(q)
		if err != nil {
			var u *UnknownError
			if !errors.As(err, &u) || u.Kind != ErrAssembly && u.Kind != ErrIndirect && u.Kind != ErrNotFound && u.Kind != ErrNoPrototype {
				t.Errorf("%s: %v", q.Name, err)
			}
			continue
		}
		known++
		if q.Type == elf.STT_OBJECT || q.Type == elf.STT_TLS {
			if err := CheckVariable(k.Type, reflect.TypeFor[unsafe.Pointer]()); err != nil {
				t.Errorf("%s: %v", q.Name, err)
			}
			continue
		}
		var params []reflect.Type
		for _, p := range k.Type.Params {
			params = append(params, goValue(p.Type, 0))
		}
		var results []reflect.Type
		if k.Type.Elem.Strip().Kind != Void {
			results = append(results, goValue(k.Type.Elem, 0))
		}
		if slices.Contains(params, nil) || slices.Contains(results, nil) {
			continue // long double, unions and the like
		}
		tried++
		fn := func(params, results []reflect.Type) reflect.Type { return reflect.FuncOf(params, results, false) }
		if err := Check(k.Type, fn(params, results), Call); err != nil {
			t.Errorf("%s, %s, with %v: %v", q.Name, k.Type, fn(params, results), err)
			continue
		}
		// refused checks that a wrong type is told, at its place and in the right words.
		refused := func(g reflect.Type, arg int, want string) {
			err := Check(k.Type, g, Call)
			var e *MismatchError
			if !errors.As(err, &e) || len(e.All) != 1 || e.All[0].Arg != arg || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %s, with %v: %v, want %s", q.Name, k.Type, g, err, want)
			}
		}
		extra := reflect.TypeFor[int32]()
		if k.Type.Variadic {
			extra = reflect.TypeFor[int8]() // which C promotes
		}
		refused(fn(append(slices.Clone(params), extra), results), -2, fmt.Sprintf("Go passes %d", len(params)+1))
		if len(params) > 0 {
			refused(fn(params[:len(params)-1], results), -2, fmt.Sprintf("Go passes %d", len(params)-1))
		}
		for i := range params {
			for g, want := range wrongs(k.Type.Params[i].Type) {
				other := slices.Clone(params)
				other[i] = g
				refused(fn(other, results), i, want)
			}
		}
		if results == nil {
			refused(fn(params, []reflect.Type{reflect.TypeFor[int32]()}), -1, "C returns void, Go wants int32")
			continue
		}
		for g, want := range wrongs(k.Type.Elem) {
			refused(fn(params, []reflect.Type{g}), -1, want)
		}
	}
	return known, tried
}

// TestEveryFunction takes every function of the C library and libm, their aliases, indirect functions and versions among them;
// of libm alone if it is to be short.
func TestEveryFunction(t *testing.T) {
	for lib, want := range map[string]int{"libc.so.6": 1800, "libm.so.6": 650} {
		if testing.Short() && lib == "libc.so.6" {
			continue
		}
		path := testenv.Library(t, "libc6", lib)
		known, tried := checkLibrary(t, distribution(t, path), exports(t, path))
		t.Logf("%s: %d known, %d tried", lib, known, tried)
		if tried < want {
			t.Errorf("%s: only %d functions", lib, tried)
		}
	}
}

// TestAbidiff has abidiff compare the declarations of TestChanges, and looks where it says something else.
func TestAbidiff(t *testing.T) {
	testenv.Need(t, "abidiff")
	dir := t.TempDir()
	for side, text := range map[string]string{
		"old": changeSource(func(i int) string { return changes[i].old }),
		"new": changeSource(func(i int) string { return changes[i].new }),
	} {
		if err := os.WriteFile(filepath.Join(dir, side+".c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", side+".c", "-o", side+".so")
	}
	cmd := exec.Command("abidiff", "--harmless", "old.so", "new.so")
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode()&3 != 0) { // bits 0 and 1: it failed
		t.Fatalf("abidiff: %v", err)
	}
	c, err := Compare(openInfo(t, filepath.Join(dir, "old.so"), nil), openInfo(t, filepath.Join(dir, "new.so"), nil))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, s := range c.Symbols {
		told[s.Name] = true
	}
	for i, x := range changes {
		name := fmt.Sprintf("f_%d", i)
		theirs := strings.Contains(string(out), " "+name+"(") || strings.Contains(string(out), " "+name+"[") || strings.Contains(string(out), "'"+name)
		switch ours := told[name]; {
		case ours == theirs:
		case !ours && (x.diff == "" || x.effect == Harmless): // a name, a qualifier: what abidiff tells too is no change for callers
		case ours && x.n == 37: // it does not look at alignments
		default:
			t.Errorf("%d %s: abidiff %v, Compare %v", x.n, x.what, theirs, ours)
		}
	}
}
