package link

import (
	"strings"
	"time"
)

// What is told of a link when it is done: what was left out, and when what was done.

// Reasons for which a section of an input is not in the output.
const (
	DiscardGroup  = "group"  // a section group of the same signature in another file is linked
	DiscardGC     = "gc"     // nothing leads to it (GCSections), or it is an orphan that was to be left out
	DiscardFolded = "folded" // an identical section stands for it (ICF)
)

// A Discarded is a section of an object that is not in the output.
type Discarded struct {
	File    string
	Section string
	Size    uint64
	Reason  string
}

// A Span is a time in which a goroutine worked for a phase.
type Span struct {
	Phase       int // index in Result.Phases
	Worker      int
	Start, Time time.Duration // since the link began
}

// listDiscarded fills in Result.Discarded.
func (l *linker) listDiscarded() {
	if !l.opt.ListDiscarded {
		return
	}
	l.result.Discarded = []Discarded{}
	for _, o := range l.objs {
		for i := range o.secs {
			s := &o.secs[i]
			reason := ""
			switch {
			case s.state == secGroup:
				reason = DiscardGroup
			case s.state == secGC:
				reason = DiscardGC
			case s.kind == secFolded && s.state == secLive:
				reason = DiscardFolded
			}
			if reason != "" {
				l.result.Discarded = append(l.result.Discarded, Discarded{strings.Clone(o.name), strings.Clone(o.secName(uint32(i))), s.size, reason})
			}
		}
	}
}

// span notes that a worker has worked since a time.
func (l *linker) span(worker int, since time.Time) {
	s := Span{len(l.result.Phases), worker, since.Sub(l.begun), time.Since(since)}
	l.spanMu.Lock()
	l.result.Spans = append(l.result.Spans, s)
	l.spanMu.Unlock()
}
