package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"unsafe"

	"weld"
)

// stop is a library that the tour visits.
type stop struct {
	label  string
	names  []string // sonames, the first that is there is taken
	libc   bool
	family bool   // comes with the C library's interpreter
	symbol string // a function to look up by its address
	calls  []call
}

// call is a call to a library, checked against what Go makes of the same.
type call struct {
	name  string
	check func(*weld.Library) (string, error)
}

const tourText = "The quick brown fox jumps over the lazy dog"

var tourStops = []stop{
	{label: "libc", names: []string{"libc.so.6", "libc.musl-x86_64.so.1"}, libc: true, family: true, symbol: "qsort", calls: []call{
		{"strlen", callStrlen}, {"getpid", callGetpid}, {"snprintf", callSnprintf},
	}},
	{label: "libm", names: []string{"libm.so.6", "libc.musl-x86_64.so.1"}, family: true, symbol: "lgamma", calls: []call{{"cos", callCos}}},
	{label: "libz", names: []string{"libz.so.1"}, symbol: "crc32", calls: []call{{"crc32", callCRC32}, {"zlibVersion", version("zlibVersion")}}},
	{label: "libsqlite3", names: []string{"libsqlite3.so.0"}, symbol: "sqlite3_libversion", calls: []call{
		{"sqlite3_libversion", version("sqlite3_libversion")}, {"sqlite3_exec", callSQL},
	}},
	{label: "libcrypto", names: []string{"libcrypto.so.3", "libcrypto.so.1.1"}, symbol: "SHA256", calls: []call{{"SHA256", callSHA256}}},
	{label: "libzstd", names: []string{"libzstd.so.1"}, calls: []call{{"ZSTD_compress", callZstd}, {"ZSTD_versionString", version("ZSTD_versionString")}}},
	{label: "liblzma", names: []string{"liblzma.so.5"}, calls: []call{{"lzma_crc32", callLzmaCRC32}, {"lzma_version_string", version("lzma_version_string")}}},
	{label: "libbz2", names: []string{"libbz2.so.1.0", "libbz2.so.1"}, calls: []call{{"BZ2_bzlibVersion", version("BZ2_bzlibVersion")}}},
	{label: "libexpat", names: []string{"libexpat.so.1"}, calls: []call{{"XML_ExpatVersion", version("XML_ExpatVersion")}}},
	{label: "libstdc++", names: []string{"libstdc++.so.6"}, symbol: "__cxa_demangle", calls: []call{{"__cxa_demangle", callDemangle}}},
}

// version calls a function that takes nothing and returns a string.
func version(name string) func(*weld.Library) (string, error) {
	return func(lib *weld.Library) (string, error) {
		f, err := weld.Func[func() string](lib, name)
		if err != nil {
			return "", err
		}
		s := f()
		if s == "" {
			return "", fmt.Errorf("it returned an empty string")
		}
		return s, nil
	}
}

// same compares what C and Go made of the same.
func same[T comparable](what string, c, goes T) (string, error) {
	if c != goes {
		return "", fmt.Errorf("%s is %v in C, %v in Go", what, c, goes)
	}
	return fmt.Sprintf("%s = %v, as in Go", what, c), nil
}

func callStrlen(lib *weld.Library) (string, error) {
	f, err := weld.Func[func(string) uint64](lib, "strlen")
	if err != nil {
		return "", err
	}
	return same(fmt.Sprintf("strlen(%q)", tourText), f(tourText), uint64(len(tourText)))
}

func callGetpid(lib *weld.Library) (string, error) {
	f, err := weld.Func[func() int32](lib, "getpid")
	if err != nil {
		return "", err
	}
	return same("getpid()", int(f()), os.Getpid())
}

func callSnprintf(lib *weld.Library) (string, error) {
	f, err := weld.Func[func([]byte, uint64, string, ...any) int32](lib, "snprintf")
	if err != nil {
		return "", err
	}
	buf := make([]byte, 100)
	n := f(buf, uint64(len(buf)), "%s %d %.3f %c", "weld", int32(42), math.Pi, int32('!'))
	if n < 0 || int(n) >= len(buf) {
		return "", fmt.Errorf("it returned %d", n)
	}
	return same("snprintf(...)", string(buf[:n]), fmt.Sprintf("%s %d %.3f %c", "weld", 42, math.Pi, '!'))
}

func callCos(lib *weld.Library) (string, error) {
	f, err := weld.Func[func(float64) float64](lib, "cos")
	if err != nil {
		return "", err
	}
	const x = 0.5
	c, g := f(x), math.Cos(x)
	if math.Abs(c-g) > 1e-15 {
		return "", fmt.Errorf("cos(%v) is %v in C, %v in Go", x, c, g)
	}
	return fmt.Sprintf("cos(%v) = %v; Go's is %v", x, c, g), nil
}

