package live

import (
	"cmp"
	"math"
	"slices"

	"weld/internal/rtld"
)

// What ranges the parts of a view are. A commit costs a debugger, and who writes the files for it, something for each symbol that is
// read, for each file, and for each part that there is, since the whole list is looked at. That says what to do, with nothing
// known of what the object will be used for:
//
// Parts beside each other are made into one when they have cost, since they were made, what it costs to read them. So there are
// few, and a symbol that stays is read again when there are some times as many around it.
//
// A part in which something changes is read anew in any case. It is cut then into as many pieces as would have cost least since it
// was made. So what often changes is in small parts, and what does not in large ones, wherever that is.
//
// Costs are in symbols read. With gdb 13 they are about 2 µs.
const (
	partCost = 12 // of a part, at each commit
	fileCost = 64
	// periods is how often what has changed is taken to change again after as many commits.
	periods = 4
	// joinedAtOnce is how many parts are made into one at most.
	joinedAtOnce = 16
	// A part has no more symbols than maxPart, or maxPartShare of all, and no more bytes than maxPartBytes, so that no commit
	// takes long.
	maxPart      = 1 << 14
	maxPartShare = 16
	maxPartBytes = 4 << 20
)

// part is a range of addresses.
type part struct {
	from, to uint64
	n        int            // symbols
	born     uint64         // the number of the commit that has made it
	shown    *rtld.LivePart // nil if it is not yet, or has nothing to show
	file     *file
	stale    bool

	// Of the commit that is in work:
	places int    // pages in which something changes
	page   uint64 // the last of them
	reach  uint64 // where what comes ends
	lasted uint64 // how many commits went by until it was to be made again, many if it never was before
}

// cost is that of reading the symbols, and of writing the memory, of which a page is about as much as a symbol.
func (p *part) cost() int { return p.n + int((p.to-p.from)/page) }

// rangePlan is what becomes of the parts of a kind of memory.
type rangePlan struct {
	o    *Object
	now  uint64 // the number of the commit
	most int    // symbols of a part
	list []*part
}

// change notes that something changes, or comes, from one address to another.
func (v *view) change(k Kind, at, end uint64) {
	list := v.parts[k]
	i, found := slices.BinarySearchFunc(list, at, func(p *part, at uint64) int { return cmp.Compare(p.from, at) })
	if !found {
		i--
	}
	if i < 0 || at >= list[i].to {
		v.ends[k] = max(v.ends[k], end)
		return
	}
	p := list[i]
	if pg := at / page; !p.stale || p.page != pg {
		p.places, p.page = p.places+1, pg
	}
	p.stale, p.reach = true, max(p.reach, end)
}

// replan returns the parts of a kind of memory as they are to be: those that stay are the same, those to be made are stale.
func (o *Object) replan(k Kind) []*part {
	v := &o.display
	pl := rangePlan{o: o, now: v.commits, most: max(maxPart, o.tab.len()/maxPartShare)}
	pl.renew(v.parts[k])
	if end := v.ends[k]; end > pl.list[len(pl.list)-1].to {
		pl.add(pl.list[len(pl.list)-1].to, end)
	}
	pl.absorb()
	pl.join()
	return pl.list
}

// fresh returns a part that is to be made.
func (pl *rangePlan) fresh(from, to uint64, n int) *part {
	return &part{from: from, to: to, n: n, born: pl.now, stale: true, lasted: math.MaxUint64}
}

// add appends what comes behind all parts.
func (pl *rangePlan) add(from, to uint64) {
	to = (to + granule - 1) &^ (granule - 1)
	n := pl.o.count(from, to)
	pl.cut(pl.fresh(from, to, n), pl.most)
}

// renew takes those over in which nothing changes, and has the others made anew. A symbol does not go from one to another.
func (pl *rangePlan) renew(was []*part) {
	for i := 0; i < len(was); i++ {
		p := was[i]
		if !p.stale {
			pl.list = append(pl.list, p)
			continue
		}
		all := *p
		for ; i+1 < len(was) && (all.reach > all.to); i++ {
			next := was[i+1]
			all.to, all.reach, all.places = next.to, max(all.reach, next.reach), all.places+next.places
		}
		if all.reach > all.to {
			all.to = (all.reach + granule - 1) &^ (granule - 1)
		}
		all.n = pl.o.count(all.from, all.to)
		first := len(pl.list)
		pl.cut(pl.fresh(all.from, all.to, all.n), pl.pieces(&all))
		for _, p := range pl.list[first:] {
			p.lasted = pl.now - all.born
		}
	}
}

