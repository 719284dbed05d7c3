//go:build !unix

package link

import (
	"io"
	"os"
)

// mapInput reads the first size bytes of f.
func mapInput(f *os.File, size int) ([]byte, func(), error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, nil, err
	}
	return data, nil, nil
}
