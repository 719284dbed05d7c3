package search

import "strings"

// glibcFamily has the sonames of the libraries that share one private interface and so must come from one glibc.
var glibcFamily = map[string]bool{
	"ld-linux-x86-64.so.2":   true,
	"libBrokenLocale.so.1":   true,
	"libanl.so.1":            true,
	"libc.so.6":              true,
	"libc_malloc_debug.so.0": true,
	"libdl.so.2":             true,
	"libm.so.6":              true,
	"libmvec.so.1":           true,
	"libnsl.so.1":            true,
	"libnss_compat.so.2":     true,
	"libnss_dns.so.2":        true,
	"libnss_files.so.2":      true,
	"libnss_hesiod.so.2":     true,
	"libpthread.so.0":        true,
	"libresolv.so.2":         true,
	"librt.so.1":             true,
	"libutil.so.1":           true,
	"ld-linux-aarch64.so.1":  true,
}

// IsLibcFamily reports whether the soname (no path) is one of glibc's own libraries, which only glibc's ld.so can load:
// they use its private interface (symbol version GLIBC_PRIVATE) or have no use without it.
func IsLibcFamily(soname string) bool { return glibcFamily[soname] }

// LibcOf tells from an object's DT_NEEDED names which C library it was linked with. ok is false if none says.
func LibcOf(needed []string) (f Flavor, ok bool) {
	for _, n := range needed {
		n = n[strings.LastIndexByte(n, '/')+1:]
		switch {
		case n == "libc.so.6", strings.HasPrefix(n, "ld-linux-"):
			return Glibc, true
		case n == "libc.so", strings.HasPrefix(n, "libc.musl-"), strings.HasPrefix(n, "ld-musl-"):
			return Musl, true
		}
	}
	return Glibc, false
}
