package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Report is the outcome of a run.
type Report struct {
	Machine Machine `json:"machine"`
	// Subject is what was measured beside the peers: "weld", or "peer" for a run of each peer beside itself.
	Subject string `json:"subject"`
	Rounds  int    `json:"rounds"`
	Rows    []Row  `json:"rows"`
	// NotMeasured says what was left out and why.
	NotMeasured []string `json:"not_measured,omitempty"`
}

// Machine is where the run was.
type Machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Glibc  string `json:"glibc"`
}

// ThisMachine fills in all but Glibc, which a worker knows.
func ThisMachine() Machine {
	m := Machine{CPU: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	var uts syscall.Utsname
	if err := syscall.Uname(&uts); err == nil {
		var b strings.Builder
		for _, c := range uts.Release {
			if c == 0 {
				break
			}
			b.WriteByte(byte(c))
		}
		m.Kernel = b.String()
	}
	return m
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d CPUs, Linux %s, %s, glibc %s", m.CPU, m.CPUs, m.Kernel, m.Go, m.Glibc)
}

// Failed returns the rows that could not be measured.
func (r *Report) Failed() []Row {
	return r.filter(func(row Row) bool { return row.Error != "" })
}

// Missed returns the rows whose target was not reached.
func (r *Report) Missed() []Row {
	return r.filter(func(row Row) bool { return row.Met != nil && !*row.Met })
}

func (r *Report) filter(keep func(Row) bool) []Row {
	var rows []Row
	for _, row := range r.Rows {
		if keep(row) {
			rows = append(rows, row)
		}
	}
	return rows
}

// JSON writes the report with all its samples.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes the report as a table for a terminal.
func (r *Report) Text(w io.Writer) error {
	t := r.table()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	style.Options.SeparateRows = false
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return err
	}
	return r.notes(w, "")
}

// Markdown writes the report as a Markdown table.
func (r *Report) Markdown(w io.Writer) error {
	if _, err := fmt.Fprintln(w, r.table().RenderMarkdown()); err != nil {
		return err
	}
	return r.notes(w, "\n")
}

func (r *Report) table() table.Writer {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"", "measure", r.Subject, "peer", "", "ratio", "min–max", "target", "met", "allocs"})
	var configs []table.ColumnConfig
	for _, n := range []int{3, 5, 6, 7, 8, 10} {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	group := ""
	for _, row := range r.Rows {
		first := ""
		if row.Group != group {
			first, group = row.Group, row.Group
		}
		if row.Error != "" {
			t.AppendRow(table.Row{first, row.Name, "", row.Peer, "", "failed", "", target(row), "", ""})
			continue
		}
		c := row.Compared
		t.AppendRow(table.Row{
			first, row.Name, value(row.WeldMedian, row.Unit), row.Peer, value(row.PeerMedian, row.Unit),
			compared(row, c.Median), compared(row, c.Min) + "–" + compared(row, c.Max), target(row), met(row), allocs(row),
		})
	}
	return t
}

// notes writes what the table does not say, each on a line, with gap between them.
func (r *Report) notes(w io.Writer, gap string) error {
	lines := []string{
		fmt.Sprintf("Medians of %s rounds on %s. Ratio: median of the rounds' %s/peer; for memory, what %s adds over the "+
			"peer as a share of the file's size, for tables what %s takes; for time added, the difference.", r.rounds(), r.Machine, r.Subject, r.Subject, r.Subject),
	}
	for _, row := range r.Failed() {
		lines = append(lines, fmt.Sprintf("Failed: %s: %s", row.Name, row.Error))
	}
	for _, what := range r.NotMeasured {
		lines = append(lines, "Not measured: "+what)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s%s\n", gap, line); err != nil {
			return err
		}
	}
	return nil
}

// rounds says how many counted: some rows have fewer than the others.
func (r *Report) rounds() string {
	fewest := r.Rounds
	for _, row := range r.Rows {
		if n := len(row.WeldSamples); n > 0 {
			fewest = min(fewest, n)
		}
	}
	if fewest < r.Rounds {
		return fmt.Sprintf("%d to %d", fewest, r.Rounds)
	}
	return fmt.Sprint(r.Rounds)
}

func value(x float64, unit string) string {
	scales := map[string][]string{"ns": {"ns", "µs", "ms", "s"}, "bytes": {"B", "KiB", "MiB", "GiB"}}[unit]
	step := 1000.0
	if unit == "bytes" {
		step = 1024
	}
	i := 0
	for ; (x >= step || x <= -step) && i < len(scales)-1; i++ {
		x /= step
	}
	digits := 2
	switch {
	case x >= 100 || x <= -100:
		digits = 0
	case x >= 10 || x <= -10:
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, x, scales[i])
}

func compared(row Row, x float64) string {
	switch row.Kind {
	case "share", "part":
		return fmt.Sprintf("%.1f %%", 100*x)
	case "added":
		return value(x, row.Unit)
	}
	return fmt.Sprintf("%.2f", x)
}

func target(row Row) string {
	if row.Target == nil {
		return ""
	}
	return "≤ " + compared(row, *row.Target)
}

func met(row Row) string {
	switch {
	case row.Met == nil:
		return ""
	case *row.Met:
		return "yes"
	}
	return "no"
}

func allocs(row Row) string {
	switch {
	case row.Allocs == nil:
		return ""
	case *row.Allocs < noAlloc:
		return "0"
	}
	return fmt.Sprintf("%.2g", *row.Allocs)
}
