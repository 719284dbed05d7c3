package link

import "math/bits"

// XXH3 with 128 bits and without a seed, for contents of more than 240 bytes (xxHash's doc/xxhash_spec.md). It is quick on any
// processor, and different contents have the same hash only if somebody makes them so.

const (
	// xxhMin is the size of the smallest content that it is for here.
	xxhMin    = 241
	xxhStripe = 64
	// xxhStripes is how many stripes make a block: for each the secret is read 8 bytes further on.
	xxhStripes = (len(xxhSecret) - xxhStripe) / 8

	xxh32Prime1  = 0x9e3779b1
	xxh32Prime2  = 0x85ebca77
	xxh32Prime3  = 0xc2b2ae3d
	xxh64Prime1  = 0x9e3779b185ebca87
	xxh64Prime2  = 0xc2b2ae3d27d4eb4f
	xxh64Prime3  = 0x165667b19e3779f9
	xxh64Prime4  = 0x85ebca77c2b2ae63
	xxh64Prime5  = 0x27d4eb2f165667c5
	xxhAvalanche = 0x165667919e3779f9
)

// xxhSecret is the specification's default secret.
const xxhSecret = "" +
	"\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe\x7c\x01\x81\x2c\xf7\x21\xad\x1c\xde\xd4\x6d\xe9\x83\x90\x97\xdb\x72\x40\xa4\xa4\xb7\xb3\x67\x1f" +
	"\xcb\x79\xe6\x4e\xcc\xc0\xe5\x78\x82\x5a\xd0\x7d\xcc\xff\x72\x21\xb8\x08\x46\x74\xf7\x43\x24\x8e\xe0\x35\x90\xe6\x81\x3a\x26\x4c" +
	"\x3c\x28\x52\xbb\x91\xc3\x00\xcb\x88\xd0\x65\x8b\x1b\x53\x2e\xa3\x71\x64\x48\x97\xa2\x0d\xf9\x4e\x38\x19\xef\x46\xa9\xde\xac\xd8" +
	"\xa8\xfa\x76\x3f\xe3\x9c\x34\x3f\xf9\xdc\xbb\xc7\xc7\x0b\x4f\x1d\x8a\x51\xe0\x4b\xcd\xb4\x59\x31\xc8\x9f\x7e\xc9\xd9\x78\x73\x64" +
	"\xea\xc5\xac\x83\x34\xd3\xeb\xc3\xc5\x81\xa0\xff\xfa\x13\x63\xeb\x17\x0d\xdd\x51\xb7\xf0\xda\x49\xd3\x16\x55\x26\x29\xd4\x68\x9e" +
	"\x2b\x16\xbe\x58\x7d\x47\xa1\xfc\x8f\xf8\xb8\xd1\x7a\xd0\x31\xce\x45\xcb\x3a\x8f\x95\x16\x04\x28\xaf\xd7\xfb\xca\xbb\x4b\x40\x7e"

// xxhKeys are the words of the secret at every multiple of 8 bytes.
var xxhKeys = func() (k [len(xxhSecret) / 8]uint64) {
	for i := range k {
		k[i] = xxhKey(8 * i)
	}
	return k
}()

// xxhKey returns the word of the secret at an offset.
func xxhKey(at int) uint64 { return le.Uint64([]byte(xxhSecret[at:][:8])) }

// xxh3 returns the hash of b, which has at least xxhMin bytes.
func xxh3(b []byte) (lo, hi uint64) {
	acc := [8]uint64{xxh32Prime3, xxh64Prime1, xxh64Prime2, xxh64Prime3, xxh64Prime4, xxh32Prime2, xxh64Prime5, xxh32Prime1}
	size := uint64(len(b))
	// The last stripe may overlap the one before.
	last := b[len(b)-xxhStripe:]
	for left := (len(b) - 1) / xxhStripe; left > 0; {
		n := min(left, xxhStripes)
		for i := range n {
			xxhMix(&acc, (*[xxhStripe]byte)(b[i*xxhStripe:]), (*[8]uint64)(xxhKeys[i:]))
		}
		b = b[n*xxhStripe:]
		if left -= n; n < xxhStripes {
			break
		}
		for i := range acc {
			a := acc[i]
			acc[i] = (a ^ a>>47 ^ xxhKeys[xxhStripes+i]) * xxh32Prime1
		}
	}
	var keys [8]uint64
	for i := range keys {
		keys[i] = xxhKey(len(xxhSecret) - xxhStripe - 7 + 8*i)
	}
	xxhMix(&acc, (*[xxhStripe]byte)(last), &keys)
	return xxhMerge(&acc, 11, size*xxh64Prime1), xxhMerge(&acc, len(xxhSecret)-xxhStripe-11, ^(size * xxh64Prime2))
}

// xxhMix takes in a stripe.
func xxhMix(acc *[8]uint64, b *[xxhStripe]byte, keys *[8]uint64) {
	v0, v1, v2, v3 := le.Uint64(b[0:]), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	k0, k1, k2, k3 := v0^keys[0], v1^keys[1], v2^keys[2], v3^keys[3]
	acc[0] += v1 + uint64(uint32(k0))*(k0>>32)
	acc[1] += v0 + uint64(uint32(k1))*(k1>>32)
	acc[2] += v3 + uint64(uint32(k2))*(k2>>32)
	acc[3] += v2 + uint64(uint32(k3))*(k3>>32)
	v0, v1, v2, v3 = le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:]), le.Uint64(b[56:])
	k0, k1, k2, k3 = v0^keys[4], v1^keys[5], v2^keys[6], v3^keys[7]
	acc[4] += v1 + uint64(uint32(k0))*(k0>>32)
	acc[5] += v0 + uint64(uint32(k1))*(k1>>32)
	acc[6] += v3 + uint64(uint32(k2))*(k2>>32)
	acc[7] += v2 + uint64(uint32(k3))*(k3>>32)
}

// xxhMerge makes a half of the hash.
func xxhMerge(acc *[8]uint64, at int, start uint64) uint64 {
	h := start
	for i := 0; i < len(acc); i += 2 {
		hi, lo := bits.Mul64(acc[i]^xxhKey(at+8*i), acc[i+1]^xxhKey(at+8*i+8))
		h += hi ^ lo
	}
	h = (h ^ h>>37) * xxhAvalanche
	return h ^ h>>32
}
