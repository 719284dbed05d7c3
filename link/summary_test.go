package link_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// TestSummary reads what --json and --timeline write.
func TestSummary(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("a.o", d.Write("a.cc", "template <class T> T same(T v) { return v + 1; }\nint other(); int f() { return same(1); } int g() { return same(1); }\nint unused() { return 5; }\nextern \"C\" int _start() { return f() + g() + other(); }\n"), "-O0", "-ffunction-sections", "-fno-pic")
	d.Object("b.o", d.Write("b.cc", "template <class T> T same(T v) { return v + 1; }\nint other() { return same(2); }\n"), "-O0", "-ffunction-sections", "-fno-pic")
	status, out, msg := command(t, d, "a.o", "b.o", "-o", "out <&>", "--gc-sections", "--icf=all", "--build-id", "--json", "--timeline=page.html", "--threads=3")
	if status != 0 {
		t.Fatal(msg)
	}
	var s struct {
		Output   string
		Size     int64
		Entry    uint64
		BuildID  string `json:"build_id"`
		Sections []struct {
			Name                  string
			Address, Offset, Size uint64
		}
		Files     []string
		Discarded []struct {
			File, Section, Reason string
			Size                  uint64
		}
		Phases []struct {
			Name  string
			Start float64 `json:"start_ms"`
			Time  float64 `json:"time_ms"`
		}
	}
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f := openELF(t, d.Join("out <&>"))
	secs, err := f.Sections()
	if err != nil {
		t.Fatal(err)
	}
	if s.Output != "out <&>" || s.Size != int64(len(read(t, d.Join("out <&>")))) || s.Entry != f.Entry || len(s.BuildID) != 40 || len(s.Files) != 2 {
		t.Errorf("output %s of %d bytes, entry %#x, build ID %s, files %q", s.Output, s.Size, s.Entry, s.BuildID, s.Files)
	}
	for i, x := range s.Sections {
		if w := secs[i+1]; x.Name != w.Name || x.Address != w.Addr || x.Offset != w.Off || x.Size != w.Size {
			t.Errorf("section %d: %v, wanted %v", i+1, x, w)
		}
	}
	reasons := map[string]string{}
	for _, x := range s.Discarded {
		reasons[x.File+" "+x.Section] = x.Reason
		if x.Size == 0 && strings.HasPrefix(x.Section, ".text.") {
			t.Errorf("%v has no size", x)
		}
	}
	for what, reason := range map[string]string{"a.o .text._Z6unusedv": "gc", "b.o .text._Z4sameIiET_S0_": "group", "a.o .text._Z1gv": "folded"} {
		if reasons[what] != reason {
			t.Errorf("%s was discarded for %q, wanted %q", what, reasons[what], reason)
		}
	}
	end := 0.0
	for _, p := range s.Phases {
		if p.Start < end || p.Time < 0 {
			t.Errorf("phase %s begins at %v, the one before it ended at %v", p.Name, p.Start, end)
		}
		end = p.Start + p.Time
	}
	page := string(read(t, d.Join("page.html")))
	for _, want := range []string{"<title>link of out &lt;&amp;&gt;</title>", ">write</text>", "goroutine 2", "<rect "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if strings.Contains(page, "src=") || strings.Contains(page, "href=") {
		t.Error("the page needs other files")
	}
	x := xml.NewDecoder(strings.NewReader(page[strings.Index(page, "<svg"):strings.Index(page, "<table>")]))
	for {
		if _, err := x.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is not well formed: %v", err)
		}
	}
	status, out, _ = command(t, d, "a.o", "b.o", "-o", "out", "--json=summary.json", "--time")
	if status != 0 || out != "" || !json.Valid(read(t, d.Join("summary.json"))) {
		t.Errorf("--json=FILE: status %d, output %q", status, out)
	}
}
