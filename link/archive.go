package link

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	arMagic     = "!<arch>\n"
	arThinMagic = "!<thin>\n"
	arHeader    = 60 // size of a member's header
)

// An archive is an ar archive: regular or thin, with a symbol index of the GNU or the BSD kind, or with none.
type archive struct {
	name  string
	data  []byte
	thin  bool
	first uint64 // offset of the first ordinary member
	long  []byte // the table of long names

	hasIndex bool
	indices  []member // the symbol index as it stands in the file: see readIndex
	symNames []string // the symbol index: a name and the offset of the member that defines it
	symOffs  []uint64
}

// A member is a file of an archive.
type member struct {
	name string
	off  uint64 // of its header
	next uint64 // of the header after it
	data []byte // nil in a thin archive
	size uint64
}

// parseArchive reads the headers of an archive up to the first ordinary member.
func parseArchive(name string, data []byte) (*archive, error) {
	a := &archive{name: name, data: data}
	switch {
	case bytes.HasPrefix(data, []byte(arMagic)):
	case bytes.HasPrefix(data, []byte(arThinMagic)):
		a.thin = true
	default:
		return nil, fileErr(ErrFormat, name, "", "not an archive")
	}
	off := uint64(len(arMagic))
	for off < uint64(len(data)) {
		m, special, err := a.member(off)
		if err != nil {
			return nil, err
		}
		if !special {
			break
		}
		switch m.name {
		case "//":
			a.long = m.data
		case "/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED":
			a.hasIndex = true
			a.indices = append(a.indices, m)
		}
		off = m.next
	}
	a.first = off
	return a, nil
}

