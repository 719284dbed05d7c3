//go:build !amd64

package search

// Other processors have no levels.
func hostCPU() cpu { return cpu{} }

func hostPlatform() string { return hostArch.platform }

func (s *Searcher) legacyBits() uint64 { return 0 }
