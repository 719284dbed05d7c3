package link

import (
	"sync"
	"sync/atomic"
	"time"
)

// par calls fn for 0 to n-1, in any order and by as many goroutines as there are threads. It returns early when the
// context is done, which the caller learns from l.ctx.
func (l *linker) par(n int, fn func(i int)) {
	workers := min(l.threads, n)
	if workers <= 1 {
		for i := range n {
			if i&63 == 0 && l.ctx.Err() != nil {
				return
			}
			fn(i)
		}
		return
	}
	spans := l.opt.Spans && l.inPar.Add(1) == 1
	if l.opt.Spans {
		defer l.inPar.Add(-1)
	}
	var next atomic.Int64
	step := int64(max(1, min(64, n/(workers*8))))
	work := func(worker int) {
		if spans {
			defer l.span(worker, time.Now())
		}
		for l.ctx.Err() == nil {
			hi := next.Add(step)
			for i := hi - step; i < min(hi, int64(n)); i++ {
				fn(int(i))
			}
			if hi >= int64(n) {
				return
			}
		}
	}
	var wg sync.WaitGroup
	for worker := 1; worker < workers; worker++ {
		wg.Go(func() { work(worker) })
	}
	work(0) // the caller is one of them
	wg.Wait()
}

// parErr is par for functions that fail: it returns all their errors in order.
func (l *linker) parErr(n int, fn func(i int) error) error {
	errs := make([]error, n)
	l.par(n, func(i int) { errs[i] = fn(i) })
	var list errorList
	for _, err := range errs {
		list.add(err)
	}
	if err := l.ctx.Err(); err != nil {
		return err
	}
	return list.err()
}
