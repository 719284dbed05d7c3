package elf

import (
	"math/rand/v2"
	"testing"
)

// The hash is taken of eight bytes at a time: the result is that of the definition, byte for byte, of any bytes.
func TestGNUHash(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		b := make([]byte, r.IntN(60))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		want := uint32(5381)
		for _, c := range b {
			want = want*33 + uint32(c)
		}
		if got := GNUHash(string(b)); got != want {
			t.Fatalf("%q: %#x, want %#x", b, got, want)
		}
	}
}
