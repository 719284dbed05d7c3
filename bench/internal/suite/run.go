package suite

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"weld/bench/internal/wire"
)

// Config says how to run.
type Config struct {
	Commands map[string][]string // how to start each worker
	Rounds   int
	Time     time.Duration // how long one sample of a repeating operation takes, about
	Log      io.Writer     // progress
}

// Samples are what one member of a case measured, one value a round.
type Samples struct {
	Values map[string][]float64 // by metric key, and "allocs"
	Err    error                // why there are none
}

// Result is a case with its members' samples.
type Result struct {
	Case    Case
	Members []Samples
}

// Run measures all cases, round after round, after a round that does not count. In a round every case is measured in
// each of its members, one right after the other, and then once more in the reverse order; of a member's two values
// the smaller counts, for noise only adds. Who is first changes from round to round. A member that fails is measured
// no further. The error is that of ctx.
func Run(ctx context.Context, cfg Config, cases []Case) ([]Result, error) {
	r := &runner{cfg: cfg, repeats: make(map[[2]int]int)}
	for _, c := range cases {
		result := Result{Case: c, Members: make([]Samples, len(c.Members))}
		for i := range result.Members {
			result.Members[i].Values = make(map[string][]float64)
		}
		r.results = append(r.results, result)
	}
	for round := range cfg.Rounds + 1 {
		begin := time.Now()
		if err := r.round(ctx, round); err != nil {
			return nil, err
		}
		fmt.Fprintf(cfg.Log, "round %d of %d: %.1f s\n", round, cfg.Rounds, time.Since(begin).Seconds())
	}
	return r.results, nil
}

type runner struct {
	cfg     Config
	results []Result
	repeats map[[2]int]int // by case and member: the count that takes cfg.Time
}

// round measures every case once. Workers of cases that are not fresh live for the round, so that the placement of
// code and stacks varies too.
func (r *runner) round(ctx context.Context, round int) error {
	shared := make(map[string]*process)
	defer func() {
		for _, p := range shared {
			p.stop()
		}
	}()
	for c := range r.results {
		if err := r.measure(ctx, shared, c, round); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// measure adds a value of every metric to the members of a case.
func (r *runner) measure(ctx context.Context, shared map[string]*process, c, round int) error {
	result := &r.results[c]
	if most := result.Case.Rounds; most > 0 && round > most {
		return nil
	}
	count := len(result.Members)
	best := make([]wire.Values, count)
	for i := range 2 * count {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := (min(i, 2*count-1-i) + round) % count
		if result.Members[m].Err != nil {
			continue
		}
		v, err := r.sample(ctx, shared, c, m)
		if err == nil {
			best[m], err = smaller(best[m], v, result.Case.metricsOf(m))
		}
		if err != nil {
			r.fail(c, m, err)
		}
	}
	if err := agreement(result.Case, best); err != nil {
		r.fail(c, 0, err)
	}
	if round == 0 {
		return nil
	}
	for m := range result.Members {
		if samples := &result.Members[m]; samples.Err == nil {
			if err := samples.add(best[m], result.Case.metricsOf(m)); err != nil {
				r.fail(c, m, err)
			}
		}
	}
	return nil
}

func (r *runner) fail(c, m int, err error) {
	result := &r.results[c]
	result.Members[m].Err = err
	fmt.Fprintf(r.cfg.Log, "%s, %s: %v\n", result.Case.Metrics[0].Name, result.Case.Members[m].Worker, err)
}

// smaller returns the values of a with those metrics of b that are smaller.
func smaller(a, b wire.Values, metrics []Metric) (wire.Values, error) {
	if a == nil {
		return b, nil
	}
	for _, m := range metrics {
		x, err := a.Float(m.Key)
		if err != nil {
			return nil, err
		}
		y, err := b.Float(m.Key)
		if err != nil {
			return nil, err
		}
		if y < x {
			a[m.Key] = b[m.Key]
		}
	}
	return a, nil
}

// agreement checks that the members that measured found the same.
func agreement(c Case, values []wire.Values) error {
	if c.Agree == "" || values[0] == nil {
		return nil
	}
	for m, v := range values {
		if v != nil && v[c.Agree] != values[0][c.Agree] {
			return fmt.Errorf("%s is %s, but %s for %s", c.Agree, values[0][c.Agree], v[c.Agree], c.Members[m].Worker)
		}
	}
	return nil
}

func (s *Samples) add(v wire.Values, metrics []Metric) error {
	for i, m := range metrics {
		if slices.ContainsFunc(metrics[:i], func(earlier Metric) bool { return earlier.Key == m.Key }) {
			continue
		}
		x, err := v.Float(m.Key)
		if err != nil {
			return err
		}
		s.Values[m.Key] = append(s.Values[m.Key], x)
	}
	if _, ok := v["allocs"]; ok {
		x, err := v.Float("allocs")
		if err != nil {
			return err
		}
		s.Values["allocs"] = append(s.Values["allocs"], x)
	}
	return nil
}

// sample makes the request of case c to member m.
func (r *runner) sample(ctx context.Context, shared map[string]*process, c, m int) (wire.Values, error) {
	cs := r.results[c].Case
	worker := cs.Members[m].Worker
	key := worker
	if cs.Members[0] == cs.Members[len(cs.Members)-1] {
		key = fmt.Sprint(worker, m) // two equal sides: a process for each
	}
	p := shared[key]
	if p == nil || cs.Fresh {
		var err error
		if p, err = start(ctx, r.cfg.Commands[worker]); err != nil {
			return nil, err
		}
		if cs.Fresh {
			defer p.stop()
		} else {
			shared[key] = p
		}
	}
	do := func(n int) (wire.Values, error) {
		v, alive, err := p.do(wire.Request{Op: cs.Members[m].Op, N: n, Args: cs.Args})
		if !alive && !cs.Fresh {
			p.stop()
			delete(shared, key)
		}
		return v, err
	}
	if cs.Warm > 0 {
		if _, err := do(cs.Warm); err != nil {
			return nil, err
		}
	}
	if cs.Attach != "" && worker != Libdlbind {
		return r.attached(ctx, p, c, m, do)
	}
	v, err := r.repeat(c, m, do)
	if err == nil && cs.Look {
		v, err = r.look(ctx, p, v)
	}
	return v, err
}

// repeat makes a request with the count of case c for member m, which is found when it is not known.
func (r *runner) repeat(c, m int, do func(n int) (wire.Values, error)) (wire.Values, error) {
	n := r.results[c].Case.Repeats
	if n == 0 {
		n = r.repeats[[2]int{c, m}]
	}
	if n == 0 {
		var err error
		if n, err = calibrate(r.cfg.Time, do); err != nil {
			return nil, err
		}
		r.repeats[[2]int{c, m}] = n
	}
	return do(n)
}

// calibrate returns the count with which do takes about as long as wanted.
func calibrate(want time.Duration, do func(n int) (wire.Values, error)) (int, error) {
	const limit = 1e9 // the fixtures count in 32 bits
	for n := 1; ; n *= 10 {
		v, err := do(n)
		if err != nil {
			return 0, err
		}
		total, err := v.Float("total")
		if err != nil {
			return 0, err
		}
		if total >= float64(want)/20 || n*10 >= limit {
			return int(min(max(float64(n)*float64(want)/max(total, 1), 1), limit)), nil
		}
	}
}
