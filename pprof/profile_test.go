package pprof

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"weld"
	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// A long profile is made of parts: no sample is lost or counted twice where they join, and both halves of the markers do.
func TestParts(t *testing.T) {
	lib, err := weld.Open(testenv.NewDir(t).Shared("libspin.so", "spin.c", "-O1"))
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	spin, err := weld.Func[func(ms int32) int32](lib, "spin")
	if err != nil {
		t.Fatal(err)
	}
	old := partSize
	partSize = 15
	defer func() { partSize = old }()
	var b bytes.Buffer
	if err := StartCPUProfile(&b); err != nil {
		t.Fatal(err)
	}
	halves := map[bool]int{}
	// Where threads wait for processors there are fewer samples than one every 10 ms.
	for end := time.Now().Add(testenv.Patience); halves[true] < 10 && time.Now().Before(end); {
		spin(50)
		current.s.rec.mu.Lock()
		halves[current.s.first >= markerHalf]++
		current.s.rec.mu.Unlock()
	}
	if err := StopCPUProfile(); err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseData(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	var native, burning, all, nanoseconds int64
	for _, s := range p.Sample {
		all += s.Value[0]
		nanoseconds += s.Value[1]
		if calls(s, "burn") {
			burning += s.Value[0]
			if calls(s, "spin") && calls(s, "weld/pprof.TestParts") {
				native += s.Value[0]
			}
		}
		if calls(s, "weld/pprof.nativeCode") || calls(s, "[native code]") {
			t.Errorf("a sample has no names\n%v", p)
		}
	}
	if native == 0 || native < burning*4/5 || nanoseconds != all*p.Period || halves[false] == 0 || halves[true] == 0 {
		t.Errorf("%d of %d samples of the function have its callers, of %d that stand for %d ns; halves were used %v\n%v", native, burning, all, nanoseconds, halves, p)
	}
	if len(p.Mapping) == 0 || slices.ContainsFunc(p.Mapping[1:], func(m *profile.Mapping) bool { return m.File == p.Mapping[0].File }) {
		t.Errorf("the program's mapping is not the first, or there twice\n%v", p)
	}
}
