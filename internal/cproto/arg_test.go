package cproto

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// here reads the test's own memory, which is all readable, but for small addresses.
func here(addr uintptr, p []byte) int {
	if addr < 4096 {
		return 0
	}
	for i := range p {
		p[i] = **(**byte)(unsafe.Pointer(&[]uintptr{addr + uintptr(i)}[0]))
		if p[i] == 0 {
			return i + 1
		}
	}
	return len(p)
}

func TestParseArgScalars(t *testing.T) {
	for _, c := range []struct{ typ, in, want string }{
		{"int", "42", "42"}, {"int", "-2147483648", "-2147483648"}, {"int", "2147483648", "!out of range"},
		{"int", "-2147483649", "!out of range"}, {"int", "0x7fffffff", "2147483647"}, {"int", "0xffffffff", "!out of range"},
		{"int", "+7", "7"}, {"int", "007", "7"}, {"int", "0o17", "15"}, {"int", "0b101", "5"}, {"int", "-0x10", "-16"}, {"int", "-0", "0"},
		{"int", "'a'", "97"}, {"int", `'\n'`, "10"}, {"int", `'\''`, "39"}, {"int", `'\x41'`, "65"}, {"int", `'\0'`, "0"}, {"int", "'€'", "8364"},
		{"int", "'ab'", "!one character"}, {"int", "''", "!an integer is wanted"}, {"int", `'\q'`, `!\q is not known`}, {"int", "'", "!an integer"},
		{"int", "", "!an integer is wanted"}, {"int", "x", "!an integer"}, {"int", "1.5", "!an integer"}, {"int", "1_0", "!an integer"},
		{"int", "0x", "!an integer"}, {"int", "0xg", "!an integer"}, {"int", "--1", "!an integer"}, {"int", "0b2", "!an integer"}, {"int", " 1", "!an integer"},
		{"int", "99999999999999999999", "!out of range"}, {"int", "_", "!an integer"},
		{"unsigned", "4294967295", "4294967295"}, {"unsigned", "-1", "!out of range"}, {"unsigned", "4294967296", "!out of range"},
		{"signed char", "-128", "-128"}, {"signed char", "128", "!out of range"}, {"unsigned char", "255", "255"}, {"unsigned char", "256", "!out of range"},
		{"char", "-128", "-128"}, {"char", "255", "-1"}, {"char", "256", "!out of range"}, {"char", "'x'", "120"},
		{"short", "-32769", "!out of range"}, {"uint16_t", "65535", "65535"},
		{"long", "-9223372036854775808", "-9223372036854775808"}, {"long", "9223372036854775808", "!out of range"}, {"long", "-9223372036854775809", "!out of range"},
		{"size_t", "18446744073709551615", "18446744073709551615"}, {"size_t", "18446744073709551616", "!out of range"},
		{"enum e", "-1", "-1"}, {"enum e", "4294967295", "-1"}, {"enum { A, B = 7 }", "B", "7"}, {"enum { A, B = -7 }", "B", "-7"}, {"enum { A }", "-1", "!out of range"}, {"enum { A = 0x100000000 }", "A", "4294967296"},
		{"_Bool", "1", "true"}, {"_Bool", "false", "false"}, {"_Bool", "2", "!0, 1, false or true"},
		{"double", "0", "0"}, {"double", "1", "1"}, {"double", "-2.5", "-2.5"}, {"double", "1e3", "1000"}, {"double", "1e300", "1e+300"}, {"double", "1e400", "!out of range"},
		{"double", "inf", "inf"}, {"double", "-Inf", "-inf"}, {"double", "nan", "nan"}, {"double", "0x1p-2", "0.25"}, {"double", "0x10", "16"}, {"double", "-0x10", "-16"}, {"double", ".5", "0.5"},
		{"double", "x", "!a number is wanted"}, {"double", "", "!a number"}, {"double", "0x1_0p1", "!a number"}, {"double", "1e-7", "1e-07"}, {"double", "-0.0", "-0"},
		{"float", "0.1", "0.1"}, {"float", "1e39", "!out of range"}, {"float", "16777217", "16777216"},
		{"double _Complex", "1.5-2i", "1.5-2i"}, {"float _Complex", "3", "3+0i"}, {"double _Complex", "x", "!a complex number"},
		{"struct { int x; double y; }", "{1, 2.5}", "{x=1, y=2.5}"}, {"struct { int x; double y; }", "{ }", "{x=0, y=0}"}, {"struct { int x; double y; }", "_", "{x=0, y=0}"},
		{"struct { int x; double y; }", "{1,2,3}", "!3 values for 2 members"}, {"struct { int x; double y; }", "{1.5}", "!member x: an integer"}, {"struct { int x; double y; }", "1", "!values in braces"},
		{"struct { struct { int a, b; } p; char c[4]; int v[3]; }", "{{1,2}, abcd, {3, 4}}", `{p={a=1, b=2}, c="abcd", v={3, 4, 0}}`},
		{"struct { char c[4]; }", "{abcde}", "!5 bytes for an array of 4"}, {"struct { int v[2]; }", "{{1,2,3}}", "!3 values for an array of 2"}, {"struct { int v[2]; }", "{_}", "{v={0, 0}}"},
		{"struct { char *s; const char *t; }", `{"a, }\"b", NULL}`, `{s="a, }\"b", t=NULL}`}, {"struct { char *s; }", `{"a}`, "!a double quote is missing"}, {"struct { int x; }", "{{1}", "!the braces do not match"}, {"struct { int x; }", "{1}}", "!the braces do not match"},
		{"union { int x; float f; }", "{1}", "{x=1, f=1e-45}"}, {"union { int x; float f; }", "{1, 2}", "!2 values for 1 members"},
		{"struct { struct { int a; }; int b; }", "{{1}, 2}", "{{a=1}, b=2}"},
	} {
		typ, err := ParseType(c.typ)
		if err != nil {
			t.Errorf("%s: %v", c.typ, err)
			continue
		}
		v, err := ParseArg(typ, c.in)
		if msg, bad := strings.CutPrefix(c.want, "!"); bad {
			var ae *ArgError
			if !errors.As(err, &ae) || !strings.Contains(ae.What, msg) || ae.Text != c.in || ae.Type != typ.String() {
				t.Errorf("%s %q: %v, want %s", c.typ, c.in, err, msg)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.typ, c.in, err)
			continue
		}
		if got := Memory(here).Text(typ, Bytes(v.Go())); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.typ, c.in, got, c.want)
		}
		if v.Out() {
			t.Errorf("%s %q is an out-parameter", c.typ, c.in)
		}
	}
}

