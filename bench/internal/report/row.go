// Package report turns samples into ratios and prints them: as a table, in Markdown, as JSON.
package report

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"weld/bench/internal/suite"
)

// Row is one metric of weld beside one peer.
type Row struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	Peer  string `json:"peer"`
	Unit  string `json:"unit"` // of the values: "ns" or "bytes"
	Kind  string `json:"kind"` // of the comparison: "ratio", "share" for (weld - peer) / whole, "part" for weld / whole, "added" for weld - peer

	WeldMedian float64 `json:"weld_median"`
	PeerMedian float64 `json:"peer_median"`
	Compared   Spread  `json:"compared"`
	// Allocs is how many allocations an operation makes in weld.
	Allocs *float64 `json:"allocs_per_op,omitempty"`
	Target *float64 `json:"target,omitempty"`
	Met    *bool    `json:"met,omitempty"`

	// WeldSamples and PeerSamples have a value for each round.
	WeldSamples []float64 `json:"weld_samples"`
	PeerSamples []float64 `json:"peer_samples"`

	Error string `json:"error,omitempty"`
}

// Spread is what the rounds say of a ratio, share or difference.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	// Low and High bound the median at the confidence level Confidence.
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
}

// noAlloc is the number of allocations in an operation below which there are none: the runtime's own are counted too.
const noAlloc = 0.001

// Rows compares weld with each peer in every metric. The rounds are compared in pairs, so that what slows a whole
// round down is in both sides of a ratio.
func Rows(results []suite.Result) []Row {
	var rows []Row
	for _, r := range results {
		for _, metric := range r.Case.Metrics {
			first := true
			for peer := 1; peer < len(r.Members); peer++ {
				if metric.AnsweredBy(r.Case, peer) {
					rows = append(rows, row(r, metric, peer, first))
					first = false
				}
			}
		}
	}
	return rows
}

// row compares with a peer; first is that it is the first one that answers the metric.
func row(r suite.Result, metric suite.Metric, peer int, first bool) Row {
	subject, other := r.Members[0], r.Members[peer]
	row := Row{
		Group: r.Case.Group, Name: metric.Name, Peer: r.Case.Members[peer].Worker, Unit: metric.Unit, Kind: "ratio",
		WeldSamples: subject.Values[metric.Key], PeerSamples: other.Values[metric.Key],
	}
	switch {
	case metric.Own:
		row.Kind = "part"
	case metric.Whole != 0:
		row.Kind = "share"
	case metric.Added:
		row.Kind = "added"
	}
	switch {
	case metric.Target != 0 && first:
		row.Target = &metric.Target
	case metric.Second != 0 && peer == 2:
		row.Target = &metric.Second
	}
	if err := errors.Join(failure(r, 0), failure(r, peer)); err != nil {
		row.Error = err.Error()
		return row
	}
	compared := make([]float64, len(row.WeldSamples))
	for i, x := range row.WeldSamples {
		switch difference := x - row.PeerSamples[i]; row.Kind {
		case "share":
			compared[i] = difference / metric.Whole
		case "part":
			compared[i] = x / metric.Whole
		case "added":
			compared[i] = difference
		default:
			compared[i] = x / row.PeerSamples[i]
		}
	}
	row.WeldMedian, row.PeerMedian = spread(row.WeldSamples).Median, spread(row.PeerSamples).Median
	row.Compared = spread(compared)
	if allocs := subject.Values["allocs"]; len(allocs) > 0 {
		median := spread(allocs).Median
		row.Allocs = &median
	}
	if row.Target != nil {
		met := row.Compared.Median <= *row.Target
		if metric.NoAlloc && row.Allocs != nil && *row.Allocs >= noAlloc {
			met = false
		}
		row.Met = &met
	}
	return row
}

func failure(r suite.Result, member int) error {
	if err := r.Members[member].Err; err != nil {
		return fmt.Errorf("%s: %w", r.Case.Members[member].Worker, err)
	}
	return nil
}

func spread(values []float64) Spread {
	thresholds := benchmath.DefaultThresholds
	sample := benchmath.NewSample(slices.Clone(values), &thresholds)
	s := benchmath.AssumeNothing.Summary(sample, 0.95)
	out := Spread{
		Median: s.Center, Min: slices.Min(values), Max: slices.Max(values),
		Low: s.Lo, High: s.Hi, Confidence: s.Confidence,
	}
	if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
		// Too few samples for the level asked for: their extremes bound the median unless all lie on one side of it.
		out.Low, out.High, out.Confidence = out.Min, out.Max, 1-math.Exp2(float64(1-len(values)))
	}
	return out
}
