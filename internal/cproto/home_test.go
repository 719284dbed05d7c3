package cproto

import (
	"fmt"
	"strings"
	"testing"
)

// TestHomes compares places with those of psABI 3.2.3, figure 3.6 among them.
func TestHomes(t *testing.T) {
	text := func(h Home) string {
		var b strings.Builder
		if h.Indirect {
			b.WriteByte('*')
		}
		for _, p := range h.Parts {
			fmt.Fprintf(&b, "%c%d", "ixm7"[p.In], p.N)
		}
		return b.String()
	}
	for _, test := range []struct{ proto, want string }{
		{"void f(void)", ""},
		{"int f(int, double, char *, float)", "i0 x0 i1 x1 = i0"},
		{"double f(int, int, int, int, int, int, int, int, double)", "i0 i1 i2 i3 i4 i5 m0 m1 x0 = x0"},
		// The psABI's example, long double aside.
		{"void f(int e, int f, struct s { int a, b; double d; } s, int g, int h, double m, double n, int i, int j, int k)",
			"i0 i1 i2x0 i3 i4 x1 x2 i5 m0 m1"},
		{"struct s { long a, b; } f(struct s, struct s, struct s, struct s, int)", "i0i1 i2i3 i4i5 m0m1 m2 = i0i1"},
		{"struct s { long a, b, c; } f(struct s, int)", "m0m1m2 i1 = *i0"},
		{"struct s { long a, b; } f(int, int, int, int, int, struct s, int)", "i0 i1 i2 i3 i4 m0m1 i5 = i0i1"},
		{"struct s { float a, b, c; } f(struct s)", "x0x1 = x0x1"},
		{"struct s { float a; int b; double c; } f(struct s)", "i0x0 = i0x0"},
		{"double complex f(float complex, double complex)", "x0 x1x2 = x0x1"},
		{"int f(const char *, ...)", "i0 = i0"},
		{"div_t f(int, int)", "i0 i1 = i0"},
	} {
		p, err := Parse(test.proto)
		if err != nil {
			t.Errorf("%s: %v", test.proto, err)
			continue
		}
		params, result, _ := p.Homes()
		var got []string
		for _, h := range params {
			got = append(got, text(h))
		}
		if r := text(result); r != "" {
			got = append(got, "=", r)
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s: %s, want %s", test.proto, s, test.want)
		}
	}
	long := Type{Kind: LongDouble, Name: "long double", Size: 16, Align: 16}
	p := &Prototype{Result: long, Params: []Param{{"", long}}}
	if params, result, rest := p.Homes(); text(params[0]) != "m0m1" || text(result) != "70" || rest.Words != 2 {
		t.Errorf("long double: %v, %v", params, result)
	}
	a := Assigner{Words: 1}
	if h := a.Assign(long); text(h) != "m2m3" {
		t.Errorf("long double behind a word: %v", h)
	}
}
