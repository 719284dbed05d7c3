package ctype

import (
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

type callback struct{}

func (*callback) Addr() uintptr { return 0 }

type (
	goTimespec struct{ Sec, Nsec int64 }
	goPoint    struct{ X, Y int32 }
	goPointF   struct{ X, Y float32 }
	goDouble   struct{ V float64 }
	goLong     struct{ V int64 }
	goPadded   struct {
		C byte
		_ [7]byte
		D float64
	}
	goUnpadded struct {
		C byte
		D float64
	}
	goShort struct{ Sec int64 }
	goWrong struct {
		Sec  int64
		Nsec float64
	}
	goCalls struct{ Open, Close uintptr }
	goNode  struct {
		Next *goNode
		V    int64
	}
	goFlat struct {
		A, B, C int32
	}
)

// TestCheck has a C prototype, a Go func type, and what is wrong: "" if nothing is.
func TestCheck(t *testing.T) {
	fn := func(f any) reflect.Type { return reflect.TypeOf(f) }
	const timespec = "struct timespec { long sec; long nsec; }"
	for _, c := range []struct {
		c    string
		g    reflect.Type
		want string
	}{
		{"double sin(double x)", fn(func(float64) float64 { return 0 }), ""},
		{"double sin(double x)", fn(func(float32) float64 { return 0 }), "argument 1 (x): C wants double (8 bytes), Go passes float32: 4 bytes, not 8"},
		{"double sin(double)", fn(func(float64) float32 { return 0 }), "result: C returns double (8 bytes), Go wants float32: 4 bytes, not 8"},
		{"double sin(double)", fn(func(float64) {}), ""},
		{"double sin(double)", fn(func(float64) (float64, syscall.Errno) { return 0, 0 }), ""},
		{"double sin(double)", fn(func(float64) syscall.Errno { return 0 }), ""},
		{"void f(int)", fn(func(int32) int32 { return 0 }), "result: C returns void, Go wants int32"},
		{"int abs(int)", fn(func(int) int { return 0 }), "argument 1: C wants int (4 bytes), Go passes int (8 bytes): 8 bytes, not 4; result: C returns int (4 bytes), Go wants int (8 bytes): 8 bytes, not 4"},
		{"int abs(int)", fn(func(uint32) int32 { return 0 }), "argument 1: C wants int (4 bytes), Go passes uint32: the sign differs, C's is signed"},
		{"long labs(long)", fn(func(int) int { return 0 }), ""},
		{"long labs(long)", fn(func(int64) int64 { return 0 }), ""},
		{"long labs(long)", fn(func(uintptr) int64 { return 0 }), "argument 1: C wants long (8 bytes), Go passes uintptr (8 bytes): the sign differs, C's is signed"},
		{"int f(size_t)", fn(func(uint) int32 { return 0 }), ""},
		{"int f(size_t)", fn(func(uintptr) int32 { return 0 }), ""},
		{"int f(int, int)", fn(func(int32) int32 { return 0 }), "C takes 2 arguments, Go passes 1"},
		{"int f(void)", fn(func(int32) int32 { return 0 }), "C takes 0 arguments, Go passes 1"},
		{"int f(char)", fn(func(byte) int32 { return 0 }), ""},
		{"int f(signed char)", fn(func(byte) int32 { return 0 }), "argument 1: C wants signed char (1 byte), Go passes uint8: the sign differs, C's is signed"},
		{"_Bool f(_Bool)", fn(func(bool) uint8 { return 0 }), ""},
		{"int f(_Bool)", fn(func(int32) int32 { return 0 }), "argument 1: C wants _Bool (1 byte), Go passes int32"},
		{"int f(enum color c)", fn(func(int32) int32 { return 0 }), ""},
		{"int f(enum color c)", fn(func(uint32) int32 { return 0 }), ""},
		{"int f(enum color c)", fn(func(int64) int32 { return 0 }), "argument 1 (c): C wants enum color (4 bytes), Go passes int64: 8 bytes, not 4"},
		{"int f(long double *)", fn(func(*float64) int32 { return 0 }), "argument 1: C wants long double *, Go passes *float64: behind the pointer 8 bytes, not 16"},
		{"int f(double **)", fn(func(**float32) int32 { return 0 }), "argument 1: C wants double **, Go passes **float32: behind the pointer 4 bytes, not 8"},
		{"double _Complex f(float _Complex)", fn(func(complex64) complex128 { return 0 }), ""},
		{"double f(double)", fn(func(int64) float64 { return 0 }), "argument 1: C wants double (8 bytes), Go passes int64"},

		{"size_t strlen(const char *)", fn(func(string) uint64 { return 0 }), ""},
		{"size_t strlen(const char *)", fn(func(*byte) uint64 { return 0 }), ""},
		{"size_t strlen(const char *)", fn(func([]byte) uint64 { return 0 }), ""},
		{"size_t strlen(const char *)", fn(func(*int32) uint64 { return 0 }), "argument 1: C wants const char *, Go passes *int32: behind the pointer 4 bytes, not 1"},
		{"char *getenv(const char *)", fn(func(string) string { return "" }), ""},
		{"int f(int *)", fn(func(string) int32 { return 0 }), "argument 1: C wants int *, Go passes string"},
		{"int f(int *)", fn(func(*uint32) int32 { return 0 }), "argument 1: C wants int *, Go passes *uint32: behind the pointer the sign differs, C's is signed"},
		{"int f(int *)", fn(func([]int32) int32 { return 0 }), ""},
		{"int f(int *)", fn(func(*[4]int32) int32 { return 0 }), ""},
		{"int f(int *)", fn(func(*[4]int64) int32 { return 0 }), "argument 1: C wants int *, Go passes *[4]int64: behind the pointer 8 bytes, not 4"},
		{"int f(int *)", fn(func(unsafe.Pointer, uintptr) int32 { return 0 }), "C takes 1 argument, Go passes 2"},
		{"int f(int *, char **)", fn(func(unsafe.Pointer, uintptr) int32 { return 0 }), ""},
		{"int f(int *)", fn(func(int64) int32 { return 0 }), "argument 1: C wants int *, Go passes int64, which is no pointer"},
		{"int f(int **)", fn(func(*int32) int32 { return 0 }), "argument 1: C wants int **, Go passes *int32"},
		{"int f(int **)", fn(func(**int32) int32 { return 0 }), ""},
		{"int f(int **)", fn(func(*unsafe.Pointer) int32 { return 0 }), ""},
		{"int f(int)", fn(func(*int32) int32 { return 0 }), "argument 1: C wants int (4 bytes), Go passes *int32"},
		{"int f(char **)", fn(func(*string) int32 { return 0 }), "argument 1: C wants char **, Go passes *string: in memory a Go string is no pointer"},
		{"int f(void *)", fn(func(*goTimespec) int32 { return 0 }), ""},
		{"int f(int (*)[3])", fn(func(*[3]int32) int32 { return 0 }), ""},
		{"int f(int (*)[3])", fn(func(*[2]int32) int32 { return 0 }), "argument 1: C wants int (*)[3], Go passes *[2]int32: 2 elements, not 3"},

		{"int f(int, " + timespec + " *)", fn(func(int32, *goTimespec) int32 { return 0 }), ""},
		{"int f(int, " + timespec + " *)", fn(func(int32, *int32) int32 { return 0 }), "argument 2: C wants struct timespec * (16 bytes), Go passes *int32"},
		{"int f(" + timespec + " *)", fn(func(*goShort) int32 { return 0 }), "argument 1: C wants struct timespec * (16 bytes), Go passes *ctype.goShort (8 bytes): 8 bytes, not 16"},
		{"int f(" + timespec + " *)", fn(func(*goWrong) int32 { return 0 }), "argument 1: C wants struct timespec * (16 bytes), Go passes *ctype.goWrong (16 bytes): field Nsec is float64, C's member nsec is long"},
		{"int f(" + timespec + " *)", fn(func([]goTimespec) int32 { return 0 }), ""},
		{"int f(" + timespec + " *)", fn(func([]byte) int32 { return 0 }), ""},
		{"int f(" + timespec + " *)", fn(func(*[16]byte) int32 { return 0 }), ""},
		{"int f(" + timespec + " *)", fn(func(*[8]byte) int32 { return 0 }), "argument 1: C wants struct timespec * (16 bytes), Go passes *[8]uint8: 8 bytes are too few"},
		{"int f(" + timespec + " *)", fn(func(*struct{}) int32 { return 0 }), ""},
		{"int f(" + timespec + " *)", fn(func(goTimespec) int32 { return 0 }), "argument 1: C wants struct timespec * (16 bytes), Go passes ctype.goTimespec (16 bytes)"},
		{"int f(struct opaque *)", fn(func(*goTimespec) int32 { return 0 }), ""},
		{"int f(struct opaque *)", fn(func(*int32) int32 { return 0 }), ""},
		{"int f(struct { int x, y; } p)", fn(func(goPoint) int32 { return 0 }), ""},
		{"int f(struct { int x, y; } p)", fn(func(goPointF) int32 { return 0 }), "argument 1 (p): C wants struct {...} (8 bytes), Go passes ctype.goPointF (8 bytes): field X is float32, C's member x is int"},
		{"int f(struct { int x, y; } p)", fn(func(*goPoint) int32 { return 0 }), "argument 1 (p): C wants struct {...} (8 bytes), Go passes *ctype.goPoint (8 bytes)"},
		{"int f(struct { struct { int a, b; } p; int c; } q)", fn(func(goFlat) int32 { return 0 }), ""},
		{"int f(struct { int a[3]; } q)", fn(func(goFlat) int32 { return 0 }), ""},
		{"int f(struct { char c; double d; } p)", fn(func(goPadded) int32 { return 0 }), ""},
		{"int f(struct { char c; double d; } p)", fn(func(goUnpadded) int32 { return 0 }), ""},
		{"int f(struct { double d; char c; } *p)", fn(func(*goUnpadded) int32 { return 0 }), "argument 1 (p): C wants struct {...} * (16 bytes), Go passes *ctype.goUnpadded (16 bytes): field C is uint8, C's member d is double"},
		{"int f(union { double d; float f; } u)", fn(func(goDouble) int32 { return 0 }), ""},
		{"int f(union { double d; float f; } u)", fn(func(goLong) int32 { return 0 }), "argument 1 (u): C wants union {...} (8 bytes), Go passes ctype.goLong (8 bytes): its members are passed in other registers"},
		{"int f(union { double d; long l; } u)", fn(func(goLong) int32 { return 0 }), ""},
		{"int f(struct opaque *)", fn(func(*[4]uint32) int32 { return 0 }), ""},
		{"int f(struct { unsigned s; } a)", fn(func(uint32) int32 { return 0 }), ""},
		{"int f(struct { unsigned s; } a)", fn(func(int32) int32 { return 0 }), "argument 1 (a): C wants struct {...} (4 bytes), Go passes int32: the sign differs, C's is unsigned"},
		{"int f(struct { struct { double v[1]; } a; } a)", fn(func(float64) int32 { return 0 }), ""},
		{"int f(struct { int x, y; } p)", fn(func(uint64) int32 { return 0 }), "argument 1 (p): C wants struct {...} (8 bytes), Go passes uint64"},
		{"int f(union { int i; void *p; } u)", fn(func(uintptr) int32 { return 0 }), ""},
		{"int f(union { double d; long l; } u)", fn(func(int64) int32 { return 0 }), ""},
		{"int f(union { double d; long l; } u)", fn(func(float64) int32 { return 0 }), "argument 1 (u): C wants union {...} (8 bytes), Go passes float64"},
		{"struct { char *s; } f(void)", fn(func() string { return "" }), ""},
		{"int f(struct { float _Complex c; } *p)", fn(func(*goPointF) int32 { return 0 }), ""},
		{"int f(struct { float _Complex c; } *p)", fn(func(*goPoint) int32 { return 0 }), "argument 1 (p): C wants struct {...} * (8 bytes), Go passes *ctype.goPoint (8 bytes): field X is int32, C's member c is float _Complex"},
		{"int f(struct { __int128 c; } *p)", fn(func(*goTimespec) int32 { return 0 }), ""},
		{"int f(struct { long double c; } *p)", fn(func(*[2]goDouble) int32 { return 0 }), "argument 1 (p): C wants struct {...} * (16 bytes), Go passes *[2]ctype.goDouble: 8 bytes, not 16"},
		{"int f(struct { void *(*open)(int); void (*close)(void); } *c)", fn(func(*goCalls) int32 { return 0 }), ""},
		{"int f(struct { int (*open)(int); int close; } *c)", fn(func(*goCalls) int32 { return 0 }), "argument 1 (c): C wants struct {...} * (16 bytes), Go passes *ctype.goCalls (16 bytes): field Close is uintptr, C's member close is int: 8 bytes, not 4"},
		{"int f(struct node { struct node *next; long v; } *n)", fn(func(*goNode) int32 { return 0 }), ""},

		{"void qsort(void *, size_t, size_t, int (*)(const void *, const void *))", fn(func([]int32, uint64, uint64, *callback) {}), ""},
		{"void qsort(void *, size_t, size_t, int (*)(const void *, const void *))", fn(func([]int32, uint64, uint64, uintptr) {}), ""},
		{"void qsort(void *, size_t, size_t, int (*)(const void *, const void *))", fn(func([]int32, uint64, uint64, *int32) {}),
			"argument 4: C wants int (*)(const void *, const void *), Go passes *int32: pass a function pointer as what weld.NewCallback makes, or as uintptr"},
		{"int f(int *)", fn(func(*callback) int32 { return 0 }), "argument 1: C wants int *, Go passes *ctype.callback (0 bytes)"},
		{"int printf(const char *, ...)", fn(func(string, ...any) int32 { return 0 }), ""},
		{"int open(const char *, int, ...)", fn(func(string, int32) int32 { return 0 }), ""},
		{"int open(const char *, int, ...)", fn(func(string, int32, uint32) int32 { return 0 }), ""},
		{"int f(int, ...)", fn(func(int32, float64, string, *byte, uintptr) int32 { return 0 }), ""},
		{"int f(int, ...)", fn(func(int32, float32) int32 { return 0 }), "C takes 1 argument and variable ones, which are ...any in Go, Go passes 2"},
		{"int open(const char *, int, ...)", fn(func(string, int32, uint16) int32 { return 0 }), "C takes 2 arguments and variable ones, which are ...any in Go, Go passes 3"},
		{"int puts(const char *)", fn(func(string, ...any) int32 { return 0 }), "C takes no variable arguments, Go passes []interface {}"},
		{"int puts(const char *)", fn(func(map[int]int) int32 { return 0 }), "argument 1: C wants const char *, Go passes map[int]int, and a Go map has no C equivalent"},
		{"int puts(const char *)", reflect.TypeFor[int](), "int is no func type"},
	} {
		k, err := ParseDecl(c.c)
		if err != nil {
			t.Errorf("%s: %v", c.c, err)
			continue
		}
		got := ""
		if err := Check(k.Type, c.g, Call); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s, %v:\n got %s\nwant %s", c.c, c.g, got, c.want)
		}
	}
}

