package ctype

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"

	weldelf "weld/image/elf"
)

// Tables of symbols with their signatures, which weld link puts into modules, libraries and programs. They are notes, in a segment of
// type PT_NOTE, so that strip leaves them alone and section headers are not needed. docs/modules.md describes the format.
const (
	NoteOwner   = "weld"
	NoteExports = 1 // the note's type: symbols that others may use, and where they are
	NoteImports = 2 // symbols that others have to give
)

// SigEntry is an entry of such a table.
type SigEntry struct {
	Name      string
	Signature Signature // of hash 0 if the type is not known
	// Decl is a declaration for people to read. If it can be read by [ParseDecl] and has the entry's signature, it is also where names
	// of parameters, and what is in structs, are known from.
	Decl   string
	Value  uint64 // NoteExports: the address in the file, without a bias
	Object bool   // a variable, not a function
	Weak   bool   // NoteImports: it may be missing
}

// Known says what an entry says of its symbol. The error is an *UnknownError or a *FormatError.
func (e *SigEntry) Known(file string) (*Known, error) {
	if e.Signature.Hash == 0 {
		return nil, unknown(file, e.Name, ErrNotFound, "its entry has no signature")
	}
	k := &Known{Name: e.Name, From: FromTable, File: file}
	if !e.Object && len(e.Decl) <= maxDecl {
		if d, err := ParseDecl(e.Decl); err == nil && d.Name == e.Name {
			if s, err := SignatureOf(d.Type); err == nil && s.Text == e.Signature.Text {
				k.Type = d.Type
				return k, nil
			}
		}
	}
	t, err := ParseSignature(e.Signature.Text)
	if err != nil {
		return nil, err
	}
	k.Type = t
	return k, nil
}

// NewSigEntry makes the entry of a symbol of a type, nil if that is not known.
func NewSigEntry(name string, t *Type, object bool) SigEntry {
	e := SigEntry{Name: name, Object: object}
	if t == nil {
		return e
	}
	s, err := SignatureOf(t)
	if err != nil {
		return e
	}
	e.Signature = s
	e.Decl = t.Declare(name)
	if object {
		return e
	}
	if text, err := Prototype(t, name); err == nil && len(text) <= maxDecl {
		e.Decl = text
	}
	return e
}

// maxDecl bounds the declarations that are written out with all that they need, and that are read.
const maxDecl = 4 << 10

// The layout of a table, in little-endian order: a header, entries in ascending order of their names, strings.
const (
	sigVersion = 1
	sigHeader  = 16 // version, number of entries, size of the strings, 0
	sigEntry   = 32 // signature, value, offsets of name, signature's text and declaration, flags

	sigObject = 1 // flags
	sigWeak   = 2
)

// AppendSigTable appends a table to b. The entries are sorted. The error says what cannot be in a table.
func AppendSigTable(b []byte, entries []SigEntry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b SigEntry) int { return cmp.Compare(a.Name, b.Name) })
	strs := []byte{0}
	at := map[string]uint32{"": 0}
	str := func(s string) uint32 {
		off, ok := at[s]
		if !ok {
			off = uint32(len(strs))
			at[s] = off
			strs = append(append(strs, s...), 0)
		}
		return off
	}
	var list []byte
	for i := range entries {
		e := &entries[i]
		if i > 0 && entries[i-1].Name == e.Name || e.Name == "" {
			return nil, fmt.Errorf("two symbols %q in a table", e.Name)
		}
		flags := uint32(0)
		if e.Object {
			flags |= sigObject
		}
		if e.Weak {
			flags |= sigWeak
		}
		list = le.AppendUint64(list, e.Signature.Hash)
		list = le.AppendUint64(list, e.Value)
		for _, v := range [4]uint32{str(e.Name), str(e.Signature.Text), str(e.Decl), flags} {
			list = le.AppendUint32(list, v)
		}
		if len(strs) > 1<<30 || len(list) > 1<<30 {
			return nil, fmt.Errorf("a table of more than 1 GiB")
		}
	}
	for _, v := range [4]uint32{sigVersion, uint32(len(entries)), uint32(len(strs)), 0} {
		b = le.AppendUint32(b, v)
	}
	return append(append(b, list...), strs...), nil
}

// SetSigValue sets the value of entry i of a table that AppendSigTable has made.
func SetSigValue(table []byte, i int, v uint64) {
	le.PutUint64(table[sigHeader+i*sigEntry+8:], v)
}

// SigTable is a table that has been read. It does not change.
type SigTable struct {
	File    string
	Entries []SigEntry // in ascending order of their names

	Addr, Size uint64 // of FindSigTable: where in the image it is
}

// Find returns the entry of a name, nil if there is none.
func (t *SigTable) Find(name string) *SigEntry {
	i := sort.Search(len(t.Entries), func(i int) bool { return t.Entries[i].Name >= name })
	if i < len(t.Entries) && t.Entries[i].Name == name {
		return &t.Entries[i]
	}
	return nil
}

