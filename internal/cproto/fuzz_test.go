package cproto

import (
	"errors"
	"testing"
)

// FuzzParse checks that any text is either an error of the right type, with a place in the text, or a prototype that
// reads back as it prints and has a Go type.
func FuzzParse(f *testing.F) {
	for _, s := range gccPrototypes {
		f.Add(s)
	}
	for _, s := range gccTags {
		f.Add("void F(" + s + " x)")
	}
	f.Add("int f(int x[[[(((*")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Col < 1 || se.Col > len(s)+1 || se.What == "" {
				t.Fatalf("%q: %#v", s, err)
			}
			se.caret()
			return
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q: prints as %q, which reads as %v %v", s, p, again, err)
		}
		p.GoType(true)
	})
}

// FuzzParseArg checks that any text is an error or a value of any type.
func FuzzParseArg(f *testing.F) {
	for _, typ := range []string{"int", "const char *", "char **", "double *", "struct { int x; char c[4]; struct { char *s; } v[2]; }", "struct s { int x; } *", "FILE *", "double _Complex"} {
		for _, s := range []string{"1", "'a'", "{1, {2}, \"a\"}", "_", "_8", "0x10", `a\n\x41`, "NULL", "1+2i", "(int *)5"} {
			f.Add(typ, s)
		}
	}
	f.Fuzz(func(t *testing.T, typ, text string) {
		c, err := ParseType(typ)
		if err != nil || len(text) > 5 && text[0] == '_' || len(text) > 0 && text[0] == '@' || c.Size > 4096 {
			return
		}
		if c.Kind == Pointer && (c.Elem.Size > 4096 || c.Len > 4096) {
			return
		}
		none := Memory(func(uintptr, []byte) int { return 0 })
		for _, parse := range []func() (*Value, error){
			func() (*Value, error) { return ParseArg(c, text) },
			func() (*Value, error) { return ParseVarArg(text) },
		} {
			v, err := parse()
			if err != nil {
				var ae *ArgError
				if !errors.As(err, &ae) || ae.What == "" {
					t.Fatalf("%s %q: %v", typ, text, err)
				}
				continue
			}
			none.Text(v.Type, Bytes(v.Go()))
			none.JSON(v.Type, Bytes(v.Go()))
			if v.Out() {
				v.OutText(none)
				v.OutJSON(none)
			}
		}
	})
}
