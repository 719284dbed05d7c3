package search

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

const hostLinker = "/lib64/ld-linux-x86-64.so.2"

// TestLinkerFacts compares what was read out of ld.so, and of the processor, with what ld.so says of itself.
func TestLinkerFacts(t *testing.T) {
	out := must(t, "/", hostLinker, "--list-diagnostics")
	want := make(map[string]string)
	var dirs []string
	for _, line := range strings.Split(out, "\n") {
		key, value, _ := strings.Cut(line, "=")
		value = strings.Trim(value, `"`)
		want[key] = value
		if strings.HasPrefix(key, "path.system_dirs[") {
			dirs = append(dirs, value)
		}
	}
	s := New(Config{})
	if got := s.Defaults(); !reflect.DeepEqual(got, dirs) {
		t.Errorf("default directories %q, ld.so has %q", got, dirs)
	}
	if got := s.lib(); got != want["dl_dst_lib"] {
		t.Errorf("$LIB is %q, ld.so has %q", got, want["dl_dst_lib"])
	}
	if got := s.platform(); got != want["dl_platform"] {
		t.Errorf("platform %q, ld.so has %q", got, want["dl_platform"])
	}
	major, minor, _ := strings.Cut(want["version.version"], ".")
	if major != "2" || minor != itoa(s.minor()) {
		t.Errorf("version 2.%d, ld.so has %s.%s", s.minor(), major, minor)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// TestHWCaps compares the levels with the list that ld.so --help prints.
func TestHWCaps(t *testing.T) {
	var want, legacy []string
	section := ""
	for _, line := range strings.Split(must(t, "/", hostLinker, "--help"), "\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !strings.HasPrefix(line, "  "):
			section = line
		case !strings.HasPrefix(rest, "(") || !strings.Contains(rest, "supported, searched"):
		case strings.HasPrefix(section, "Subdirectories of glibc-hwcaps"):
			want = append(want, name)
		case strings.HasPrefix(section, "Legacy HWCAP"):
			legacy = append(legacy, name)
		}
	}
	got := HWCaps()
	if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("levels %q, ld.so has %q", got, want)
	}
	s := New(Config{})
	var names []string
	for _, sub := range s.legacySubdirs() {
		for _, n := range strings.Split(strings.Trim(sub, "/"), "/") {
			if n != "" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	for _, n := range legacy {
		if !slices.Contains(names, n) {
			t.Errorf("legacy folders %q, ld.so has %q", names, legacy)
		}
	}
	for _, n := range names {
		if !slices.Contains(legacy, n) {
			t.Errorf("legacy folders %q, ld.so has %q", names, legacy)
		}
	}
}

// TestLevels has the rules on made-up processors.
func TestLevels(t *testing.T) {
	const (
		v2c = leaf1cSSE3 | leaf1cSSSE3 | leaf1cCX16 | leaf1cSSE41 | leaf1cSSE42 | leaf1cPOPCNT
		v3c = v2c | leaf1cMOVBE | leaf1cFMA | leaf1cAVX | leaf1cF16C | leaf1cOSXSAVE
		v3b = leaf7bBMI1 | leaf7bBMI2 | leaf7bAVX2
		v4b = v3b | leaf7bAVX512F | leaf7bAVX512BW | leaf7bAVX512CD | leaf7bAVX512DQ | leaf7bAVX512VL
	)
	for _, tt := range []struct {
		name            string
		max             uint32
		c1, b7, ext, xc uint32
		level           int
	}{
		{"nothing", 0, 0, 0, 0, 0, 1},
		{"v2", 1, v2c, 0, extcLAHF, 0, 2},
		{"no LAHF", 1, v2c, 0, 0, 0, 1},
		{"v3", 7, v3c, v3b, extcLAHF | extcLZCNT, 0x7, 3},
		{"leaf 7 beyond the highest", 6, v3c, v3b, extcLAHF | extcLZCNT, 0x7, 2},
		{"YMM not saved", 7, v3c, v3b, extcLAHF | extcLZCNT, 0x3, 2},
		{"no OSXSAVE", 7, v3c &^ leaf1cOSXSAVE, v3b, extcLAHF | extcLZCNT, 0x7, 2},
		{"no LZCNT", 7, v3c, v3b, extcLAHF, 0x7, 2},
		{"v4", 7, v3c, v4b, extcLAHF | extcLZCNT, 0xe7, 4},
		{"ZMM not saved", 7, v3c, v4b, extcLAHF | extcLZCNT, 0x7, 3},
		{"no AVX512VL", 7, v3c, v4b &^ leaf7bAVX512VL, extcLAHF | extcLZCNT, 0xe7, 3},
	} {
		f := features(func(leaf, sub uint32) (a, b, c, d uint32) {
			switch leaf {
			case 0:
				return tt.max, 0x756e6547, 0x6c65746e, 0x49656e69
			case 1:
				return 0, 0, tt.c1, 0
			case 7:
				return 0, tt.b7, 0, 0
			case 0x80000000:
				return 0x80000001, 0, 0, 0
			case 0x80000001:
				return 0, 0, tt.ext, 0
			}
			t.Errorf("%s: leaf %#x", tt.name, leaf)
			return
		}, func() uint32 { return tt.xc })
		if f.level() != tt.level {
			t.Errorf("%s: level %d, want %d", tt.name, f.level(), tt.level)
		}
		bits, platform := f.legacy()
		wantBits, wantPlatform := uint64(legacyX86_64), "x86_64"
		if tt.level >= 3 {
			wantPlatform = "haswell"
		}
		if tt.level == 4 {
			wantBits |= legacyAVX5121
		}
		if !f.intel || bits != wantBits || platform != wantPlatform {
			t.Errorf("%s: legacy %#x %s", tt.name, bits, platform)
		}
	}
}

func TestLegacySubdirs(t *testing.T) {
	fixed := Config{FS: mapFS{}, Platform: "haswell", HWCaps: []string{"x86-64-v3", "x86-64-v2"}}
	for _, tt := range []struct {
		minor int
		first string
		n     int
	}{
		{31, "tls/haswell/", 8},
		{36, "glibc-hwcaps/x86-64-v3/", 10},
		{37, "glibc-hwcaps/x86-64-v3/", 3},
		{0, "glibc-hwcaps/x86-64-v3/", 3},
	} {
		cfg := fixed
		cfg.Minor = tt.minor
		subs := New(cfg).allSubdirs()
		n := tt.n
		if tt.minor != 0 && tt.minor < 37 && hostLegacy()&legacyAVX5121 != 0 {
			n += 8
		}
		if len(subs) != n || !strings.HasPrefix(subs[0], tt.first) || subs[len(subs)-1] != "" {
			t.Errorf("2.%d: %q", tt.minor, subs)
		}
	}
}

func hostLegacy() uint64 {
	bits, _ := hostCPU().legacy()
	return bits
}

func TestLinkerFile(t *testing.T) {
	for _, tt := range []struct {
		text  string
		dirs  []string
		minor int
		lib   string
	}{
		{"\x01\x02/lib64/\x00/usr/lib64/\x00rest\x00ld.so (GNU libc) stable release version 2.40.\nCopyright\x00", []string{"/lib64/", "/usr/lib64/"}, 40, "lib64"},
		{"\x00/usr/lib/\x00\x00ld.so stable release version 2.39.9000.\n\x00", []string{"/usr/lib/"}, 39, "lib"},
		{"\x00/nix/store/abc-glibc-2.38/lib/\x00\x00/etc/ld.so.cache\x00", []string{"/nix/store/abc-glibc-2.38/lib/"}, newestMinor, "lib"},
		{"", []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}, newestMinor, "lib64"},
	} {
		s := New(Config{FS: mapFS{"/ld.so": tt.text}, Linker: "/ld.so"})
		if d := s.Defaults(); !reflect.DeepEqual(d, tt.dirs) || s.minor() != tt.minor || s.lib() != tt.lib {
			t.Errorf("%q: %q 2.%d %s", tt.text, d, s.minor(), s.lib())
		}
	}
}
