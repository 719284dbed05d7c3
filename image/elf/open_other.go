//go:build !unix || aix || solaris || illumos

package elf

import "os"

const openFlags = os.O_RDONLY

// mapFile reads size bytes of file: package syscall has no mmap here.
func mapFile(name string, file *os.File, size int64) ([]byte, func() error, error) {
	data, err := ReadAll(name, file, size)
	return data, func() error { return nil }, err
}
