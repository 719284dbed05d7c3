package live

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAddrTable compares what is found where symbols begin and end with a search through all, while they come and go: one in
// each granule, several, overlapping, aliases.
func TestAddrTable(t *testing.T) {
	const from, pages = pageSize, 3
	for name, shape := range map[string]struct {
		n, step, most uint32 // symbols, where they begin, how long they are
	}{
		"one in a granule": {200, granule, granule},
		"sparse":           {9, 64, 900},
		"dense":            {600, 1, 9},
		"overlapping":      {300, 4, 300},
		"aliases":          {400, 512, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(shape.n)))
			var table addrTable
			table.init((pages + 2) * pageSize)
			var all []*sym // those of earlier commits first
			for commit := range 6 {
				var list []addrChange
				for i := 0; i < len(all); i++ {
					if commit > 2 && r.IntN(3) == 0 {
						list = appendChanges(list, all[i], true)
						all = slices.Delete(all, i, i+1)
						i--
					}
				}
				var come []*sym
				for range shape.n / 4 {
					s := &sym{at: from + r.Uint32N(pages*pageSize/shape.step)*shape.step, size: r.Uint32N(shape.most + 1)}
					come = append(come, s)
					list = appendChanges(list, s, false)
				}
				table.apply(list)
				all = append(all, come...)
				places := []uint32{0, from - 1, from, (pages+2)*pageSize - 1}
				for _, s := range all {
					places = append(places, s.at-1, s.at, s.end()-1, s.end(), s.at+r.Uint32N(2*granule))
				}
				for _, at := range places {
					var want *sym
					for _, s := range all {
						if at >= s.at && at < s.end() && (want == nil || s.at > want.at || s.at == want.at && s.size < want.size) {
							want = s
						}
					}
					got := table.find(uint64(at))
					if got != want && (got == nil || want == nil || got.at != want.at || got.size != want.size || !slices.Contains(come, want) && slices.Contains(come, got)) {
						t.Fatalf("commit %d, at %#x: %+v, wanted %+v", commit, at, got, want)
					}
				}
			}
		})
	}
}
