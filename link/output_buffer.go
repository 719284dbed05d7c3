package link

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
)

// errNoReserve says that a file is to be written, not mapped.
var errNoReserve = errors.New("room cannot be set aside")

// bufferOutput is mapOutput with memory that is written at the end.
func bufferOutput(f *os.File, size int) ([]byte, func() error, error) {
	data := make([]byte, size)
	return data, func() error { _, err := f.WriteAt(data, 0); return err }, nil
}

func randomSuffix() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// parseUint reads a number as C has it: decimal, 0x or 0.
func parseUint(s string) (uint64, error) { return strconv.ParseUint(s, 0, 64) }
