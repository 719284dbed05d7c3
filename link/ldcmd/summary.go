package ldcmd

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"os"
	"time"

	"weld/link"
)

// A summary is what --json writes. Sizes, addresses and offsets are in bytes, times in milliseconds.
type summary struct {
	Output    string           `json:"output"`
	Size      int64            `json:"size"`
	Entry     uint64           `json:"entry"`
	BuildID   string           `json:"build_id,omitempty"`
	Sections  []summarySection `json:"sections"`
	Files     []string         `json:"files"`
	Discarded []summaryDiscard `json:"discarded"`
	Phases    []summaryPhase   `json:"phases"`
}

type summarySection struct {
	Name   string `json:"name"`
	Addr   uint64 `json:"address"`
	Offset uint64 `json:"offset"`
	Size   uint64 `json:"size"`
}

type summaryDiscard struct {
	File    string `json:"file"`
	Section string `json:"section"`
	Size    uint64 `json:"size"`
	Reason  string `json:"reason"` // group, gc or folded
}

type summaryPhase struct {
	Name  string  `json:"name"`
	Start float64 `json:"start_ms"`
	Time  float64 `json:"time_ms"`
}

// writeSummary writes what --json asks for.
func (p *parser) writeSummary(res *link.Result, stdout io.Writer) error {
	s := summary{
		Output: p.opt.Output, Size: res.Size, Entry: res.Entry, BuildID: hex.EncodeToString(res.BuildID), Files: res.Files,
		Sections: []summarySection{}, Discarded: []summaryDiscard{},
	}
	for _, x := range res.Sections {
		s.Sections = append(s.Sections, summarySection{x.Name, x.Addr, x.Off, x.Size})
	}
	for _, x := range res.Discarded {
		s.Discarded = append(s.Discarded, summaryDiscard(x))
	}
	for _, x := range res.Phases {
		s.Phases = append(s.Phases, summaryPhase{x.Name, milliseconds(x.Start), milliseconds(x.Time)})
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if p.json == "-" {
		_, err = stdout.Write(b)
		return err
	}
	return os.WriteFile(p.json, b, 0o666)
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// The page of --timeline: a row for each phase, and under them one for each goroutine that worked beside others.
const (
	pageHead = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>%s</title>
<style>
body { font: 14px sans-serif; margin: 2em; }
svg { width: 100%%; height: auto; background: #fafafa; }
text { font: 11px sans-serif; fill: #222; }
table { border-collapse: collapse; margin-top: 1em; }
td, th { padding: 2px 12px; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
</style>
<h1>%s</h1>
<p>%d files, %d bytes, %.3f ms</p>
`
	rowHeight = 18
	labels    = 120  // width of the names of the rows
	width     = 1200 // of the whole picture
)

// timeline makes the page.
func timeline(output string, res *link.Result) []byte {
	var b bytes.Buffer
	total, workers := time.Duration(1), 0
	for _, p := range res.Phases {
		total = max(total, p.Start+p.Time)
	}
	for _, s := range res.Spans {
		workers = max(workers, s.Worker+1)
	}
	title := html.EscapeString("link of " + output)
	fmt.Fprintf(&b, pageHead, title, title, len(res.Files), res.Size, milliseconds(total))
	rows := len(res.Phases) + workers
	fmt.Fprintf(&b, "<svg viewBox=\"0 0 %d %d\" xmlns=\"http://www.w3.org/2000/svg\">\n", width, (rows+2)*rowHeight)
	x := func(t time.Duration) float64 { return labels + float64(width-labels-60)*float64(t)/float64(total) }
	bar := func(row, phase int, start, length time.Duration, what string) {
		hue := 360 * phase / max(1, len(res.Phases))
		fmt.Fprintf(&b, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"hsl(%d 60%% 60%%)\"><title>%s: %.3f ms</title></rect>\n",
			x(start), row*rowHeight+2, max(0.3, x(start+length)-x(start)), rowHeight-4, hue, html.EscapeString(what), milliseconds(length))
	}
	label := func(row int, at float64, s string) {
		fmt.Fprintf(&b, "<text x=\"%.2f\" y=\"%d\">%s</text>\n", at, row*rowHeight+13, html.EscapeString(s))
	}
	for i, p := range res.Phases {
		label(i, 4, p.Name)
		bar(i, i, p.Start, p.Time, p.Name)
		label(i, x(p.Start+p.Time)+4, fmt.Sprintf("%.2f", milliseconds(p.Time)))
	}
	for w := range workers {
		label(len(res.Phases)+1+w, 4, fmt.Sprintf("goroutine %d", w+1))
	}
	for _, s := range res.Spans {
		bar(len(res.Phases)+1+s.Worker, s.Phase, s.Start, s.Time, res.Phases[s.Phase].Name)
	}
	b.WriteString("</svg>\n<table>\n<tr><th>phase</th><th>ms</th><th>share</th></tr>\n")
	for _, p := range res.Phases {
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%.3f</td><td>%.1f %%</td></tr>\n", html.EscapeString(p.Name), milliseconds(p.Time), 100*float64(p.Time)/float64(total))
	}
	b.WriteString("</table>\n</html>\n")
	return b.Bytes()
}