// TestCheckCallback is TestCheck for the direction in which C calls.
func TestCheckCallback(t *testing.T) {
	k, err := ParseType("int (*)(const int *, double)")
	if err != nil {
		t.Fatal(err)
	}
	f := k.Strip().Elem
	for _, c := range []struct {
		g    any
		want string
	}{
		{func(*int32, float64) int32 { return 0 }, ""},
		{func(*int32, float64) int { return 0 }, "result: C wants int (4 bytes), Go returns int (8 bytes): 8 bytes, not 4"},
		{func(*int32, float64) {}, "result: C wants int (4 bytes), Go returns nothing"},
		{func(*int64, float64) int32 { return 0 }, "argument 1: C passes const int *, Go takes *int64: behind the pointer 8 bytes, not 4"},
		{func(*int32) int32 { return 0 }, "C passes 2 arguments, Go takes 1"},
	} {
		got := ""
		if err := Check(f, reflect.TypeOf(c.g), Callback); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%T: %s, want %s", c.g, got, c.want)
		}
	}
	if err := CheckVariable(f.Elem, reflect.TypeFor[*int64]()); err == nil || !strings.Contains(err.Error(), "C has int (4 bytes), Go points to it with *int64") {
		t.Error(err)
	}
	if err := CheckVariable(f.Elem, reflect.TypeFor[*int32]()); err != nil {
		t.Error(err)
	}
}

