package search

import "runtime"

// An archFacts has what differs by processor.
type archFacts struct {
	linker     string // path of glibc's ld.so (psABI)
	platform   string // AT_PLATFORM of the kernel
	multiarch  string // folder name of Debian and its kin
	musl       string // musl's name of it
	cacheFlags uint32 // flags of its entries in ld.so.cache
}

var archs = map[string]archFacts{
	"amd64": {linker: "/lib64/ld-linux-x86-64.so.2", platform: "x86_64", multiarch: "x86_64-linux-gnu", musl: "x86_64", cacheFlags: 0x0303},
	"arm64": {linker: "/lib/ld-linux-aarch64.so.1", platform: "aarch64", multiarch: "aarch64-linux-gnu", musl: "aarch64", cacheFlags: 0x0a03},
}

var hostArch = func() archFacts {
	if a, ok := archs[runtime.GOARCH]; ok {
		return a
	}
	// Anything else is searched as the processor weld was first made for.
	return archs["amd64"]
}()