// ParseSigTable reads a table. It is checked as a whole: that sizes agree, that entries are in order and none is there twice, that
// strings end, and that each signature's hash is that of its text. What it returns does not refer to b. The error is a
// *FormatError of the file, with an offset in the table.
func ParseSigTable(file string, b []byte) (*SigTable, error) {
	fail := func(off int, kind error, format string, args ...any) (*SigTable, error) {
		return nil, &FormatError{File: file, Section: "the table of signatures", Off: uint64(off), What: fmt.Sprintf(format, args...), Kind: kind}
	}
	if len(b) < sigHeader {
		return fail(0, ErrTruncated, "it has %d bytes, not even a header", len(b))
	}
	version, n, size, zero := le.Uint32(b), uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:])), le.Uint32(b[12:])
	switch {
	case version != sigVersion || zero != 0:
		return fail(0, ErrUnsupported, "version %d is not known", version)
	case n*sigEntry+size > uint64(len(b)-sigHeader): // of 32 bits each, so that nothing overflows
		return fail(4, ErrTruncated, "%d entries and %d bytes of strings do not fit in %d bytes", n, size, len(b))
	case n*sigEntry+size != uint64(len(b)-sigHeader):
		return fail(4, ErrCorrupt, "%d entries and %d bytes of strings do not fill %d bytes", n, size, len(b))
	case size == 0 || b[len(b)-1] != 0:
		return fail(8, ErrCorrupt, "the strings do not end")
	}
	strs := b[sigHeader+n*sigEntry:]
	if strs[0] != 0 {
		return fail(sigHeader+int(n)*sigEntry, ErrCorrupt, "the strings do not begin with an empty one")
	}
	t := &SigTable{File: file, Entries: make([]SigEntry, n)}
	budget := 4*len(b) + 1<<16 // many entries may have one long string
	for i := range t.Entries {
		off := sigHeader + i*sigEntry
		e := b[off:]
		s := func(field int) (string, bool) {
			at := le.Uint32(e[field:])
			if uint64(at) >= size {
				return "", false
			}
			s := strs[at:]
			s = s[:bytes.IndexByte(s, 0)]
			budget -= len(s)
			if budget < 0 {
				return "", false
			}
			return string(s), true
		}
		x := &t.Entries[i]
		var ok [3]bool
		x.Name, ok[0] = s(16)
		x.Signature.Text, ok[1] = s(20)
		x.Decl, ok[2] = s(24)
		flags := le.Uint32(e[28:])
		x.Signature.Hash, x.Value = le.Uint64(e), le.Uint64(e[8:])
		x.Object, x.Weak = flags&sigObject != 0, flags&sigWeak != 0
		hash := uint64(0)
		if x.Signature.Text != "" {
			hash = HashOf(x.Signature.Text)
		}
		switch {
		case budget < 0:
			return fail(off, ErrTooLarge, "the strings of the entries are longer than a table of its size can have")
		case ok != [3]bool{true, true, true}:
			return fail(off, ErrCorrupt, "a string of entry %d is outside", i)
		case x.Name == "":
			return fail(off, ErrCorrupt, "entry %d has no name", i)
		case flags&^(sigObject|sigWeak) != 0:
			return fail(off, ErrUnsupported, "flags %#x of entry %d, %s, are not known", flags, i, clip(x.Name))
		case i > 0 && t.Entries[i-1].Name == x.Name:
			return fail(off, ErrCorrupt, "%s is there twice", clip(x.Name))
		case i > 0 && t.Entries[i-1].Name > x.Name:
			return fail(off, ErrCorrupt, "entry %d, %s, is not in order behind %s", i, clip(x.Name), clip(t.Entries[i-1].Name))
		case x.Signature.Hash != hash:
			return fail(off, ErrCorrupt, "the signature %#x of %s is not that of its text %q, %#x", x.Signature.Hash, clip(x.Name), clip(x.Signature.Text), hash)
		}
	}
	return t, nil
}

// FindSigTable reads the table of a type, NoteExports or NoteImports, of a file whose segments are in memory. It returns nil if there is
// none. The error is a *FormatError, also for a second one.
func FindSigTable(f *weldelf.File, typ uint32) (*SigTable, error) {
	var table []byte
	var at uint64
	for n := range f.Notes() {
		if n.Type != typ || n.Name != NoteOwner || table != nil && n.Start == at { // segments may have it in common
			continue
		}
		if table != nil {
			return nil, &FormatError{File: f.Name, Section: "the notes", Off: n.Vaddr, What: fmt.Sprintf("a second table of signatures of type %d; the first is at %#x", typ, at), Kind: ErrCorrupt}
		}
		if table, at = n.Desc, n.Start; table == nil {
			table = []byte{}
		}
	}
	if table == nil {
		return nil, nil
	}
	t, err := ParseSigTable(f.Name, table)
	if err == nil {
		t.Addr, t.Size = at, uint64(len(table))
	}
	return t, err
}
