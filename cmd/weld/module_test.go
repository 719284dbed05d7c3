package main

import (
	"bytes"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// TestTables makes a module and a library with a table of exports, strips both, and has weld info, weld call and weld diff read their tables.
func TestTables(t *testing.T) {
	testenv.Need(t, "strip")
	d := testenv.NewDir(t)
	o := d.Object("a.o", "-fPIC", d.Write("a.c", "struct p { int x; double y; };\nint give(struct p *);\ndouble dist(const struct p *a, int n) { return a->x + a->y + n; }\n"))
	uses := d.Object("b.o", "-fPIC", d.Write("b.c", "struct p;\nint give(struct p *p);\nint take(void) { return give(0); }\n"))
	weld := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if status := run(args, nil, &out, &errs); status != 0 {
			t.Fatalf("weld %v: status %d: %s", args, status, &errs)
		}
		return out.String()
	}
	weld("link", "--module", "-s", "-o", d.Join("m.so"), o, uses)
	weld("link", "-shared", "--export-table", "-s", "-o", d.Join("l.so"), o)
	var info fileInfo
	runJSON(t, &info, "info", "--json", "--types", d.Join("m.so"))
	if ty := info.Types; len(ty.Exports) != 2 || len(ty.Imports) != 1 || ty.Imports[0].Signature != "fn(*struct p)s32" || ty.Exports[0].Type != "double dist(const struct p *, int)" && ty.Exports[0].Type != "double dist(struct p *, int)" {
		t.Errorf("%+v", ty)
	}
	if s := weld("info", "--types", d.Join("m.so")); !strings.Contains(s, "Table of imports\n  Hash") || !strings.Contains(s, "int give(struct p *)    fn(*struct p)s32") {
		t.Error(s)
	} else if strings.Contains(s, "no debugging information") {
		t.Errorf("what the tables say is called unknown: %s", s)
	}
	if s := weld("call", d.Join("l.so"), "dist", "{3,4.5}", "1"); s != "8.5\n" {
		t.Errorf("%q", s)
	}
	wider := d.Object("c.o", "-fPIC", d.Write("c.c", "struct p { int x; double y; };\ndouble dist(const struct p *a, long n) { return a->x + a->y + n; }\n"))
	weld("link", "-shared", "--export-table", "-s", "-o", d.Join("now.so"), wider)
	if s := weld("diff", d.Join("l.so"), d.Join("l.so")); s != "1 types compared\n" {
		t.Error(s)
	}
	var out, errs bytes.Buffer
	if status := run([]string{"diff", d.Join("l.so"), d.Join("now.so")}, nil, &out, &errs); status != statusBreaks || !strings.Contains(out.String(), "argument 2: int (4 bytes) became long (8 bytes)") {
		t.Errorf("status %d: %s %s", status, &out, &errs)
	}
}
