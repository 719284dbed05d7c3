package link

import "testing"

// What github.com/zeebo/xxh3 says of contents whose byte i is i*i/8+i.
func TestXXH3(t *testing.T) {
	b := make([]byte, 100000)
	for i := range b {
		b[i] = byte(i*i>>3 + i)
	}
	for _, c := range []struct {
		size   int
		lo, hi uint64
	}{
		{xxhMin, 0x803293e644e29833, 0xa1ddb0eeee8043aa},
		{1024, 0xc3c0c9a9ddadb610, 0x300fdd5127d5c10e},
		{1025, 0xdb4ae18746180095, 0x49ef8f840a2bff13},
		{4097, 0x7a0d9e6af6d99d04, 0x26e4b79e3711f3d9},
		{len(b), 0x65a9e15cf086056b, 0x4dcb343624d91ce4},
	} {
		if lo, hi := xxh3(b[:c.size]); lo != c.lo || hi != c.hi {
			t.Errorf("%d bytes: %#x %#x, wanted %#x %#x", c.size, lo, hi, c.lo, c.hi)
		}
	}
}
