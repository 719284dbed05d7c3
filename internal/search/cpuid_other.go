//go:build !amd64

package search

// Other processors have no levels.
var hostCPU cpu

func hostPlatform() string { return hostArch.platform }

func (s *Searcher) legacyBits() uint64 { return 0 }