// readIndex reads the symbol index, if that has not been done.
func (a *archive) readIndex() error {
	list := a.indices
	a.indices = nil
	for _, m := range list {
		var err error
		switch m.name {
		case "/":
			err = a.parseIndex(m, 4)
		case "/SYM64/":
			err = a.parseIndex(m, 8)
		default:
			err = a.parseBSDIndex(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) err(kind error, off uint64, format string, args ...any) error {
	return fileErr(kind, a.name, "offset 0x"+strconv.FormatUint(off, 16), format, args...)
}

// member reads the header at off. special members are the tables.
func (a *archive) member(off uint64) (m member, special bool, err error) {
	size := uint64(len(a.data))
	if off > size || size-off < arHeader {
		return m, false, a.err(ErrTruncated, off, "the header of a member extends past the end of the archive (%#x bytes)", size)
	}
	h := a.data[off : off+arHeader]
	if h[58] != '`' || h[59] != '\n' {
		return m, false, a.err(ErrFormat, off, "the header of a member ends in %q, wanted %q", h[58:], "`\n")
	}
	n, perr := strconv.ParseUint(strings.TrimRight(string(h[48:58]), " "), 10, 63)
	if perr != nil {
		return m, false, a.err(ErrFormat, off, "the size %q of a member is no number", h[48:58])
	}
	m = member{off: off, size: n}
	raw := strings.TrimRight(string(h[:16]), " ")
	body := off + arHeader
	pad := n & 1
	switch {
	case raw == "/" || raw == "//" || raw == "/SYM64/":
		m.name, special = raw, true
	case strings.HasPrefix(raw, "/"):
		at, perr := strconv.ParseUint(raw[1:], 10, 63)
		if perr != nil || at >= uint64(len(a.long)) {
			return m, false, a.err(ErrFormat, off, "the name %q of a member is not in the table of %#x bytes", raw, len(a.long))
		}
		rest := a.long[at:]
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			rest = rest[:end]
		}
		m.name = strings.TrimSuffix(string(rest), "/")
	case strings.HasPrefix(raw, "#1/"):
		k, perr := strconv.ParseUint(raw[3:], 10, 31)
		if perr != nil || k > n || k > size-body {
			return m, false, a.err(ErrFormat, off, "the name of a member has length %q, the member has %#x bytes", raw[3:], n)
		}
		m.name = string(bytes.TrimRight(a.data[body:body+k], "\x00"))
		body += k
		n -= k
		m.size = n
		pad = (n + k) & 1
	default:
		m.name = strings.TrimSuffix(raw, "/")
	}
	if strings.HasPrefix(m.name, "__.SYMDEF") {
		special = true
	}
	if a.thin && !special {
		m.next = body
		return m, special, nil
	}
	if n > size-body {
		return m, false, a.err(ErrTruncated, off, "member %s of %#x bytes extends past the end of the archive (%#x bytes)", m.name, n, size)
	}
	m.data = a.data[body : body+n : body+n]
	m.next = min(body+n+pad, size)
	return m, special, nil
}

// parseIndex reads the symbol index of GNU ar, whose numbers have the given width (also "ar" of System V).
func (a *archive) parseIndex(m member, width uint64) error {
	b := m.data
	num := func(b []byte) uint64 {
		if width == 8 {
			return binary.BigEndian.Uint64(b)
		}
		return uint64(binary.BigEndian.Uint32(b))
	}
	if uint64(len(b)) < width {
		return a.err(ErrTruncated, m.off, "the symbol index has no number of symbols")
	}
	n := num(b)
	if n > (uint64(len(b))-width)/width {
		return a.err(ErrTruncated, m.off, "the symbol index of %#x bytes cannot have %d symbols", len(b), n)
	}
	offs, names := b[width:width+n*width], b[width+n*width:]
	if uint64(len(names)) < n {
		return a.err(ErrTruncated, m.off, "the symbol index of %#x bytes cannot have %d names", len(b), n)
	}
	a.symNames = make([]string, 0, n)
	a.symOffs = make([]uint64, 0, n)
	for i := range n {
		end := bytes.IndexByte(names, 0)
		if end < 0 {
			return a.err(ErrTruncated, m.off, "the symbol index ends in the name of symbol %d of %d", i, n)
		}
		a.symNames = append(a.symNames, viewString(names[:end]))
		a.symOffs = append(a.symOffs, num(offs[i*width:]))
		names = names[end+1:]
	}
	return nil
}

// parseBSDIndex reads the symbol index __.SYMDEF of BSD ar (<ranlib.h>).
func (a *archive) parseBSDIndex(m member) error {
	le := binary.LittleEndian
	b := m.data
	if len(b) < 4 {
		return a.err(ErrTruncated, m.off, "the symbol index has no size")
	}
	n := uint64(le.Uint32(b))
	if n%8 != 0 || n+8 > uint64(len(b)) {
		return a.err(ErrTruncated, m.off, "the symbol index of %#x bytes cannot have entries of %#x bytes", len(b), n)
	}
	entries, strs := b[4:4+n], b[8+n:]
	for ; len(entries) > 0; entries = entries[8:] {
		at := uint64(le.Uint32(entries))
		if at >= uint64(len(strs)) {
			return a.err(ErrFormat, m.off, "a name of the symbol index is at %#x of %#x bytes", at, len(strs))
		}
		end := bytes.IndexByte(strs[at:], 0)
		if end < 0 {
			return a.err(ErrTruncated, m.off, "a name of the symbol index does not end")
		}
		a.symNames = append(a.symNames, string(strs[at:at+uint64(end)]))
		a.symOffs = append(a.symOffs, uint64(le.Uint32(entries[4:])))
	}
	return nil
}

// members returns the ordinary members.
func (a *archive) members() ([]member, error) {
	var list []member
	for off := a.first; off < uint64(len(a.data)); {
		m, special, err := a.member(off)
		if err != nil {
			return nil, err
		}
		if !special {
			list = append(list, m)
		}
		off = m.next
	}
	return list, nil
}

// thinPath returns the path of a member of a thin archive, which is relative to the archive.
func (a *archive) thinPath(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(a.name), name)
}
