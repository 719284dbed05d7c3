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
		row           bool   // one after the other
	}{
		"one in a granule": {200, granule, granule, false},
		"sparse":           {9, 64, 900, false},
		"dense":            {600, 1, 9, false},
		"overlapping":      {300, 4, 300, false},
		"in a row":         {1_000, 2 * granule, granule, true},
		"aliases":          {400, 512, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(shape.n)))
			var table addrTable
			var syms slab[sym]
			for range 1_000 { // the first slabs are smaller than a page's symbols
				syms.next()
			}
			made, rows := uint32(0), 0
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
					s := syms.next()
					s.at, s.size = from+r.Uint32N(pages*pageSize/shape.step)*shape.step, r.Uint32N(shape.most+1)
					if shape.row {
						s.at = from + made*shape.step%(pages*pageSize)
						made++
					}
					come = append(come, s)
					list = appendChanges(list, s, false)
				}
				table.apply(list)
				for p := range uint32(pages) {
					if l := table.top[0].Load()[from>>pageBits+p].Load(); l != nil && l.syms.row {
						rows++
					}
				}
				all = append(all, come...)
				places := []uint32{0, from - 1, from, (pages+2)*pageSize - 1}
				for _, s := range all {
					places = append(places, s.at-1, s.at, s.end()-1, s.end(), s.at+r.Uint32N(2*granule))
				}
				for _, at := range places {
					var want *sym
					for _, s := range all {
						if at >= s.at && at < s.end() && (want == nil || s.at > want.at || s.at == want.at && s.size-1 < want.size-1) {
							want = s
						}
					}
					got := table.find(uint64(at))
					if got != want && (got == nil || want == nil || got.at != want.at || got.size != want.size || !slices.Contains(come, want) && slices.Contains(come, got)) {
						t.Fatalf("commit %d, at %#x: %+v, wanted %+v", commit, at, got, want)
					}
				}
			}
			if shape.row && rows == 0 {
				t.Error("no page of symbols in a row")
			}
		})
	}
}
