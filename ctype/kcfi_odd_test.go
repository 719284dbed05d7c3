package ctype

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestKCFIRefuses compares what type ids and DWARF say of Go func types: what fits by DWARF is refused by no id.
func TestKCFIRefuses(t *testing.T) {
	const text = `
double _Complex cc(double _Complex a, double _Complex b) { return a + b; }
float _Complex cf(double _Complex a, float _Complex b, float _Complex c, double _Complex d) { return a + b + c + d; }
double np() { return 1; }
double va(double x, ...) { return x; }
double one(double x) { return x; }
_Bool bo(_Bool x) { return x; }
unsigned char uc(unsigned char x) { return x; }
signed char sc(signed char x) { return x; }
short sh(short x) { return x; }
unsigned short us(unsigned short x) { return x; }
char ch(char x) { return x; }
enum __attribute__((packed)) tiny { A, B } en(enum tiny x) { return x; }
enum __attribute__((packed)) low { C = -1, D = 300 } el(enum low x) { return x; }
`
	scalars := []reflect.Type{reflect.TypeFor[bool](), reflect.TypeFor[int8](), reflect.TypeFor[uint8](), reflect.TypeFor[int16](), reflect.TypeFor[uint16](),
		reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128]()}
	dir := t.TempDir()
	src := filepath.Join(dir, "odd.c")
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"-O1", "-fsanitize-cfi-icall-experimental-normalize-integers"} {
		in, f := buildKCFI(t, src, option)
		n := 0
		for _, q := range exports(t, f.Name) {
			id, ok := KCFIBefore(f.File, q.Addr)
			if !ok || strings.HasPrefix(q.Name, "__cfi_") {
				continue
			}
			k, err := in.Lookup(q)
			if q.Name == "np" { // declared without a prototype
				k, err = ParseDecl("double np(void)")
			}
			if err != nil {
				t.Fatal(err)
			}
			if ids, err := KCFI(k.Type); err == nil && !slices.Contains(ids, id) {
				t.Errorf("%s: %s has the id %#x, not of %#x", option, k.Type.Declare(q.Name), id, ids)
			}
			for _, r := range scalars {
				for _, p := range scalars {
					for params := range max(len(k.Type.Params), 1) + 1 {
						list := make([]reflect.Type, params)
						for i := range list {
							list[i] = p
						}
						if strings.HasSuffix(q.Name, "cf") && params == 4 {
							list[0], list[1], list[2], list[3] = scalars[8], scalars[7], scalars[7], scalars[8]
						}
						g := reflect.FuncOf(list, []reflect.Type{r}, false)
						if Check(k.Type, g, Call) != nil {
							continue
						}
						n++
						if match, certain := MatchKCFI(id, g); !match && certain {
							t.Errorf("%s: %s is refused for %v", option, k.Type.Declare(q.Name), g)
						}
					}
				}
			}
		}
		if n < 40 {
			t.Errorf("%s: %d func types fit", option, n)
		}
	}
}
