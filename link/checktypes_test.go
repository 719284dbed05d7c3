package link_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/link"
	"weld/link/ldcmd"
)

const (
	typesHere = `
#include <stddef.h>
struct shape { int sides; double area; };
struct opaque;
enum level { LOW, HIGH = 7 };
extern int table[];
extern int counts[3];
extern double weight;
extern const char *const name;
int wrong_argument(int n);
int wrong_result(void);
int wrong_count(int a, int b);
void wrong_struct(struct shape *s);
int wrong_enum(enum level l);
int fine(struct shape *s, const char *text, size_t n, enum level l, void *any, struct opaque *o);
int no_prototype();
int through_alias(char c);
void takes_any(void *p);
int varies(const char *format, ...);
int same_in_cxx(struct shape *s, _Bool b, wchar_t w, int (*call)(void *, unsigned char));
int start(void) {
	wrong_struct(NULL);
	takes_any(table);
	return wrong_argument(counts[0]) + wrong_result() + wrong_count(1, 2) + wrong_enum(HIGH) + fine(0, 0, 0, 0, 0, 0) + no_prototype(1) + through_alias('c') +
		(int)weight + (name != 0) + varies("") + same_in_cxx(0, 1, L'x', 0);
}
`
	typesThere = `
#include <stddef.h>
struct shape { int sides; float area; };
struct opaque { int secret; };
enum level { LOW, HIGH };
int table[4] = {1};
int counts[4] = {1};
float weight = 1;
const char *const name = "name";
int wrong_argument(long n) { return (int)n; }
long wrong_result(void) { return 1; }
int wrong_count(int a) { return a; }
void wrong_struct(struct shape *s) { }
int wrong_enum(enum level l) { return l; }
int no_prototype(int n) { return n; }
static int impl(int n) { return n; }
int through_alias(int n) __attribute__((alias("impl")));
void takes_any(int *p) { }
int varies(const char *format, ...) { return 0; }
`
	typesFine = `
#include <stddef.h>
typedef struct shape { int sides; double area; } shape_t;
struct opaque { int hidden[4]; };
typedef enum level { LOW, HIGH = 7 } level_t;
int fine(shape_t *s, const char *restrict text, unsigned long n, level_t l, int *any, struct opaque *o) { return 0; }
`
	typesCxx = `
struct shape { int sides; double area; int twice() const { return 2 * sides; } };
namespace other { long wrong_result(int n) { return n; } }
extern "C" int same_in_cxx(shape *s, bool b, wchar_t w, int (*call)(void *, unsigned char)) { return b + (int)other::wrong_result(w); }
`
)

// wantTypes are what is to be said of typesHere, by symbol, and where.
var wantTypes = map[string]string{
	"counts":         "3 elements here, 4 there",
	"weight":         "double (8 bytes) here, float (4 bytes) there",
	"wrong_argument": "argument 1: int (4 bytes) here, long (8 bytes) there",
	"wrong_result":   "result: int (4 bytes) here, long (8 bytes) there",
	"wrong_count":    "2 arguments here, 1 there",
	"wrong_struct":   "argument 1, struct shape, member area: at offset 8 here, 4 there; argument 1, struct shape, member area: double (8 bytes) here, float (4 bytes) there; argument 1, struct shape: 16 bytes here, 8 there",
	"wrong_enum":     "argument 1: HIGH of enum level is 7 here, 1 there",
	"through_alias":  "argument 1: char (1 byte) here, int (4 bytes) there",
}

