package search

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// The file of ldconfig(8), /etc/ld.so.cache. There are three forms: the new one ("glibc-ld.so.cache1.1"), the old one
// ("ld.so-1.7.0"), and the old with the new behind it, which glibc up to 2.31 wrote. Layouts are those of
// sysdeps/generic/dl-cache.h.
//
//	new: magic [20]byte, nlibs u32, stringsLen u32, flags u8 (byte order), 3 unused, extension u32, 12 unused,
//	     nlibs × { flags u32, key u32, value u32, osversion u32, hwcap u64 }; key and value count from the magic
//	old: magic [11]byte, 1 unused, nlibs u32, nlibs × { flags u32, key u32, value u32 }; these count from the end of this
//	extension: magic u32, count u32, count × { tag u32, flags u32, offset u32, size u32 }
//	glibc_hwcaps section: string offsets, u32 each; an entry of a named folder has the index into it
//
// The offset of the extension, those in it and those of the glibc_hwcaps section count from the start of the file.
const (
	magicNew   = "glibc-ld.so.cache1.1"
	magicOld   = "ld.so-1.7.0"
	headerNew  = 48
	entryNew   = 24
	headerOld  = 16
	entryOld   = 12
	sectionLen = 16

	extensionMagic = 0xeaa42174
	tagHWCaps      = 1

	orderMask   = 3 // of the flags byte: 0 not said, 1 invalid, 2 little endian, 3 big endian
	orderLittle = 2

	// Longest name and path taken, in bytes: PATH_MAX of Linux.
	maxString = 4096
)

// Parts of CacheEntry.HWCap.
const (
	hwcapNamed     = 1 << 62 // the low half is an index of a folder name; bits 32 to 41 are the ISA level less one
	hwcapLevelMask = 1<<10 - 1
	hwcapTLS       = 1 << 63
	hwcapPlatform  = 0xf << 48 // legacy: i586, i686, haswell, xeon_phi
	hwcapHaswell   = 1 << 50
	hwcapXeonPhi   = 1 << 51
)

// Cache is an ld.so.cache: the file as it is, whose entries are decoded when they are asked for. It is not changed.
type Cache struct {
	File string

	// HWCapNames are the names of the glibc-hwcaps folders that entries refer to.
	HWCapNames []string

	// ExtensionErr is a *CacheError if these names cannot be read; ld.so then uses the other entries.
	ExtensionErr error

	entries cacheReader // where offsets of entries count from
	strs    cacheReader // where those of strings do
	first   int         // offset of the first entry
	count   int
	old     bool // entries are of the old form
}

// CacheEntry is one library in the cache.
type CacheEntry struct {
	Name  string // soname
	Path  string
	Flags uint32 // kind: 0x0303 is an x86-64 library for glibc 2

	OSVersion uint32 // least kernel version, 0 for any
	HWCap     uint64
	HWCapName string // folder of glibc-hwcaps it was found in, "" for none or if its name is not known
}

// CacheError says what is wrong with a cache file, and where.
type CacheError struct {
	File string
	Off  int64 // bytes from the start of the file
	What string
}

func (e *CacheError) Error() string {
	return fmt.Sprintf("%s: offset %#x: %s", e.File, e.Off, e.What)
}

// ReadCache reads an ld.so.cache of this machine's byte order, but for its entries. The error is a *CacheError, or that of
// reading the file.
func ReadCache(path string) (*Cache, error) {
	data, err := osFS{}.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseCache(path, data)
}

// A cacheReader reads the file from base on; offsets count from there.
type cacheReader struct {
	file string
	text string
	base int
}

// fail makes the error for the field at off.
func (c *cacheReader) fail(off int, what string, args ...any) error {
	return &CacheError{File: c.file, Off: int64(c.base + off), What: fmt.Sprintf(what, args...)}
}

func (c *cacheReader) u32(off int) uint32 {
	return binary.LittleEndian.Uint32([]byte(c.text[off : off+4]))
}

