package search

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// encode writes a cache of the new form, at an offset of the file.
func encode(base int, entries []CacheEntry, folders ...string) []byte {
	le := binary.LittleEndian
	strs := headerNew + len(entries)*entryNew
	var text []byte
	str := func(s string) uint32 {
		off := strs + len(text)
		text = append(append(text, s...), 0)
		return uint32(off)
	}
	b := append([]byte(magicNew), make([]byte, headerNew-len(magicNew))...)
	le.PutUint32(b[20:], uint32(len(entries)))
	b[28] = orderLittle
	for _, e := range entries {
		b = le.AppendUint32(b, e.Flags)
		b = le.AppendUint32(b, str(e.Name))
		b = le.AppendUint32(b, str(e.Path))
		b = le.AppendUint32(b, e.OSVersion)
		b = le.AppendUint64(b, e.HWCap)
	}
	var names []byte
	for _, f := range folders {
		names = le.AppendUint32(names, str(f)+uint32(base))
	}
	b = append(b, text...)
	b = append(b, make([]byte, -len(b)&3)...)
	ext := base + len(b)
	le.PutUint32(b[32:], uint32(ext))
	for _, v := range []uint32{extensionMagic, 1, tagHWCaps, 0, uint32(ext) + 8 + sectionLen, uint32(len(names))} {
		b = le.AppendUint32(b, v)
	}
	return append(b, names...)
}

// compat puts an empty old form before a cache.
func compat(entries []CacheEntry, folders ...string) []byte {
	front := append([]byte(magicOld), make([]byte, headerOld-len(magicOld))...)
	return append(front, encode(len(front), entries, folders...)...)
}

const x8664 = 0x0303

var formEntries = []CacheEntry{
	{Name: "libb.so.1", Path: "/v3/libb.so.1", Flags: x8664, HWCap: hwcapNamed | 2<<32 | 1},
	{Name: "libb.so.1", Path: "/v2/libb.so.1", Flags: x8664, HWCap: hwcapNamed},
	{Name: "libb.so.1", Path: "/beyond/libb.so.1", Flags: x8664, HWCap: hwcapNamed | 7},
	{Name: "libb.so.1", Path: "/lib/libb.so.1", Flags: x8664},
	{Name: "liba.so.10", Path: "/lib/liba.so.10", Flags: x8664},
	{Name: "liba.so.1", Path: "/32/liba.so.1", Flags: 3},
	{Name: "liba.so.1", Path: "/hsw/liba.so.1", Flags: x8664, HWCap: hwcapHaswell | legacyX86_64},
	{Name: "liba.so.1", Path: "/tls/liba.so.1", Flags: x8664, HWCap: hwcapTLS},
	{Name: "liba.so.1", Path: "/lib/liba.so.1", Flags: x8664},
}

func TestCacheSelection(t *testing.T) {
	for _, data := range [][]byte{encode(0, formEntries, "x86-64-v2", "x86-64-v3"), compat(formEntries, "x86-64-v2", "x86-64-v3")} {
		c, err := parseCache("c", data)
		if err != nil || c.ExtensionErr != nil || c.Len() != len(formEntries) {
			t.Fatal(err, c)
		}
		if l := entries(t, c)[0].ISALevel(); l != 3 || entries(t, c)[0].HWCapName != "x86-64-v3" || entries(t, c)[3].ISALevel() != 1 {
			t.Errorf("level %d of %+v", l, entries(t, c)[0])
		}
		v32 := []string{"x86-64-v3", "x86-64-v2"}
		for _, tt := range []struct {
			name string
			sel  selection
			want string
		}{
			{"libb.so.1", selection{hwcaps: v32, level: 3}, "/v3/libb.so.1"},
			{"libb.so.1", selection{hwcaps: v32, level: 2}, "/v2/libb.so.1"},
			{"libb.so.1", selection{hwcaps: v32[1:], level: 4}, "/v2/libb.so.1"},
			{"libb.so.1", selection{level: 1}, "/lib/libb.so.1"},
			{"liba.so.1", selection{level: 1}, "/lib/liba.so.1"},
			{"liba.so.01", selection{level: 1}, "/lib/liba.so.1"},
			{"liba.so.1", selection{legacy: legacyX86_64}, "/tls/liba.so.1"},
			{"liba.so.1", selection{legacy: legacyX86_64, platform: platformBit("haswell")}, "/hsw/liba.so.1"},
			{"liba.so.1", selection{legacy: legacyX86_64, platform: platformBit("xeon_phi")}, "/tls/liba.so.1"},
			{"liba.so.10", selection{}, "/lib/liba.so.10"},
			{"liba.so.2", selection{}, ""},
		} {
			if path, err := c.find(tt.name, x8664, func() selection { return tt.sel }); path != tt.want || err != nil {
				t.Errorf("%s with %+v: %q (%v), want %q", tt.name, tt.sel, path, err, tt.want)
			}
		}
	}
}

// FuzzCache has the reader meet anything, and the search whatever the reader lets through.
func FuzzCache(f *testing.F) {
	f.Add(encode(0, nil))
	f.Add(encode(0, formEntries, "x86-64-v2", "x86-64-v3"))
	f.Add(compat(formEntries[:2], "x86-64-v2"))
	old := append([]byte(magicOld), 0, 1, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0)
	f.Add(append(old, "a\x00/a\x00"...))
	sel := selection{hwcaps: []string{"x86-64-v3", "x86-64-v2"}, level: 3, legacy: legacyX86_64}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(err error) {
			var ce *CacheError
			if !errors.As(err, &ce) || ce.Off < 0 || ce.Off > int64(len(data)) || !strings.HasPrefix(ce.Error(), "fuzz: offset ") {
				t.Errorf("%#v", err)
			}
		}
		c, err := parseCache("fuzz", data)
		if err != nil {
			check(err)
			return
		}
		for i := range min(c.Len(), 100) {
			e, err := c.Entry(i)
			if err != nil {
				check(err)
				continue
			}
			path, err := c.find(e.Name, x8664, func() selection { return sel })
			if err != nil {
				check(err)
			}
			if err != nil && path != "" {
				t.Errorf("%q gives %q and %v", e.Name, path, err)
			}
		}
	})
}
