package link

import (
	"reflect"
	"testing"
	"unsafe"
)

// The garbage collector does not look into tables.
func TestPlainHasNoPointers(t *testing.T) {
	var hasPointers func(reflect.Type) bool
	hasPointers = func(typ reflect.Type) bool {
		switch k := typ.Kind(); {
		case k >= reflect.Bool && k <= reflect.Complex128 && k != reflect.Uintptr:
			return false
		case k == reflect.Array:
			return hasPointers(typ.Elem())
		case k == reflect.Struct:
			for i := range typ.NumField() {
				if hasPointers(typ.Field(i).Type) {
					return true
				}
			}
			return false
		}
		return true
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[section](), reflect.TypeFor[nameRef](), reflect.TypeFor[mergeRef](), reflect.TypeFor[frag](), reflect.TypeFor[ehRec](),
		reflect.TypeFor[symAux](), reflect.TypeFor[keptSym](), reflect.TypeFor[dynSym](),
	} {
		if hasPointers(typ) {
			t.Errorf("%v has pointers", typ)
		}
	}
	if !hasPointers(reflect.TypeFor[symbol]()) {
		t.Error("symbol has pointers, and the test does not see them")
	}
}

// Tables are zero, aligned, and do not overlap, whatever their sizes.
func TestTables(t *testing.T) {
	for _, inputs := range []int{0, largeLink} {
		testTables(t, &memory{inputs: inputs})
	}
}

func testTables(t *testing.T, m *memory) {
	var bytes [][]byte
	var words [][]uint64
	for i, n := range []int{
		1, 3, 100, smallBlock / 5, smallBlock / 4, smallBlock, 7, largeBlock / 4, largeBlock/4 + 1, largeBlock / 5, 1, largeBlock, 0, 5,
	} {
		b, w := tableOf[byte](m, n), tableOf[uint64](m, n/8)
		if len(b) != n || cap(b) != n || len(w) != n/8 {
			t.Fatalf("%d bytes: %d of %d, %d words", n, len(b), cap(b), len(w))
		}
		if len(w) > 0 && uintptr(unsafe.Pointer(&w[0]))%8 != 0 {
			t.Errorf("%d words are at %p", len(w), &w[0])
		}
		for k := range b {
			if b[k] != 0 {
				t.Fatalf("byte %d of %d is %d", k, n, b[k])
			}
			b[k] = byte(i + 1)
		}
		for k := range w {
			if w[k] != 0 {
				t.Fatalf("word %d of %d is %#x", k, len(w), w[k])
			}
			w[k] = uint64(i + 1)
		}
		bytes, words = append(bytes, b), append(words, w)
	}
	for i := range bytes {
		for _, v := range bytes[i] {
			if v != byte(i+1) {
				t.Fatalf("table %d has %d", i, v)
			}
		}
		for _, v := range words[i] {
			if v != uint64(i+1) {
				t.Fatalf("table %d has %d", i, v)
			}
		}
	}
}