// str gives the string that the field at off refers to in the strings.
func (c *cacheReader) str(strs *cacheReader, field int, what string) (string, error) {
	off := c.u32(field)
	text := strs.text
	if uint64(off) >= uint64(len(text)) {
		return "", c.fail(field, "%s string at %#x is beyond the end, %#x", what, off, len(text))
	}
	s := text[off:]
	if len(s) > maxString {
		s = s[:maxString]
	}
	i := strings.IndexByte(s, 0)
	if i < 0 {
		return "", c.fail(field, "%s string at %#x has no end within %d bytes", what, off, len(s))
	}
	return s[:i], nil
}

// parseCache keeps data, which is not to be changed: names and paths are parts of it.
func parseCache(file string, data []byte) (*Cache, error) {
	c := &cacheReader{file: file, text: unsafe.String(unsafe.SliceData(data), len(data))}
	switch {
	case bytes.HasPrefix(data, []byte(magicNew)):
		return c.parseNew(c)
	case bytes.HasPrefix(data, []byte(magicOld)):
		return c.parseOld()
	}
	return nil, c.fail(0, "no ld.so.cache: starts with %q", data[:min(len(data), len(magicNew))])
}

func (c *cacheReader) parseOld() (*Cache, error) {
	if len(c.text) < headerOld {
		return nil, c.fail(0, "header cut short: %d of %d bytes", len(c.text), headerOld)
	}
	n := uint64(c.u32(12))
	if n > uint64(len(c.text)-headerOld)/entryOld {
		return nil, c.fail(12, "%d entries do not fit in the file", n)
	}
	end := headerOld + int(n)*entryOld
	if start := (end + 7) &^ 7; start < len(c.text) && strings.HasPrefix(c.text[start:], magicNew) {
		inner := &cacheReader{file: c.file, text: c.text[start:], base: start}
		return inner.parseNew(c)
	}
	strs := cacheReader{file: c.file, text: c.text[end:], base: end}
	return &Cache{File: c.file, entries: *c, strs: strs, first: headerOld, count: int(n), old: true}, nil
}

// parseNew reads the new form, in the whole file.
func (c *cacheReader) parseNew(whole *cacheReader) (*Cache, error) {
	if len(c.text) < headerNew {
		return nil, c.fail(0, "header cut short: %d of %d bytes", len(c.text), headerNew)
	}
	n := uint64(c.u32(20))
	if n > uint64(len(c.text)-headerNew)/entryNew {
		return nil, c.fail(20, "%d entries do not fit in the file", n)
	}
	if flags := c.text[28]; flags != 0 && flags&orderMask != orderLittle {
		return nil, c.fail(28, "not in little-endian byte order (flags %#x)", flags)
	}
	cache := &Cache{File: c.file, entries: *c, strs: *c, first: headerNew, count: int(n)}
	if at := c.u32(32); at != 0 {
		cache.HWCapNames, cache.ExtensionErr = whole.hwcapNames(at)
	}
	return cache, nil
}

// Len returns the number of entries.
func (c *Cache) Len() int { return c.count }

// at returns the offset of entry i.
func (c *Cache) at(i int) int {
	if c.old {
		return c.first + i*entryOld
	}
	return c.first + i*entryNew
}

// name returns the name of entry i. The error is a *CacheError.
func (c *Cache) name(i int) (string, error) { return c.entries.str(&c.strs, c.at(i)+4, "name") }

