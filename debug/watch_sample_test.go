//go:build linux && amd64

package debug

import (
	"encoding/binary"
	"slices"
	"testing"
)

// Records are read wherever in the ring they lie, and what is no sample says that some are lost.
func TestDrain(t *testing.T) {
	for _, begin := range []uint64{0, 24, ringData - 8, 5*ringData - 16} {
		th := &thread{tid: 7, ring: make([]byte, ringSize)}
		word := func(off, value uint64) { binary.LittleEndian.PutUint64(th.ring[off:], value) }
		head := begin
		record := func(kind uint64, fields ...uint64) {
			for _, f := range slices.Insert(fields, 0, kind|uint64(8+8*len(fields))<<48) {
				word(pageSize+head%ringData, f)
				head += 8
			}
			word(ringHead, head)
		}
		word(ringTail, begin)
		word(ringHead, begin)
		var s sampler
		expect := func(lost bool, want ...sample) {
			t.Helper()
			s.drain(th)
			if got := s.sorted(); !slices.Equal(got, want) || s.lost != lost {
				t.Errorf("from %d: %v, lost %v; want %v, %v", begin, got, s.lost, want, lost)
			}
			if tail := binary.LittleEndian.Uint64(th.ring[ringTail:]); tail != head {
				t.Errorf("from %d: read to %d, want %d", begin, tail, head)
			}
			s.lost = false
		}
		expect(false)
		record(recordSample, 20, 0x1000)
		record(recordSample, 10, 0x2000)
		expect(false, sample{7, 10, 0x2000}, sample{7, 20, 0x1000})
		expect(false)
		record(recordSample, 30, 0x1000)
		record(2, 1, 5) // PERF_RECORD_LOST
		record(recordSample, 40, 0x1000)
		expect(true, sample{7, 30, 0x1000}, sample{7, 40, 0x1000})
		record(recordSample, 50)
		expect(true)
		for range ringData / sampleLen {
			record(recordSample, 60, 0x1000)
		}
		expect(true, slices.Repeat([]sample{{7, 60, 0x1000}}, ringData/sampleLen)...)
		word(pageSize+head%ringData, recordSample) // a size of 0
		head += 64
		word(ringHead, head)
		expect(true)
	}
}
