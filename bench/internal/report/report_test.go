package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"weld/bench/internal/suite"
)

func results() []suite.Result {
	samples := func(key string, values ...float64) suite.Samples {
		return suite.Samples{Values: map[string][]float64{key: values}}
	}
	call := suite.Result{
		Case: suite.Case{Group: "call", Members: []suite.Member{{Worker: "weld"}, {Worker: "cgo"}, {Worker: "purego"}},
			Metrics: []suite.Metric{{Key: "ns", Name: "int", Unit: "ns", Target: 1, NoAlloc: true}}},
		Members: []suite.Samples{samples("ns", 30, 40, 50), samples("ns", 60, 40, 50), {Err: errors.New("crashed")}},
	}
	call.Members[0].Values["allocs"] = []float64{0, 0, 0.0001}
	memory := suite.Result{
		Case: suite.Case{Group: "memory", Members: []suite.Member{{Worker: "weld"}, {Worker: "glibc"}},
			Metrics: []suite.Metric{{Key: "resident", Name: "libz", Unit: "bytes", Target: 0.05, Whole: 1000}}},
		Members: []suite.Samples{samples("resident", 2060, 2070, 2080), samples("resident", 2000, 2000, 2000)},
	}
	start := suite.Result{
		Case: suite.Case{Group: "start", Members: []suite.Member{{Worker: "weld run"}, {Worker: "native"}},
			Metrics: []suite.Metric{{Key: "ns", Name: "true", Unit: "ns", Target: 5e6, Added: true}}},
		Members: []suite.Samples{samples("ns", 7e6, 6e6, 5e6), samples("ns", 1e6, 1e6, 1e6)},
	}
	return []suite.Result{call, memory, start}
}

func TestRows(t *testing.T) {
	rows := Rows(results())
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4", len(rows))
	}
	call, failed, memory, start := rows[0], rows[1], rows[2], rows[3]
	if c := call.Compared; c.Median != 1 || c.Min != 0.5 || c.Max != 1 || call.Met == nil || !*call.Met {
		t.Errorf("call: %+v", call)
	}
	if failed.Error != "purego: crashed" || failed.Target != nil || failed.Met != nil {
		t.Errorf("failed: %+v", failed)
	}
	if memory.Kind != "share" || memory.Compared.Median != 0.07 || *memory.Met {
		t.Errorf("memory: %+v", memory)
	}
	if c := start.Compared; start.Kind != "added" || c.Median != 5e6 || c.Min != 4e6 || c.Max != 6e6 || !*start.Met {
		t.Errorf("start: %+v", start)
	}
}

func TestAllocationMissesTarget(t *testing.T) {
	r := results()
	r[0].Members[0].Values["allocs"] = []float64{1, 1, 1}
	if row := Rows(r)[0]; *row.Met {
		t.Errorf("a call that allocates meets the target: %+v", row)
	}
}

func TestFormats(t *testing.T) {
	r := &Report{Subject: "weld", Rounds: 3, Rows: Rows(results()), NotMeasured: []string{"libfoo"},
		Machine: Machine{CPU: "a processor", CPUs: 2, Kernel: "6.1", Go: "go1.26", Glibc: "2.36"}}
	if len(r.Failed()) != 1 || len(r.Missed()) != 1 {
		t.Errorf("%d failed, %d missed; want 1, 1", len(r.Failed()), len(r.Missed()))
	}
	var text, markdown, data bytes.Buffer
	if err := errors.Join(r.Text(&text), r.Markdown(&markdown), r.JSON(&data)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| call | int | 40.0 ns | cgo | 50.0 ns | 1.00 | 0.50–1.00 | ≤ 1.00 | yes | 0 |",
		"|  | int |  | purego |  | failed |  |  |  |  |",
		"| start | true | 6.00 ms | native | 1.00 ms | 5.00 ms | 4.00 ms–6.00 ms | ≤ 5.00 ms | yes |  |",
		"| memory | libz | 2.02 KiB | glibc | 1.95 KiB | 7.0 % | 6.0 %–8.0 % | ≤ 5.0 % | no |  |",
		"\nMedians of 3 rounds on a processor, 2 CPUs, Linux 6.1, go1.26, glibc 2.36.",
		"\nFailed: int: purego: crashed\n",
		"\nNot measured: libfoo\n",
	} {
		if !strings.Contains(markdown.String(), want) {
			t.Errorf("Markdown has no %q:\n%s", want, &markdown)
		}
	}
	if !strings.Contains(text.String(), "Not measured: libfoo") {
		t.Errorf("text is\n%s", &text)
	}
	var back Report
	if err := json.Unmarshal(data.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Rows[0].Compared.Min != 0.5 || len(back.Rows[2].WeldSamples) != 3 {
		t.Errorf("JSON is\n%s", &data)
	}
}

func TestValue(t *testing.T) {
	for _, test := range []struct {
		x    float64
		unit string
		want string
	}{
		{0, "ns", "0.00 ns"},
		{999, "ns", "999 ns"},
		{12_345, "ns", "12.3 µs"},
		{-2_500_000, "ns", "-2.50 ms"},
		{5e12, "ns", "5000 s"},
		{1 << 20, "bytes", "1.00 MiB"},
	} {
		if got := value(test.x, test.unit); got != test.want {
			t.Errorf("value(%v, %q) = %q, want %q", test.x, test.unit, got, test.want)
		}
	}
}

func TestThisMachine(t *testing.T) {
	if m := ThisMachine(); m.CPU == "" || m.CPUs < 1 || m.Kernel == "" || m.Go == "" {
		t.Errorf("got %+v", m)
	}
}
