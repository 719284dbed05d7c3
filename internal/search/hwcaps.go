package search

import "slices"

// Levels of the x86-64 psABI ("Micro-Architecture Levels"), and the older names glibc had up to 2.36.

// A cpu has the features that decide, each only if the operating system saves the registers it needs.
type cpu struct {
	intel bool

	cx16, lahf, popcnt, sse3, sse41, sse42, ssse3           bool // x86-64-v2
	avx, avx2, bmi1, bmi2, f16c, fma, lzcnt, movbe, osxsave bool // x86-64-v3
	avx512f, avx512bw, avx512cd, avx512dq, avx512vl         bool // x86-64-v4
	avx512er, avx512pf                                      bool
}

// Bits of the results of CPUID (Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E), and of XCR0.
const (
	leaf1cSSE3    = 1 << 0
	leaf1cSSSE3   = 1 << 9
	leaf1cFMA     = 1 << 12
	leaf1cCX16    = 1 << 13
	leaf1cSSE41   = 1 << 19
	leaf1cSSE42   = 1 << 20
	leaf1cMOVBE   = 1 << 22
	leaf1cPOPCNT  = 1 << 23
	leaf1cOSXSAVE = 1 << 27
	leaf1cAVX     = 1 << 28
	leaf1cF16C    = 1 << 29

	leaf7bBMI1     = 1 << 3
	leaf7bAVX2     = 1 << 5
	leaf7bBMI2     = 1 << 8
	leaf7bAVX512F  = 1 << 16
	leaf7bAVX512DQ = 1 << 17
	leaf7bAVX512PF = 1 << 26
	leaf7bAVX512ER = 1 << 27
	leaf7bAVX512CD = 1 << 28
	leaf7bAVX512BW = 1 << 30
	leaf7bAVX512VL = 1 << 31

	extcLAHF  = 1 << 0
	extcLZCNT = 1 << 5

	xcr0AVX    = 0x06 // XMM and YMM
	xcr0AVX512 = 0xe6 // and opmask, ZMM_Hi256, Hi16_ZMM
)

// features works out the cpu from the CPUID instruction and XCR0.
func features(cpuid func(leaf, sub uint32) (a, b, c, d uint32), xgetbv func() uint32) cpu {
	var f cpu
	max, vb, vc, vd := cpuid(0, 0)
	f.intel = vb == 0x756e6547 && vd == 0x49656e69 && vc == 0x6c65746e // "GenuineIntel"
	if max < 1 {
		return f
	}
	_, _, c1, _ := cpuid(1, 0)
	f.sse3 = c1&leaf1cSSE3 != 0
	f.ssse3 = c1&leaf1cSSSE3 != 0
	f.cx16 = c1&leaf1cCX16 != 0
	f.sse41 = c1&leaf1cSSE41 != 0
	f.sse42 = c1&leaf1cSSE42 != 0
	f.movbe = c1&leaf1cMOVBE != 0
	f.popcnt = c1&leaf1cPOPCNT != 0
	f.osxsave = c1&leaf1cOSXSAVE != 0
	var xcr0 uint32
	if f.osxsave {
		xcr0 = xgetbv()
	}
	osAVX := xcr0&xcr0AVX == xcr0AVX
	osAVX512 := xcr0&xcr0AVX512 == xcr0AVX512
	f.avx = osAVX && c1&leaf1cAVX != 0
	f.f16c = f.avx && c1&leaf1cF16C != 0
	f.fma = f.avx && c1&leaf1cFMA != 0
	if max >= 7 {
		_, b7, _, _ := cpuid(7, 0)
		f.bmi1 = b7&leaf7bBMI1 != 0
		f.bmi2 = b7&leaf7bBMI2 != 0
		f.avx2 = f.avx && b7&leaf7bAVX2 != 0
		f.avx512f = osAVX512 && b7&leaf7bAVX512F != 0
		f.avx512bw = f.avx512f && b7&leaf7bAVX512BW != 0
		f.avx512cd = f.avx512f && b7&leaf7bAVX512CD != 0
		f.avx512dq = f.avx512f && b7&leaf7bAVX512DQ != 0
		f.avx512vl = f.avx512f && b7&leaf7bAVX512VL != 0
		f.avx512er = f.avx512f && b7&leaf7bAVX512ER != 0
		f.avx512pf = f.avx512f && b7&leaf7bAVX512PF != 0
	}
	if ext, _, _, _ := cpuid(0x80000000, 0); ext >= 0x80000001 {
		_, _, c, _ := cpuid(0x80000001, 0)
		f.lahf = c&extcLAHF != 0
		f.lzcnt = c&extcLZCNT != 0
	}
	return f
}

var levelNames = []string{"x86-64-v2", "x86-64-v3", "x86-64-v4"}

// level gives the micro-architecture level, 1 to 4.
func (f cpu) level() int {
	switch {
	case !(f.cx16 && f.lahf && f.popcnt && f.sse3 && f.sse41 && f.sse42 && f.ssse3):
		return 1
	case !(f.avx && f.avx2 && f.bmi1 && f.bmi2 && f.f16c && f.fma && f.lzcnt && f.movbe && f.osxsave):
		return 2
	case !(f.avx512f && f.avx512bw && f.avx512cd && f.avx512dq && f.avx512vl):
		return 3
	}
	return 4
}

// HWCaps gives the names of the levels above the base that this processor and operating system support, best first:
// the order in which glibc searches folders of those names. On a processor without such levels it is empty.
// Restrictions that GLIBC_TUNABLES puts on ld.so are not followed.
func HWCaps() []string {
	names := slices.Clone(levelNames[:max(hostCPU().level()-1, 0)])
	slices.Reverse(names)
	return names
}

// isaLevel gives the highest level among the names, 1 if there is none: what ld.so.cache entries are measured by.
func isaLevel(names []string) int {
	level := 1
	for i, n := range levelNames {
		if slices.Contains(names, n) {
			level = i + 2
		}
	}
	return level
}

// Legacy bits: AT_HWCAP as glibc redefines it on x86-64.
const (
	legacyX86_64  = 1 << 1
	legacyAVX5121 = 1 << 2
)

func legacyNames(bits uint64) []string {
	var names []string
	if bits&legacyX86_64 != 0 {
		names = append(names, "x86_64")
	}
	if bits&legacyAVX5121 != 0 {
		names = append(names, "avx512_1")
	}
	return names
}

// legacy gives the bits and the platform; glibc looks beyond the base on Intel processors only.
func (f cpu) legacy() (bits uint64, platform string) {
	bits, platform = legacyX86_64, "x86_64"
	if !f.intel {
		return bits, platform
	}
	phi := f.avx512cd && f.avx512er && f.avx512pf
	if f.avx512cd && !f.avx512er && f.avx512bw && f.avx512dq && f.avx512vl {
		bits |= legacyAVX5121
	}
	switch {
	case phi:
		platform = "xeon_phi"
	case f.avx2 && f.fma && f.bmi1 && f.bmi2 && f.lzcnt && f.movbe && f.popcnt:
		platform = "haswell"
	}
	return bits, platform
}
