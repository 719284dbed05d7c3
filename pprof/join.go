package pprof

import (
	"slices"

	"github.com/google/pprof/profile"

	"weld/native"
)

// join puts native frames in the place of the markers in Go's profile. r.mu is held.
func (r *recorder) join(p *profile.Profile) {
	at := uint64(markers())
	p.Sample = slices.DeleteFunc(p.Sample, func(s *profile.Sample) bool { return calls(s, "weld/pprof.raise") })
	for _, s := range p.Sample {
		if len(s.Location) == 0 || s.Location[0].Address-at >= 2*markerCount {
			continue
		}
		frames := r.stacks[native.SampleID(s.Location[0].Address, at)]
		if len(frames) == 0 {
			frames = []*profile.Location{r.lost}
		}
		callers := s.Location[1:]
		if len(callers) == 1 && named(callers[0], "runtime._ExternalCode") {
			callers = nil // a thread that Go does not know
		}
		s.Location = slices.Concat(frames, callers)
	}
	r.renumber(p)
}

func calls(s *profile.Sample, name string) bool {
	return slices.ContainsFunc(s.Location, func(l *profile.Location) bool { return named(l, name) })
}

func named(l *profile.Location, name string) bool {
	return slices.ContainsFunc(l.Line, func(n profile.Line) bool { return n.Function != nil && n.Function.Name == name })
}

// renumber makes p's tables those that its samples refer to. The program's mapping stays the first, by which pprof knows
// it.
func (r *recorder) renumber(p *profile.Profile) {
	mappings, locations, functions := map[*profile.Mapping]bool{}, map[*profile.Location]bool{}, map[*profile.Function]bool{}
	var program *profile.Mapping
	if len(p.Mapping) > 0 {
		program = p.Mapping[0]
	}
	p.Mapping, p.Location, p.Function = nil, nil, nil
	mapping := func(m *profile.Mapping) {
		if m != nil && !mappings[m] {
			mappings[m] = true
			p.Mapping = append(p.Mapping, m)
			m.ID = uint64(len(p.Mapping))
		}
	}
	mapping(program)
	for _, s := range p.Sample {
		for _, l := range s.Location {
			if locations[l] {
				continue
			}
			locations[l] = true
			p.Location = append(p.Location, l)
			l.ID = uint64(len(p.Location))
			if r.goCode[l] {
				l.Mapping = program
			}
			mapping(l.Mapping)
			for _, n := range l.Line {
				if n.Function != nil && !functions[n.Function] {
					functions[n.Function] = true
					p.Function = append(p.Function, n.Function)
					n.Function.ID = uint64(len(p.Function))
				}
			}
		}
	}
}