// Entry returns entry i, which is less than Len, in the order of the file: that of falling names. The error is a
// *CacheError.
func (c *Cache) Entry(i int) (e CacheEntry, err error) {
	off := c.at(i)
	e.Flags = c.entries.u32(off)
	if !c.old {
		e.OSVersion = c.entries.u32(off + 12)
		e.HWCap = uint64(c.entries.u32(off+16)) | uint64(c.entries.u32(off+20))<<32
	}
	if e.Name, err = c.name(i); err != nil {
		return CacheEntry{}, err
	}
	if e.Path, err = c.entries.str(&c.strs, off+8, "path"); err != nil {
		return CacheEntry{}, err
	}
	if index := uint64(uint32(e.HWCap)); e.named() && index < uint64(len(c.HWCapNames)) {
		e.HWCapName = c.HWCapNames[index]
	}
	return e, nil
}

// hwcapNames reads the names out of the extension at off.
func (c *cacheReader) hwcapNames(off uint32) ([]string, error) {
	size := uint64(len(c.text))
	if uint64(off)+8 > size || off%4 != 0 {
		return nil, c.fail(int(min(uint64(off), size)), "extension at %#x is misplaced in %#x bytes", off, size)
	}
	at := int(off)
	if m := c.u32(at); m != extensionMagic {
		return nil, c.fail(at, "extension has magic %#x, not %#x", m, uint32(extensionMagic))
	}
	count := uint64(c.u32(at + 4))
	if count > (size-uint64(off)-8)/sectionLen {
		return nil, c.fail(at+4, "%d extension sections do not fit in the file", count)
	}
	for i := range int(count) {
		sec := at + 8 + i*sectionLen
		if c.u32(sec) != tagHWCaps {
			continue
		}
		start, length := uint64(c.u32(sec+8)), uint64(c.u32(sec+12))
		if start+length > size || start%4 != 0 || length%4 != 0 {
			return nil, c.fail(sec, "section of glibc-hwcaps names at %#x, %#x bytes, is misplaced", start, length)
		}
		names := make([]string, 0, length/4)
		for p := int(start); p < int(start+length); p += 4 {
			name, err := c.str(c, p, "glibc-hwcaps name")
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
		return names, nil
	}
	return nil, nil
}

// named reports whether the entry is for a folder of glibc-hwcaps.
func (e *CacheEntry) named() bool {
	return e.HWCap>>32&^hwcapLevelMask == hwcapNamed>>32
}

// ISALevel gives the micro-architecture level that ldconfig saw the library is marked for (GNU_PROPERTY_X86_ISA_1_NEEDED),
// from 1; it is recorded for the entries of glibc-hwcaps folders only, and 1 for others.
func (e *CacheEntry) ISALevel() int {
	if !e.named() {
		return 1
	}
	return int(e.HWCap>>32&hwcapLevelMask) + 1
}

// A cacheState is the cache and what it was read from.
type cacheState struct {
	info  fs.FileInfo
	seen  time.Time
	cache *Cache
	err   error
	unmap func() // may be nil
}

// Close gives back the memory of the cache file. No search may be under way, and what Cache has returned must not be used
// any more.
func (s *Searcher) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache.unmap != nil {
		s.cache.unmap()
	}
	s.cache = cacheState{}
}

// Cache gives the cache that the search uses, read anew if the file has changed. The error is a *CacheError, or that
// of reading the file.
func (s *Searcher) Cache() (*Cache, error) {
	path := s.HostPath(s.cfg.CacheFile)
	seen := s.now()
	info, err := s.fs.Stat(path)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	old := s.cache
	s.mu.Unlock()
	if old.info != nil && unchanged(old.info, info, old.seen) {
		return old.cache, old.err
	}
	data, unmap, err := s.fs.Map(path)
	if err != nil {
		return nil, err
	}
	c, err := parseCache(path, data)
	s.mu.Lock()
	old = s.cache
	s.cache = cacheState{info: info, seen: seen, cache: c, err: err, unmap: unmap}
	s.mu.Unlock()
	switch {
	case old.unmap == nil:
	case old.cache == nil:
		old.unmap() // nobody could read it
	default:
		runtime.AddCleanup(old.cache, func(unmap func()) { unmap() }, old.unmap) // a search may be using it
	}
	return c, err
}