// TestCheckTypes links objects that declare things otherwise than others define them.
func TestCheckTypes(t *testing.T) {
	d := testenv.NewDir(t)
	for name, text := range map[string]string{"here.c": typesHere, "there.c": typesThere, "fine.c": typesFine, "cxx.cc": typesCxx} {
		d.Write(name, text)
	}
	for _, c := range []struct {
		name  string
		cc    []string
		blind []string // what the compiler does not write down
	}{
		{"gcc", []string{"gcc"}, nil},
		{"gcc 4", []string{"gcc", "-gdwarf-4", "-gz"}, nil},
		{"gcc sections", []string{"gcc", "-ffunction-sections", "-fdebug-types-section"}, nil},
		{"clang", []string{"clang-19", "-O2"}, []string{"counts", "weight"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			objs := []string{}
			for _, src := range []string{"here.c", "there.c", "fine.c", "cxx.cc"} {
				out := strings.TrimSuffix(src, filepath.Ext(src)) + ".o"
				tool(t, d.Path, c.cc[0], append(c.cc[1:], "-g", "-w", "-fPIC", "-c", src, "-o", out)...)
				objs = append(objs, out)
			}
			inputs := []link.Input{}
			for _, o := range objs {
				inputs = append(inputs, link.Input{Path: d.Join(o)})
			}
			_, err := link.Link(t.Context(), link.Options{Inputs: inputs, Mode: link.Shared, CheckTypes: link.ReportError})
			var list link.Errors
			if !errors.As(err, &list) {
				t.Fatalf("%v", err)
			}
			seen := map[string]bool{}
			for _, err := range list {
				var e *link.TypeError
				if !errors.As(err, &e) {
					t.Errorf("%T: %v", err, err)
					continue
				}
				seen[e.Symbol] = true
				var words []string
				for _, x := range e.Changes {
					words = append(words, x.String())
				}
				if got := strings.Join(words, "; "); got != wantTypes[e.Symbol] {
					t.Errorf("%s: %q, want %q", e.Symbol, got, wantTypes[e.Symbol])
				}
				line := func(text, declaration string) int {
					at := strings.Index(text, declaration)
					return 1 + strings.Count(text[:max(at, 0)], "\n")
				}
				defined := " " + e.Symbol
				if e.Symbol == "through_alias" {
					defined = " impl"
				}
				if e.Declared.Object != d.Join("here.o") || e.Declared.Source.File != d.Join("here.c") || e.Declared.Source.Line != line(typesHere, " "+e.Symbol) {
					t.Errorf("%s is declared at %v", e.Symbol, e.Declared)
				}
				if e.Defined.Object != d.Join("there.o") || e.Defined.Source.File != d.Join("there.c") || e.Defined.Source.Line != line(typesThere, defined) {
					t.Errorf("%s is defined at %v", e.Symbol, e.Defined)
				}
			}
			for name := range wantTypes {
				blind := false
				for _, b := range c.blind {
					blind = blind || b == name
				}
				if !seen[name] && !blind {
					t.Errorf("nothing is said of %s", name)
				}
			}
		})
	}
	// The command line: a warning leaves the output there, an error does not.
	tool(t, d.Path, "gcc", "-g", "-w", "-fPIC", "-c", "here.c", "there.c", "fine.c")
	for _, c := range []struct {
		option string
		status int
		want   string
	}{
		{"--no-warnings", 0, ""},
		{"--check-types=none", 0, ""},
		{"--check-types", 0, "ld: warning: counts is declared as "},
		{"--check-types=warning", 0, "ld: warning: weight is declared as "},
		{"--check-types=error", 1, "ld: error: weight is declared as "},
		{"--check-types=what", 2, "--check-types=what: it is none, warning or error"},
	} {
		os.Remove(d.Join("out"))
		status, _, msg := command(t, d, "-shared", "-o", "out", "here.o", "there.o", "fine.o", c.option)
		_, err := os.Stat(d.Join("out"))
		if status != c.status || !strings.Contains(msg, c.want) || c.want == "" && msg != "" || (err == nil) != (status == 0) {
			t.Errorf("%s: status %d, %v\n%s", c.option, status, err, msg)
		}
	}
	// Objects without debugging information, and with damaged one.
	data := read(t, d.Join("here.o"))
	at := bytes.Index(data, []byte("here.c\x00"))
	for n := range 60 {
		bad := bytes.Clone(data)
		bad[(at+n*37)%len(bad)] ^= byte(n | 1)
		d.Write("bad.o", string(bad))
		var out, msg bytes.Buffer
		ldcmd.Main(t.Context(), "ld", []string{"-r", "-o", d.Join("out"), d.Join("bad.o"), d.Join("there.o"), "--check-types"}, &out, &msg)
	}
}