func callCRC32(lib *weld.Library) (string, error) {
	f, err := weld.Func[func(uint64, []byte, uint32) uint64](lib, "crc32")
	if err != nil {
		return "", err
	}
	return same("the CRC of the fox", fmt.Sprintf("%#x", f(0, []byte(tourText), uint32(len(tourText)))), fmt.Sprintf("%#x", crc32.ChecksumIEEE([]byte(tourText))))
}

func callLzmaCRC32(lib *weld.Library) (string, error) {
	f, err := weld.Func[func([]byte, uint64, uint32) uint32](lib, "lzma_crc32")
	if err != nil {
		return "", err
	}
	return same("the CRC of the fox", fmt.Sprintf("%#x", f([]byte(tourText), uint64(len(tourText)), 0)), fmt.Sprintf("%#x", crc32.ChecksumIEEE([]byte(tourText))))
}

func callSHA256(lib *weld.Library) (string, error) {
	f, err := weld.Func[func([]byte, uint64, []byte) unsafe.Pointer](lib, "SHA256")
	if err != nil {
		return "", err
	}
	sum := make([]byte, sha256.Size)
	f([]byte(tourText), uint64(len(tourText)), sum)
	return same("the SHA-256 of the fox", fmt.Sprintf("%x", sum), fmt.Sprintf("%x", sha256.Sum256([]byte(tourText))))
}

// callSQL runs a query; SQLite calls a Go function for its one row.
func callSQL(lib *weld.Library) (string, error) {
	var db struct {
		Open  func(string, *unsafe.Pointer) int32                                                 `sym:"sqlite3_open"`
		Exec  func(unsafe.Pointer, string, *weld.Callback, unsafe.Pointer, *unsafe.Pointer) int32 `sym:"sqlite3_exec"`
		Close func(unsafe.Pointer) int32                                                          `sym:"sqlite3_close"`
	}
	if err := weld.Bind(lib, &db); err != nil {
		return "", err
	}
	row := ""
	each, err := weld.NewCallback(func(_ unsafe.Pointer, columns int32, values **byte, _ **byte) int32 {
		if columns == 1 && *values != nil {
			row = goString(*values)
		}
		return 0
	})
	if err != nil {
		return "", err
	}
	defer each.Close()
	var handle unsafe.Pointer
	if rc := db.Open(":memory:", &handle); rc != 0 {
		return "", fmt.Errorf("sqlite3_open returned %d", rc)
	}
	rc := db.Exec(handle, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) SELECT sum(i) FROM n", each, nil, nil)
	if closed := db.Close(handle); rc != 0 || closed != 0 {
		return "", fmt.Errorf("sqlite3_exec returned %d, sqlite3_close %d", rc, closed)
	}
	return same("the sum of 1 to 100", row, "5050")
}

// goString copies a NUL-terminated string.
func goString(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

func callZstd(lib *weld.Library) (string, error) {
	var z struct {
		Compress   func(dst []byte, dstSize uint64, src []byte, srcSize uint64, level int32) uint64 `sym:"ZSTD_compress"`
		Decompress func(dst []byte, dstSize uint64, src []byte, srcSize uint64) uint64              `sym:"ZSTD_decompress"`
		IsError    func(uint64) uint32                                                              `sym:"ZSTD_isError"`
	}
	if err := weld.Bind(lib, &z); err != nil {
		return "", err
	}
	text := bytes.Repeat([]byte(tourText), 100)
	packed, back := make([]byte, len(text)+1000), make([]byte, len(text))
	n := z.Compress(packed, uint64(len(packed)), text, uint64(len(text)), 3)
	if z.IsError(n) != 0 {
		return "", fmt.Errorf("it returned an error, %d", int64(n))
	}
	if m := z.Decompress(back, uint64(len(back)), packed, n); m != uint64(len(text)) || !bytes.Equal(back, text) {
		return "", fmt.Errorf("what was compressed does not decompress to itself")
	}
	return fmt.Sprintf("%d bytes became %d, and the same again", len(text), n), nil
}

func callDemangle(lib *weld.Library) (string, error) {
	f, err := weld.Func[func(string, []byte, *uint64, *int32) string](lib, "__cxa_demangle")
	if err != nil {
		return "", err
	}
	var status int32
	name := f("_ZNSt6vectorIiSaIiEE9push_backERKi", nil, nil, &status)
	if status != 0 {
		return "", fmt.Errorf("its status is %d", status)
	}
	return same("the name", name, "std::vector<int, std::allocator<int> >::push_back(int const&)")
}
