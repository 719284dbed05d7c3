package search

import "slices"

// A selection says which entries of a cache will do.
type selection struct {
	flags  uint32
	hwcaps []string // folders of glibc-hwcaps, best first
	level  int      // micro-architecture level of the processor

	// For glibc up to 2.36: AT_HWCAP bits and bit of the platform; bits 0 refuse every entry of a legacy folder.
	legacy, platform uint64
}

// find gives the path for a soname. Like ld.so it searches by halves for names that are equal with numbers compared as
// numbers ("libx.so.01" finds libx.so.1); among these the best named folder wins, and otherwise the first.
func (c *Cache) find(name string, sel selection) (path string, ok bool) {
	lo, hi := 0, len(c.Entries)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		order := compareNames(name, c.Entries[mid].Name)
		switch {
		case order < 0: // names fall
			lo = mid + 1
		case order > 0:
			hi = mid
		default:
			for mid > 0 && compareNames(name, c.Entries[mid-1].Name) == 0 {
				mid--
			}
			return c.best(name, mid, sel)
		}
	}
	return "", false
}

func (c *Cache) best(name string, first int, sel selection) (path string, ok bool) {
	best := len(sel.hwcaps)
	for i := first; i < len(c.Entries); i++ {
		e := &c.Entries[i]
		if i > first && compareNames(name, e.Name) != 0 {
			break
		}
		if e.Flags != sel.flags {
			continue
		}
		if e.named() {
			if e.ISALevel() > sel.level {
				continue
			}
			if p := slices.Index(sel.hwcaps, e.HWCapName); p >= 0 && p < best {
				best, path, ok = p, e.Path, true
			}
			continue
		}
		// Entries of named folders come before the others.
		if ok {
			break
		}
		if sel.legacyFits(e.HWCap) {
			return e.Path, true
		}
	}
	return path, ok
}

// legacyFits reports whether an entry with these bits may be used.
func (sel selection) legacyFits(hwcap uint64) bool {
	if hwcap == 0 || sel.legacy == 0 {
		return hwcap == 0
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
