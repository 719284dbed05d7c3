package search

import (
	"math"
	"slices"
	"strings"
)

// A selection says which entries of a cache will do that are for some processors only.
type selection struct {
	hwcaps []string // folders of glibc-hwcaps, best first
	level  int      // micro-architecture level of the processor

	// For glibc up to 2.36: AT_HWCAP bits and bit of the platform; bits 0 refuse every entry of a legacy folder.
	legacy, platform uint64
}

// find gives the path for a soname, "" if there is none. Like ld.so it searches by halves for names that are equal with
// numbers compared as numbers ("libx.so.01" finds libx.so.1); among these the best named folder wins, and otherwise the
// first. It takes entries with the given flags; sel is called if there are such for some processors only. The error is
// the *CacheError of an entry that was looked at.
func (c *Cache) find(name string, flags uint32, sel func() selection) (path string, err error) {
	// order compares with the name of entry i.
	order := func(i int) int {
		n, e := c.name(i)
		if e != nil {
			err = e
		}
		return compareNames(name, n)
	}
	for lo, hi := 0, c.count; lo < hi && err == nil; {
		mid := int(uint(lo+hi) >> 1)
		switch o := order(mid); {
		case o < 0: // names fall
			lo = mid + 1
		case o > 0:
			hi = mid
		default:
			for mid > 0 && order(mid-1) == 0 {
				mid--
			}
			if err != nil {
				return "", err
			}
			return c.best(name, mid, flags, sel)
		}
	}
	return "", err
}

func (c *Cache) best(name string, first int, flags uint32, sel func() selection) (string, error) {
	best := math.MaxInt
	path := ""
	var s selection
	asked := false
	wanted := func() *selection {
		if !asked {
			s, asked = sel(), true
		}
		return &s
	}
	for i := first; i < c.count; i++ {
		e, err := c.Entry(i)
		if err != nil {
			return "", err
		}
		switch {
		case i > first && compareNames(name, e.Name) != 0:
			return strings.Clone(path), nil
		case e.Flags != flags:
		case e.named():
			if e.ISALevel() > wanted().level {
				continue
			}
			if p := slices.Index(wanted().hwcaps, e.HWCapName); p >= 0 && p < best {
				best, path = p, e.Path
			}
		case path != "": // entries of named folders come before the others
			return strings.Clone(path), nil
		case e.HWCap == 0 || wanted().legacyFits(e.HWCap):
			return strings.Clone(e.Path), nil
		}
	}
	return strings.Clone(path), nil
}

// legacyFits reports whether an entry with these bits, which are not 0, may be used.
func (sel selection) legacyFits(hwcap uint64) bool {
	if sel.legacy == 0 {
		return false
	}
	if p := hwcap & hwcapPlatform; p != 0 && p != sel.platform {
		return false
	}
	return hwcap&^(sel.legacy|hwcapPlatform|hwcapTLS) == 0
}

func platformBit(platform string) uint64 {
	switch platform {
	case "haswell":
		return hwcapHaswell
	case "xeon_phi":
		return hwcapXeonPhi
	}
	return 0
}

// compareNames orders names as ldconfig does: by bytes, a digit after anything else, and runs of digits by value.
func compareNames(a, b string) int {
	for len(a) > 0 {
		da, db := isDigit(a[0]), len(b) > 0 && isDigit(b[0])
		switch {
		case da && db:
			na, nb := digits(a), digits(b)
			if d := compareNumbers(a[:na], b[:nb]); d != 0 {
				return d
			}
			a, b = a[na:], b[nb:]
		case da:
			return 1
		case db:
			return -1
		case len(b) == 0:
			return int(int8(a[0])) // bytes are signed char
		case a[0] != b[0]:
			return int(int8(a[0])) - int(int8(b[0]))
		default:
			a, b = a[1:], b[1:]
		}
	}
	if len(b) > 0 {
		return -int(int8(b[0]))
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func compareNumbers(a, b string) int {
	for len(a) > 1 && a[0] == '0' {
		a = a[1:]
	}
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	switch {
	case len(a) != len(b):
		return len(a) - len(b)
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