func TestParseArgPointers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("bytes\x00\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ typ, in, mem, out string }{
		{"const char *", `%s\n`, "%s\n\x00", ""}, {"const char *", "", "\x00", ""}, {"const char *", `a\tb\\\"\x41\101\0z\u20ac\e`, "a\tb\\\"AA\x00z€\x1b\x00", ""},
		{"const char *", `\_64\@`, "_64@\x00", ""}, {"const char *", "_64", "_64\x00", ""}, {"char *", "_x", "_x\x00", ""}, {"const char *", "-", "-\x00", ""}, {"const char *", "12", "12\x00", ""}, {"const char *", `\@x`, "@x\x00", ""},
		{"const char *", `a\`, "!ends in a backslash", ""}, {"const char *", `\x1`, "!too few digits", ""}, {"const char *", `\ud800`, "!is no character", ""}, {"const char *", `\777`, "!is no character", ""}, {"const char *", `\z`, `!\z is not known`, ""}, {"char *", `\U0001F600`, "😀\x00", ""},
		{"const char *", "@" + file, "bytes\x00\xff\x00", ""}, {"void *", "@" + file, "bytes\x00\xff\x00", ""}, {"const int *", "@" + file, "bytes\x00\xff\x00", ""}, {"const char *", "@" + dir + "/none", "!the file cannot be read", ""},
		{"char *", "_4", "\x00\x00\x00\x00", `""`}, {"char *", "_", "!how many bytes", ""}, {"char *", "_0", "!a number from 1", ""}, {"char *", "_99999999999999999999", "!a number from 1", ""},
		{"void *", "_2", "\x00\x00", "0000"}, {"struct stat *", "_3", "\x00\x00\x00", "000000"}, {"struct stat *", "x", "!a pointer to struct stat takes", ""},
		{"void *", "text", "text\x00", ""}, {"const void *", "12", "12\x00", ""}, {"void *", "0xzz", "0xzz\x00", ""}, {"unsigned char *", "ab", "ab\x00", ""},
		{"int *", "5", "\x05\x00\x00\x00", "5"}, {"int *", "_", "\x00\x00\x00\x00", "0"}, {"int *", "-1", "\xff\xff\xff\xff", "-1"}, {"int *", "x", "!an integer", ""}, {"const int *", "5", "\x05\x00\x00\x00", ""},
		{"int *", "{1,2}", "\x01\x00\x00\x00\x02\x00\x00\x00", "{1, 2}"}, {"short *", "_3", "\x00\x00\x00\x00\x00\x00", "{0, 0, 0}"}, {"const short *", "_3", "\x00\x00\x00\x00\x00\x00", ""},
		{"double *", "2.5", "\x00\x00\x00\x00\x00\x00\x04\x40", "2.5"}, {"size_t *", "_", "\x00\x00\x00\x00\x00\x00\x00\x00", "0"}, {"char **", "_", "\x00\x00\x00\x00\x00\x00\x00\x00", "NULL"}, {"_Bool *", "1", "\x01", "true"},
		{"struct { int x; float y; } *", "{1, 2}", "\x01\x00\x00\x00\x00\x00\x00\x40", "{x=1, y=2}"}, {"struct { char a; } *", "_", "\x00", "{a=0}"}, {"struct { char a; } *", "{{1},{2}}", "\x01\x02", "{{a=1}, {a=2}}"}, {"const struct { char a; } *", "{3}", "\x03", ""},
		{"struct { char a; } *", "x", "!a pointer to a struct takes", ""},
		{"long double *", "_", strings.Repeat("\x00", 16), "0"}, {"long double *", "1", "!a value of type long double cannot be given", ""}, {"__int128 *", "_", strings.Repeat("\x00", 16), "0"},
		{"int (*)[2]", "{{1,2}}", "", ""}, {"int (*)(int)", "text", "!a pointer to a function takes", ""}, {"int *", "{1,x}", "!an integer", ""}, {"int *", "_1073741824", "!more than", ""},
		{"int *", strings.Repeat("{", 40) + strings.Repeat("}", 40), "!an integer is wanted", ""}, {"int (*)[1][1][1]", "{{{{1}}}}", "\x01\x00\x00\x00", "{{{1}}}"},
	} {
		typ, err := ParseType(c.typ)
		if err != nil {
			t.Errorf("%s: %v", c.typ, err)
			continue
		}
		v, err := ParseArg(typ, c.in)
		if msg, bad := strings.CutPrefix(c.mem, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), msg) {
				t.Errorf("%s %q: %v, want %s", c.typ, c.in, err, msg)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.typ, c.in, err)
			continue
		}
		addr := v.Go().Interface().(uintptr)
		if addr != uintptr(unsafe.Pointer(unsafe.SliceData(v.kept[len(v.kept)-1]))) || addr%16 != 0 {
			t.Errorf("%s %q: the pointer does not point to the memory", c.typ, c.in)
		}
		if got := string(v.kept[len(v.kept)-1]); c.mem != "" && got != c.mem {
			t.Errorf("%s %q: %q, want %q", c.typ, c.in, got, c.mem)
		}
		if c.mem == "" {
			continue
		}
		if v.Out() != (c.out != "") {
			t.Errorf("%s %q: Out() is %v", c.typ, c.in, v.Out())
		} else if v.Out() && v.OutText(here) != c.out {
			t.Errorf("%s %q: out is %s, want %s", c.typ, c.in, v.OutText(here), c.out)
		}
	}
	for _, c := range []struct {
		typ, in string
		addr    uintptr
	}{
		{"char *", "NULL", 0}, {"int *", "nil", 0}, {"void (*)(void)", "nullptr", 0}, {"FILE *", "(nil)", 0},
		{"void *", "0x1234", 0x1234}, {"const void *", "0X10", 16}, {"FILE *", "4096", 4096}, {"void (*)(void)", "0x10", 16},
		{"int *", "(int *)0x1234", 0x1234}, {"int *", "(void*) 16", 16}, {"struct { int x; } *", "0x20", 32},
	} {
		typ, _ := ParseType(c.typ)
		v, err := ParseArg(typ, c.in)
		if err != nil || v.Go().Interface().(uintptr) != c.addr || v.Out() {
			t.Errorf("%s %q: %v %v", c.typ, c.in, v, err)
		}
	}
}

func TestDeclaredArrays(t *testing.T) {
	p, err := Parse("void f(char buf[4], int v[3], const int w[2], double m[2][2])")
	if err != nil {
		t.Fatal(err)
	}
	values, err := p.Args([]string{"_", "_", "_", "{{1,2},{3}}"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`""`, "{0, 0, 0}", "", "{{1, 2}, {3, 0}}"} {
		if values[i].Out() != (want != "") || want != "" && values[i].OutText(here) != want {
			t.Errorf("argument %d: %+v", i, values[i].out)
		}
	}
	values, err = p.Args([]string{"_8", "7", "_", "_1"})
	if err != nil || len(values[0].out.mem) != 8 || values[1].OutText(here) != "{7, 0, 0}" {
		t.Errorf("%v %v", values, err)
	}
}

func TestParseVarArg(t *testing.T) {
	for _, c := range []struct{ in, typ, want string }{
		{"42", "int", "42"}, {"-2147483648", "int", "-2147483648"}, {"2147483648", "long", "2147483648"}, {"-2147483649", "long", "-2147483649"},
		{"18446744073709551615", "unsigned long", "18446744073709551615"}, {"0x10", "int", "16"}, {"'a'", "int", "97"},
		{"3.5", "double", "3.5"}, {"1e3", "double", "1000"}, {"-.5", "double", "-0.5"}, {"0x1p4", "double", "16"},
		{"hi", "const char *", `"hi"`}, {"", "const char *", `""`}, {"e.", "const char *", `"e."`}, {"inf", "const char *", `"inf"`}, {"1.2.3", "const char *", `"1.2.3"`}, {"-", "const char *", `"-"`}, {"--x", "const char *", `"--x"`},
		{"NULL", "void *", "NULL"}, {"(long)5", "long", "5"}, {"(unsigned char)200", "int", "200"}, {"(char)-1", "int", "-1"}, {"(short) 7", "int", "7"}, {"(float)1.5", "double", "1.5"}, {"(double)2", "double", "2"}, {"(_Bool)1", "int", "1"},
		{"(char *)5", "char *", `"5"`}, {"(void *)0x20", "void *", "0x20"}, {"(unsigned)4000000000", "unsigned int", "4000000000"}, {"(size_t)1", "size_t", "1"}, {"(long", "const char *", `"(long"`}, {"(long)", "const char *", `"(long)"`}, {"(foo)5", "const char *", `"(foo)5"`}, {"(see below)", "const char *", `"(see below)"`},
		{"(long)x", "!", "an integer is wanted"}, {"(unsigned char)256", "!", "out of range"}, {`a\`, "!", "ends in a backslash"},
	} {
		v, err := ParseVarArg(c.in)
		if c.typ == "!" {
			var ae *ArgError
			if !errors.As(err, &ae) || !strings.Contains(ae.What, c.want) || ae.Text != c.in {
				t.Errorf("%q: %v, want %s", c.in, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got := Memory(here).Text(v.Type, Bytes(v.Go())); got != c.want || v.Type.String() != c.typ {
			t.Errorf("%q: %s %s, want %s %s", c.in, v.Type, got, c.typ, c.want)
		}
	}
	v, err := ParseVarArg("(int *)_")
	if err != nil || !v.Out() || v.OutText(here) != "0" {
		t.Errorf("(int *)_: %v %v", v, err)
	}
}

func TestArgs(t *testing.T) {
	printf, err := Parse("int printf(const char *format, ...)")
	if err != nil {
		t.Fatal(err)
	}
	values, err := printf.Args([]string{"%d", "5"})
	if err != nil || len(values) != 2 || values[0].Name != "format" || values[1].Name != "2" {
		t.Errorf("%v %v", values, err)
	}
	for texts, want := range map[string]string{
		"":         "printf takes at least 1 argument, 0 given",
		"f,(int)x": `argument 2 of printf: "(int)x" is no int: an integer is wanted: decimal, 0x, 0o, 0b or 'c'`,
	} {
		var list []string
		if texts != "" {
			list = strings.Split(texts, ",")
		}
		if _, err := printf.Args(list); err == nil || err.Error() != want {
			t.Errorf("%q: %v", texts, err)
		}
	}
	cos, err := Parse("double cos(double)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cos.Args([]string{"1", "2"}); err == nil || err.Error() != "cos takes 1 argument, 2 given" {
		t.Error(err)
	}
	if typ := cos.GoType(true); typ != reflect.TypeFor[func(float64) (float64, syscall.Errno)]() {
		t.Error(typ)
	}
}

func TestGoType(t *testing.T) {
	for in, want := range map[string]string{
		"void f(void)":                  "func()",
		"int printf(const char *, ...)": "func(uintptr, ...interface {}) int32",
		"_Bool f(char, unsigned char, short, unsigned short, int, unsigned, long, unsigned long, float, double)": "func(int8, uint8, int16, uint16, int32, uint32, int64, uint64, float32, float64) bool",
		"double _Complex f(float _Complex)":      "func(complex64) complex128",
		"void f(struct { int x; double y; } p)":  "func(struct { Low uint64; High float64 })",
		"void f(struct { float x, y, z; } p)":    "func(struct { Low [2]float32; High float32 })",
		"void f(struct { float x; int y; } p)":   "func(struct { Low [2]uint32 })",
		"void f(struct { char c[3]; } p)":        "func(struct { Low [3]uint8 })",
		"void f(struct { double x; char c; } p)": "func(struct { Low float64; High uint64 })",
		"void f(struct { long x[3]; } p)":        "func(struct { Memory [3]uint64 })",
		"void f(union { double d; float f; } p)": "func(struct { Low float64 })",
		"void f(union { double d; long l; } p)":  "func(struct { Low uint64 })",
		"void f(struct { int i; union { struct { float a, b; } x; struct { float a; int b; } y; } u; } p)":   "func(struct { Low [2]uint32; High uint32 })",
		"void f(struct { float i; union { struct { float a, b; } x; struct { float a; int b; } y; } u; } p)": "func(struct { Low [2]float32; High uint32 })",
		"void f(struct { float _Complex z; float _Complex w; } p)":                                           "func(struct { Low [2]float32; High [2]float32 })",
		"void f(struct { double _Complex z; } p)":                                                            "func(struct { Low float64; High float64 })",
		"div_t div(int, int)":     "func(int32, int32) struct { Low [2]uint32 }",
		"ldiv_t ldiv(long, long)": "func(int64, int64) struct { Low uint64; High uint64 }",
	} {
		p, err := Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if typ := p.GoType(false); typ.String() != want {
			t.Errorf("%s: %v", in, typ)
		}
		for _, param := range p.Params {
			if g := param.Type.goType(); g.Size() != param.Type.Size || uintptr(g.Align()) != param.Type.Align {
				t.Errorf("%s: %v has size %d, align %d", in, g, g.Size(), g.Align())
			}
		}
	}
	p, err := Parse("int f(int" + strings.Repeat(", int", maxParams-1) + ")")
	if err != nil {
		t.Fatal(err)
	}
	if typ := p.GoType(true); typ.NumIn() != maxParams {
		t.Error(typ)
	}
}

func TestPrint(t *testing.T) {
	for _, c := range []struct{ typ, mem, text, json string }{
		{"float", "\xcd\xcc\xcc\x3d", "0.1", "0.1"},
		{"double", "\x00\x00\x00\x00\x00\x00\xf0\x7f", "inf", `"inf"`},
		{"double", "\x00\x00\x00\x00\x00\x00\xf8\xff", "nan", `"nan"`},
		{"double", "\x00\x00\x00\x00\x84\xd7\x97\x41", "100000000", "100000000"},
		{"struct { char c[4]; int v[2]; struct { _Bool b; }; float _Complex z; }", "ab\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x80\xbf",
			`{c="ab", v={1, -1}, {b=true}, z=1-1i}`, `{"b":true,"c":"ab","v":[1,-1],"z":[1,-1]}`},
		{"struct { void *p; char *s; }", "\x00\x10\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00", "{p=0x1000, s=0x10}", `{"p":"0x1000","s":"0x10"}`},
		{"struct { char c[2]; }", "\xff\x01", "{c=ff01}", `{"c":{"hex":"ff01"}}`},
	} {
		typ, err := ParseType(c.typ)
		if err != nil {
			t.Errorf("%s: %v", c.typ, err)
			continue
		}
		m := Memory(here)
		j, err := json.Marshal(m.JSON(typ, []byte(c.mem)))
		if got := m.Text(typ, []byte(c.mem)); got != c.text || string(j) != c.json || err != nil {
			t.Errorf("%s: %s %s %v, want %s %s", c.typ, got, j, err, c.text, c.json)
		}
	}
	ld := scalar(LongDouble, "long double", 16, true)
	for mem, want := range map[string]string{
		"\x00\x00\x00\x00\x00\x00\x00\x80\xff\x3f": "1", "\x00\x00\x00\x00\x00\x00\x00\xa0\x00\xc0": "-2.5",
		"\x00\x00\x00\x00\x00\x00\x00\x80\xff\x7f": "inf", "\x00\x00\x00\x00\x00\x00\x00\xc0\xff\x7f": "nan", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00": "0",
	} {
		if got := Memory(here).Text(ld, []byte(mem+"\x00\x00\x00\x00\x00\x00")); got != want {
			t.Errorf("long double %x: %s, want %s", mem, got, want)
		}
	}
	wide := "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	if got := Memory(here).Text(scalar(Int128, "__int128", 16, true), []byte(wide)); got != "-2" {
		t.Error(got)
	}
	if got := Memory(here).Text(scalar(Int128, "unsigned __int128", 16, false), []byte(wide)); got != "340282366920938463463374607431768211454" {
		t.Error(got)
	}
}

func TestCString(t *testing.T) {
	memory := append([]byte(strings.Repeat("x", 9000)), 0)
	const base = 0x10ff0
	m := Memory(func(addr uintptr, p []byte) int {
		if addr < base || addr >= base+uintptr(len(memory)) {
			return 0
		}
		return copy(p, memory[addr-base:])
	})
	if s, ok := m.CString(base); !ok || len(s) != 9000 {
		t.Errorf("%d %v", len(s), ok)
	}
	memory = memory[:9000]
	if s, ok := m.CString(base); ok || len(s) != 9000 {
		t.Errorf("without end: %d %v", len(s), ok)
	}
	if _, ok := m.CString(1); ok {
		t.Error("nothing there to read")
	}
}

func TestBufferString(t *testing.T) {
	char, void := scalar(Int, "char", 1, true), Type{Kind: Void, Name: "void"}
	for _, c := range []struct {
		elem      Type
		mem, want string
	}{
		{char, "abc\x00\xff\xff", `"abc"`}, {char, "\x00\x00", `""`}, {char, "abc", `"abc"`}, {char, "a\xff\x00", "61ff00"}, {char, "\x01\x00", "0100"}, {char, "a\n\x00", `"a\n"`},
		{void, "abc\x00\xff", "61626300ff"}, {void, "abc\x00\x00", `"abc"`}, {void, "\x00\x00", "0000"},
	} {
		if got := bufferText(c.elem, []byte(c.mem)); got != c.want {
			t.Errorf("%q: %s, want %s", c.mem, got, c.want)
		}
	}
}
