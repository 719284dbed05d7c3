package live

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// The benchmarks report nanoseconds for each function, of objects with so many.
var benchSizes = []int{1_000, 10_000, 100_000}

const benchBatch = 10_000

var benchCode = append(returns(1), make([]byte, 53)...) // 64 bytes

type benchObject struct {
	*Object
	names  []string
	blocks []*Block
}

func benchNew(b *testing.B, n int) *benchObject {
	obj, err := New(nil, "test", Options{Folder: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	// Not closed by a cleanup, which would keep what is closed.
	o := &benchObject{Object: obj, names: make([]string, n), blocks: make([]*Block, n)}
	for i := range o.names {
		o.names[i] = fmt.Sprintf("generated_function_%d", i)
	}
	return o
}

func (o *benchObject) alloc(b *testing.B) {
	for i := range o.blocks {
		var err error
		if o.blocks[i], err = o.Alloc(len(benchCode), 16, Text); err != nil {
			b.Fatal(err)
		}
		if err := o.blocks[i].Write(0, benchCode); err != nil {
			b.Fatal(err)
		}
	}
}

func (o *benchObject) bind(b *testing.B, batch int) {
	for i, name := range o.names {
		if err := o.Bind(name, o.blocks[i]); err != nil {
			b.Fatal(err)
		}
		if (i+1)%batch == 0 || i == len(o.names)-1 {
			if err := o.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func each(b *testing.B, f func(b *testing.B, n int)) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) { f(b, n) })
	}
}

func report(b *testing.B, spent time.Duration, n int) {
	b.ReportMetric(float64(spent.Nanoseconds())/float64(n)/float64(b.N), "ns/function")
	b.ReportMetric(0, "ns/op")
}

// timed measures one part of what is done b.N times.
func timed(b *testing.B, n int, prepare func() *benchObject, f func(o *benchObject)) {
	spent := time.Duration(0)
	for range b.N {
		o := prepare()
		runtime.GC()
		start := time.Now()
		f(o)
		spent += time.Since(start)
		o.Close()
	}
	report(b, spent, n)
}

func BenchmarkAllocWrite(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		timed(b, n, func() *benchObject { return benchNew(b, n) }, func(o *benchObject) { o.alloc(b) })
	})
}

// BenchmarkBind is Bind and Commit in batches of 10,000. It also reports for how long the run-time linker is locked.
func BenchmarkBind(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		locked := time.Duration(0)
		timed(b, n, func() *benchObject { o := benchNew(b, n); o.alloc(b); return o }, func(o *benchObject) {
			l := &timedLoader{spaceLoader: o.loader.(*spaceLoader)}
			o.loader = l
			o.bind(b, benchBatch)
			locked += l.held
			o.loader = l.spaceLoader
		})
		b.ReportMetric(float64(locked.Nanoseconds())/float64(n)/float64(b.N), "ns-locked/function")
	})
}

// timedLoader measures the time between Lock and Unlock.
type timedLoader struct {
	*spaceLoader
	since time.Time
	held  time.Duration
}

func (l *timedLoader) Lock() {
	l.spaceLoader.Lock()
	l.since = time.Now()
}

func (l *timedLoader) TryLock() bool {
	ok := l.spaceLoader.TryLock()
	l.since = time.Now()
	return ok
}

func (l *timedLoader) Unlock() {
	l.held += time.Since(l.since)
	l.spaceLoader.Unlock()
}

// BenchmarkBindSingly is a Commit for each Bind.
func BenchmarkBindSingly(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		timed(b, n, func() *benchObject { o := benchNew(b, n); o.alloc(b); return o }, func(o *benchObject) { o.bind(b, 1) })
	})
}

func benchFull(b *testing.B, n int) *benchObject {
	o := benchNew(b, n)
	o.alloc(b)
	o.bind(b, benchBatch)
	return o
}

func BenchmarkUnbind(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		timed(b, n, func() *benchObject { return benchFull(b, n) }, func(o *benchObject) {
			for i, name := range o.names {
				if err := o.Unbind(name); err != nil {
					b.Fatal(err)
				}
				if (i+1)%benchBatch == 0 || i == len(o.names)-1 {
					if err := o.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	})
}

// BenchmarkReplace gives each name another block, in batches.
func BenchmarkReplace(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		timed(b, n, func() *benchObject { return benchFull(b, n) }, func(o *benchObject) {
			for i, name := range o.names {
				if err := o.Bind(name, o.blocks[n-1-i], Replace); err != nil {
					b.Fatal(err)
				}
				if (i+1)%benchBatch == 0 || i == len(o.names)-1 {
					if err := o.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	})
}

func BenchmarkLookup(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		o := benchFull(b, n)
		i := 0
		for b.Loop() {
			i = (i + 7919) % n
			if _, err := o.Lookup(o.names[i]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFindAddr(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		o := benchFull(b, n)
		i := 0
		base := o.blocks[0].Addr()
		for b.Loop() {
			i = (i + 7919) % n
			if s, ok := o.FindAddr(base + uintptr(64*i+13)); !ok || s.Name != o.names[i] {
				b.Fatal(s, ok, o.names[i])
			}
		}
	})
}

func BenchmarkFindAddrParallel(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		o := benchFull(b, n)
		base := o.blocks[0].Addr()
		b.RunParallel(func(pb *testing.PB) {
			i := 0
			for pb.Next() {
				i = (i + 7919) % n
				if _, ok := o.FindAddr(base + uintptr(64*i+13)); !ok {
					b.Fatal("not found")
				}
			}
		})
	})
}

// BenchmarkMemory reports the bytes for each symbol: of the Go heap, of the image's tables, and of what only files have.
func BenchmarkMemory(b *testing.B) {
	each(b, func(b *testing.B, n int) {
		for range b.N {
			var before, after runtime.MemStats
			o := benchNew(b, n)
			o.alloc(b)
			runtime.GC()
			runtime.ReadMemStats(&before)
			o.bind(b, benchBatch)
			runtime.GC()
			runtime.ReadMemStats(&after)
			u := o.Usage()
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/symbol")
			b.ReportMetric(float64(u.Tables)/float64(n), "tables-B/symbol")
			b.ReportMetric(float64(u.Debug)/float64(n), "debug-B/symbol")
			b.ReportMetric(0, "ns/op")
			o.Close()
		}
	})
}

func BenchmarkNewClose(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		o, err := New(nil, "test", Options{Folder: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := o.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