// TestOfGo checks a Go type against the C type it stands for, and looks at how that is written.
func TestOfGo(t *testing.T) {
	for _, c := range []struct {
		g    any
		want string
		sig  string
	}{
		{func(string, ...any) int32 { return 0 }, "int (const char *, ...)", "fn(*s8,...)s32"},
		{func([]byte, uint, float32) unsafe.Pointer { return nil }, "void *(uint8_t *, unsigned long, float)", "fn(*u8,u64,f32)*void"},
		{func(goPoint, *goNode) (int64, syscall.Errno) { return 0, 0 }, "long (struct goPoint, struct goNode *)", "fn({@0 s32;@32 s32}8,*struct goNode)s64"},
		{func(*callback, bool, complex64) {}, "void (void (*)(), _Bool, float _Complex)", "fn(*fn(?)void,b8,cf32)void"},
		{func(goPadded) {}, "void (struct goPadded)", "fn({@0 u8;@64 f64}16)void"},
	} {
		ct, err := OfGo(reflect.TypeOf(c.g))
		if err != nil {
			t.Errorf("%T: %v", c.g, err)
			continue
		}
		if ct.String() != c.want {
			t.Errorf("%T: %s, want %s", c.g, ct, c.want)
		}
		if s, err := SignatureOf(ct); err != nil || s.Text != c.sig {
			t.Errorf("%T: %s %v, want %s", c.g, s.Text, err, c.sig)
		}
		if err := Check(ct, reflect.TypeOf(c.g), Call); err != nil {
			t.Errorf("%T does not fit its own C type: %v", c.g, err)
		}
	}
	for _, g := range []any{func(func()) {}, func(...int) {}, func() (int, int) { return 0, 0 }, func([2]int32) {}, func(chan int) {}, func(struct{ S string }) {}} {
		if ct, err := OfGo(reflect.TypeOf(g)); err == nil {
			t.Errorf("%T is %s", g, ct)
		}
	}
}
