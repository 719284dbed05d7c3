//go:build !linux

package link

// adviseHuge is for systems that make huge pages without being asked, or not at all.
func adviseHuge([]byte) {}
