package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"weld/bench/internal/report"
)

func testOptions(run string) options {
	return options{source: ".", rounds: 1, time: time.Millisecond, starts: 1, run: regexp.MustCompile(run), json: "-"}
}

func testBench(t *testing.T, o options) report.Report {
	t.Helper()
	var out bytes.Buffer
	if err := bench(context.Background(), o, &out, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNoise runs the whole way, all measures once, with the peers alone.
func TestNoise(t *testing.T) {
	o := testOptions("")
	o.noise = true
	r := testBench(t, o)
	groups := make(map[string]int)
	for _, row := range r.Rows {
		groups[row.Group]++
		if row.Compared.Median == 0 && row.Kind == "ratio" {
			t.Errorf("%s: ratio 0", row.Name)
		}
	}
	if groups["call"] != 4 || groups["callback"] != 2 || groups["lazy"] != 1 || groups["debugger"] != 6 {
		t.Errorf("rows are %v", groups)
	}
}

// TestWeld runs all measures once.
func TestWeld(t *testing.T) {
	r := testBench(t, testOptions(""))
	peers := make(map[string]int)
	for _, row := range r.Rows {
		peers[row.Peer]++
		if (row.Group == "start" || row.Group == "debugger") && row.Error != "" {
			t.Errorf("%s: %s", row.Name, row.Error)
		}
		if row.Group == "debugger" && (row.Target == nil || *row.Target != 1 || row.Kind != "ratio") {
			t.Errorf("%s: compared by %s, target %v", row.Name, row.Kind, row.Target)
		}
	}
	if peers["cgo"] != 6 || peers["purego"] != 5 || peers["glibc"] == 0 ||
		peers["native"] == 0 || peers["native"] != peers["LD_BIND_NOW"] {
		t.Errorf("rows by peer are %v", peers)
	}
}

func TestRunMatchesOne(t *testing.T) {
	r := testBench(t, testOptions("^debugger: open and close libtiny.so, weld watch"))
	if len(r.Rows) != 1 || r.Rows[0].Name != "open and close libtiny.so, weld watch attached" || r.Rows[0].Peer != "glibc" {
		t.Errorf("rows are %+v", r.Rows)
	}
}

func TestRunMatchesNothing(t *testing.T) {
	o := testOptions("no such measure")
	o.noise = true
	err := bench(context.Background(), o, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "matches no measure") {
		t.Errorf("error is %v", err)
	}
}

func TestMarkdown(t *testing.T) {
	o := testOptions("^lazy")
	o.noise, o.json, o.markdown = true, "", true
	var out bytes.Buffer
	if err := bench(context.Background(), o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "|  | measure | peer | peer |") || strings.Count(out.String(), "\n|") != 2 {
		t.Errorf("output is\n%s", &out)
	}
}