// pieces returns how many symbols the pieces of a part are to have, in which something changes.
func (pl *rangePlan) pieces(p *part) int {
	age, n, places := float64(pl.now-p.born), float64(p.cost()), float64(max(p.places, 1))
	// In its time each piece would have cost partCost at each commit, and each place the piece that it is in.
	number := math.Sqrt(n * places / (partCost * age))
	if number < 2 || number <= places {
		return pl.most
	}
	whole := n + fileCost + partCost*age
	apart := places*(n/number+fileCost) + number*partCost*age
	if periods*(whole-apart) < fileCost*number {
		return pl.most
	}
	return min(pl.most, int(float64(p.n)/number)+1)
}

// cut appends what a part is cut into, of no more symbols than so many each if that is possible.
func (pl *rangePlan) cut(p *part, most int) {
	if p.n <= most && p.to-p.from <= maxPartBytes {
		pl.list = append(pl.list, p)
		return
	}
	next := pl.fresh(p.from, 0, 0)
	reach := uint64(0)
	pl.o.addrs.within(p.from, p.to, func(s *sym) {
		at := uint64(s.at)
		if (next.n >= most || at-next.from >= maxPartBytes) && at >= reach && next.n > 0 {
			next.to = at
			pl.list = append(pl.list, next)
			next = pl.fresh(at, 0, 0)
		}
		next.n++
		reach = max(reach, uint64(s.end()))
	})
	next.to = p.to
	pl.list = append(pl.list, next)
}

// fits reports whether parts may be one.
func (pl *rangePlan) fits(n int, from, to uint64) bool {
	return n <= pl.most && to-from <= maxPartBytes
}

// absorb has the parts that are made anew take in those beside them that have cost as much as it costs to read them, if they are
// not to be read too often then.
func (pl *rangePlan) absorb() {
	due := func(p, by *part) bool {
		return !p.stale && partCost*min(pl.now-p.born, by.lasted, 1<<32) >= uint64(p.cost()) && pl.fits(p.n+by.n, min(p.from, by.from), max(p.to, by.to))
	}
	done := pl.list[:0:0]
	for i := 0; i < len(pl.list); i++ {
		p := pl.list[i]
		if p.stale {
			for n := len(done); n > 0 && due(done[n-1], p); n = len(done) {
				p.from, p.n = done[n-1].from, p.n+done[n-1].n
				done = done[:n-1]
			}
			for ; i+1 < len(pl.list) && due(pl.list[i+1], p); i++ {
				p.to, p.n = pl.list[i+1].to, p.n+pl.list[i+1].n
			}
		}
		done = append(done, p)
	}
	pl.list = done
}

// join makes parts that have cost enough together into one.
func (pl *rangePlan) join() {
	done := pl.list[:0:0]
	for i := 0; i < len(pl.list); {
		best, gain := 1, 0
		n, cost, age := 0, fileCost, math.MaxInt
		for j := i; j < len(pl.list) && j < i+joinedAtOnce; j++ {
			p := pl.list[j]
			if n += p.n; p.stale || !pl.fits(n, pl.list[i].from, p.to) {
				break
			}
			cost += p.cost()
			age = min(age, int(pl.now-p.born))
			if g := (j-i)*partCost*age - cost; g > gain {
				best, gain = j-i+1, g
			}
		}
		if best == 1 {
			done = append(done, pl.list[i])
		} else {
			all := pl.fresh(pl.list[i].from, pl.list[i+best-1].to, 0)
			for _, p := range pl.list[i : i+best] {
				all.n += p.n
			}
			done = append(done, all)
		}
		i += best
	}
	pl.list = done
}

func (o *Object) count(from, to uint64) (n int) {
	o.addrs.within(from, to, func(*sym) { n++ })
	return n
}
