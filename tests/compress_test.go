package tests

import (
	"bytes"
	"compress/zlib"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// someText returns n bytes that compress about as well as text does.
func someText(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = make([]byte, 2+r.IntN(9), 12)
		for j := range words[i] {
			words[i][j] = byte('a' + r.IntN(26))
		}
		words[i] = append(words[i], ' ')
	}
	text := make([]byte, 0, n+16)
	for len(text) < n {
		text = append(text, words[min(r.IntN(len(words)), r.IntN(len(words)))]...)
	}
	return text[:n]
}

func compressSize() int {
	if testing.Short() {
		return 4 << 20
	}
	return 100 << 20
}

func TestZlib(t *testing.T) {
	lib := open(t, "libz.so.1")
	var z struct {
		Bound      func(n uint64) uint64                                              `sym:"compressBound"`
		Compress   func(dst []byte, n *uint64, src []byte, m uint64, lvl int32) int32 `sym:"compress2"`
		Uncompress func(dst []byte, n *uint64, src []byte, m uint64) int32            `sym:"uncompress"`
		CRC        func(crc uint64, p []byte, n uint32) uint64                        `sym:"crc32,leaf"`
		Adler      func(a uint64, p []byte, n uint32) uint64                          `sym:"adler32"`
		Version    func() string                                                      `sym:"zlibVersion"`
		Error      func(rc int32) string                                              `sym:"zError"`
	}
	bindAll(t, lib, &z)
	if v := z.Version(); !strings.HasPrefix(v, "1.") {
		t.Errorf("version %q", v)
	}
	if e := z.Error(-3); e != "data error" {
		t.Errorf("zError(-3) is %q", e)
	}
	text := someText(compressSize())
	size := z.Bound(uint64(len(text)))
	packed := make([]byte, size)
	if rc := z.Compress(packed, &size, text, uint64(len(text)), 1); rc != 0 {
		t.Fatalf("compress2: %d", rc)
	}
	packed = packed[:size]
	if len(packed) >= len(text)*3/4 {
		t.Errorf("%d bytes became %d", len(text), len(packed))
	}
	back := make([]byte, len(text))
	n := uint64(len(back))
	if rc := z.Uncompress(back, &n, packed, size); rc != 0 || n != uint64(len(text)) || !bytes.Equal(back, text) {
		t.Errorf("uncompress: %d, %d bytes, equal %v", rc, n, bytes.Equal(back, text))
	}
	// Go reads what zlib wrote, and the other way round.
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	clear(back)
	if _, err := io.ReadFull(r, back); err != nil || !bytes.Equal(back, text) {
		t.Errorf("Go's reader of zlib's data: %v", err)
	}
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	w.Write(text[:1<<20])
	w.Close()
	n = uint64(len(back))
	if rc := z.Uncompress(back, &n, buf.Bytes(), uint64(buf.Len())); rc != 0 || n != 1<<20 || !bytes.Equal(back[:n], text[:n]) {
		t.Errorf("uncompress of Go's data: %d, %d bytes", rc, n)
	}
	if got, want := z.CRC(0, text, uint32(len(text))), crc32.ChecksumIEEE(text); got != uint64(want) {
		t.Errorf("crc32 %#x, want %#x", got, want)
	}
	if got, want := z.Adler(1, text, uint32(len(text))), adler32.Checksum(text); got != uint64(want) {
		t.Errorf("adler32 %#x, want %#x", got, want)
	}
	packed[len(packed)/2] ^= 0xff
	n = uint64(len(back))
	if rc := z.Uncompress(back, &n, packed, size); rc == 0 {
		t.Error("uncompress accepts damaged data")
	}
}

func TestZstd(t *testing.T) {
	lib := open(t, testenv.Library(t, "libzstd1", "libzstd.so.1"))
	var z struct {
		Bound      func(n uint64) uint64                                                `sym:"ZSTD_compressBound"`
		Compress   func(dst []byte, n uint64, src []byte, m uint64, level int32) uint64 `sym:"ZSTD_compress"`
		Decompress func(dst []byte, n uint64, src []byte, m uint64) uint64              `sym:"ZSTD_decompress"`
		IsError    func(code uint64) uint32                                             `sym:"ZSTD_isError"`
		ErrorName  func(code uint64) string                                             `sym:"ZSTD_getErrorName"`
		NewCtx     func() uintptr                                                       `sym:"ZSTD_createCCtx"`
		FreeCtx    func(ctx uintptr) uint64                                             `sym:"ZSTD_freeCCtx"`
		Set        func(ctx uintptr, param, value int32) uint64                         `sym:"ZSTD_CCtx_setParameter"`
		Compress2  func(ctx uintptr, dst []byte, n uint64, src []byte, m uint64) uint64 `sym:"ZSTD_compress2"`
	}
	bindAll(t, lib, &z)
	check := func(what string, code uint64) uint64 {
		t.Helper()
		if z.IsError(code) != 0 {
			t.Fatalf("%s: %s", what, z.ErrorName(code))
		}
		return code
	}
	text := someText(compressSize())
	packed := make([]byte, z.Bound(uint64(len(text))))
	size := check("compress", z.Compress(packed, uint64(len(packed)), text, uint64(len(text)), 1))
	if size >= uint64(len(text)*3/4) {
		t.Errorf("%d bytes became %d", len(text), size)
	}
	back := make([]byte, len(text))
	n := check("decompress", z.Decompress(back, uint64(len(back)), packed, size))
	if n != uint64(len(text)) || !bytes.Equal(back, text) {
		t.Errorf("%d bytes came back, equal %v", n, bytes.Equal(back, text))
	}
	// Two threads of the library's own.
	ctx := z.NewCtx()
	check("ZSTD_c_nbWorkers", z.Set(ctx, 400, 2))
	size = check("compress2", z.Compress2(ctx, packed, uint64(len(packed)), text, uint64(len(text))))
	check("free", z.FreeCtx(ctx))
	clear(back)
	n = check("decompress", z.Decompress(back, uint64(len(back)), packed, size))
	if n != uint64(len(text)) || !bytes.Equal(back, text) {
		t.Errorf("with threads: %d bytes came back, equal %v", n, bytes.Equal(back, text))
	}
	if code := z.Decompress(back, uint64(len(back)), packed, size/2); z.IsError(code) == 0 {
		t.Error("decompress accepts half of the data")
	}
}
