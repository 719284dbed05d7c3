package search

import "sync"

// cpuid runs the CPUID instruction for a leaf (EAX) and a sub-leaf (ECX).
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

// xgetbv gives the low half of XCR0: the registers the operating system saves. It faults unless CPUID has OSXSAVE.
func xgetbv() uint32

var hostCPU = sync.OnceValue(func() cpu { return features(cpuid, xgetbv) })

func hostPlatform() string {
	_, platform := hostCPU().legacy()
	return platform
}

// legacyBits gives the AT_HWCAP bits that folders and cache entries of glibc up to 2.36 are measured by.
func (s *Searcher) legacyBits() uint64 {
	if s.minor() >= 37 {
		return 0
	}
	bits, _ := hostCPU().legacy()
	return bits
}
