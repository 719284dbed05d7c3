//go:build !unix

package link

import "os"

func mapOutput(f *os.File, size int) ([]byte, func() error, error) { return bufferOutput(f, size) }
