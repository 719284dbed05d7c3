package tests

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"
	"testing"

	"weld/internal/testenv"
)

func TestCryptoDigests(t *testing.T) {
	lib := open(t, testenv.Library(t, "libssl3", "libcrypto.so.3", "libcrypto.so.*"))
	var c struct {
		ByName func(name string) uintptr                                                                        `sym:"EVP_get_digestbyname"`
		Digest func(data []byte, n uint64, md *byte, size *uint32, typ, engine uintptr) int32                   `sym:"EVP_Digest"`
		New    func() uintptr                                                                                   `sym:"EVP_MD_CTX_new"`
		Free   func(ctx uintptr)                                                                                `sym:"EVP_MD_CTX_free"`
		Init   func(ctx, typ, engine uintptr) int32                                                             `sym:"EVP_DigestInit_ex"`
		Update func(ctx uintptr, data []byte, n uint64) int32                                                   `sym:"EVP_DigestUpdate"`
		Final  func(ctx uintptr, md *byte, size *uint32) int32                                                  `sym:"EVP_DigestFinal_ex"`
		HMAC   func(typ uintptr, key []byte, keyLen int32, data []byte, n uint64, md *byte, size *uint32) *byte `sym:"HMAC"`
		Rand   func(p []byte, n int32) int32                                                                    `sym:"RAND_bytes"`
	}
	bindAll(t, lib, &c)
	data := someText(3<<20 + 17)
	var md [64]byte
	var size uint32
	for name, newHash := range map[string]func() hash.Hash{
		"MD5": md5.New, "SHA1": sha1.New, "SHA256": sha256.New, "SHA384": sha512.New384, "SHA512": sha512.New,
		"SHA3-256": func() hash.Hash { return sha3.New256() },
	} {
		h := newHash()
		h.Write(data)
		want := h.Sum(nil)
		typ := c.ByName(name)
		if typ == 0 {
			t.Errorf("no digest %s", name)
			continue
		}
		if rc := c.Digest(data, uint64(len(data)), &md[0], &size, typ, 0); rc != 1 || !bytes.Equal(md[:size], want) {
			t.Errorf("%s: %d, %x, want %x", name, rc, md[:size], want)
		}
		ctx := c.New()
		c.Init(ctx, typ, 0)
		for part := data; len(part) > 0; {
			n := min(len(part), 100_003)
			c.Update(ctx, part[:n], uint64(n))
			part = part[n:]
		}
		clear(md[:])
		if rc := c.Final(ctx, &md[0], &size); rc != 1 || !bytes.Equal(md[:size], want) {
			t.Errorf("%s in parts: %d, %x, want %x", name, rc, md[:size], want)
		}
		c.Free(ctx)
	}
	key := []byte("a key")
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	if p := c.HMAC(c.ByName("SHA256"), key, int32(len(key)), data, uint64(len(data)), &md[0], &size); p != &md[0] || !bytes.Equal(md[:size], mac.Sum(nil)) {
		t.Errorf("HMAC: %p (the buffer is at %p), %x", p, &md[0], md[:size])
	}
	a, b := make([]byte, 32), make([]byte, 32)
	if c.Rand(a, 32) != 1 || c.Rand(b, 32) != 1 || bytes.Equal(a, b) {
		t.Errorf("RAND_bytes: %x and %x", a, b)
	}
}
