package debug

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What a list may hold at most. Linux has paths of 4,096 bytes at most, and glibc 16 namespaces.
const (
	maxNamespaces = 1024
	maxObjects    = 1 << 16 // in all namespaces together
	maxName       = 4096
)

// userEnd is the first address that is none of a process (Linux, 5-level page tables).
const userEnd = 1 << 56

const (
	recordSize    = 40 // struct r_debug; r_next of version 2 follows
	linkMapFields = 40 // l_addr, l_name, l_ld, l_next, l_prev: all that <link.h> has of struct link_map
)

// maxVersion is the greatest r_version taken for one: 2 is the last that is defined.
const maxVersion = 16

// ReadNamespaces reads the lists that begin with the struct r_debug at address record, of a 64-bit little-endian
// process. mem is the memory of the process: an offset is an address. It is not trusted: entries and names are counted,
// an entry that was seen before ends the reading, and l_prev has to lead back. Objects have the fields of struct
// link_map only. The process must not change the lists meanwhile, else the error may be due to that. The error is a
// *ProcessError of kind ErrCorrupt, with the PID left 0. A record of version 0, which is not filled in yet, has no
// objects.
func ReadNamespaces(mem io.ReaderAt, record uint64) ([]Namespace, error) {
	r := listReader{mem: mem, left: maxObjects}
	return r.namespaces(record)
}

func (r *listReader) namespaces(record uint64) ([]Namespace, error) {
	spaces, err := r.records(record)
	if err != nil {
		return nil, err
	}
	for i := range spaces {
		if spaces[i].Objects, err = r.list(&spaces[i]); err != nil {
			return nil, err
		}
	}
	return spaces, nil
}

// listReader reads lists. known are objects of an earlier reading, whose names need not be read again.
type listReader struct {
	mem   io.ReaderAt
	left  int
	known map[uint64]*Object
	name  []byte
}

func corrupt(place, format string, args ...any) error {
	return &ProcessError{Place: place, What: fmt.Sprintf(format, args...), Kind: ErrCorrupt}
}

func (r *listReader) read(p []byte, addr uint64, place string) error {
	if addr >= userEnd || addr+uint64(len(p)) > userEnd {
		return corrupt(place, "the address is outside the address space")
	}
	if n, err := r.mem.ReadAt(p, int64(addr)); n < len(p) {
		if e := new(ProcessError); errors.As(err, &e) {
			return e
		}
		return corrupt(place, "there is no memory at %#x", addr+uint64(max(n, 0)))
	}
	return nil
}

// records reads the chain of struct r_debug.
func (r *listReader) records(addr uint64) ([]Namespace, error) {
	var spaces []Namespace
	seen := map[uint64]bool{}
	for addr != 0 {
		id := len(spaces)
		place := fmt.Sprintf("struct r_debug %#x of namespace %d", addr, id)
		switch {
		case seen[addr]:
			return nil, corrupt(place, "r_next of namespace %d leads back to it: a cycle", id-1)
		case id == maxNamespaces:
			return nil, corrupt(place, "more than %d namespaces", maxNamespaces)
		}
		seen[addr] = true
		n, err := r.record(addr, id, place)
		if err != nil {
			return nil, err
		}
		spaces = append(spaces, n)
		addr = n.Next
	}
	return spaces, nil
}

func (r *listReader) record(addr uint64, id int, place string) (Namespace, error) {
	var b [recordSize + 8]byte
	if err := r.read(b[:recordSize], addr, place); err != nil {
		return Namespace{}, err
	}
	word := func(off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
	n := Namespace{ID: id, Record: addr, Version: int32(binary.LittleEndian.Uint32(b[:])), First: word(8), Break: word(16),
		State: State(binary.LittleEndian.Uint32(b[24:])), LdBase: word(32)}
	switch {
	case n.Version < 0 || n.Version > maxVersion:
		return n, corrupt(place, "r_version is %d, not 1 or 2", n.Version)
	case n.Version == 0:
		n.First = 0
		return n, nil
	case n.State < Consistent || n.State > Delete:
		return n, corrupt(place, "r_state is %d, not RT_CONSISTENT, RT_ADD or RT_DELETE", n.State)
	case n.Version >= 2:
		if err := r.read(b[recordSize:], addr+recordSize, place+", r_next"); err != nil {
			return n, err
		}
		n.Next = word(recordSize)
	}
	return n, nil
}

// list reads the objects of a namespace.
func (r *listReader) list(n *Namespace) ([]Object, error) {
	var objects []Object
	seen := map[uint64]int{}
	prev := uint64(0)
	for addr := n.First; addr != 0; {
		place := fmt.Sprintf("link_map %#x, entry %d of namespace %d", addr, len(objects), n.ID)
		if i, ok := seen[addr]; ok {
			return nil, corrupt(place, "l_next leads back to entry %d: a cycle", i)
		}
		if r.left--; r.left < 0 {
			return nil, corrupt(place, "more than %d objects", maxObjects)
		}
		seen[addr] = len(objects)
		var b [linkMapFields]byte
		if err := r.read(b[:], addr, place); err != nil {
			return nil, err
		}
		m := decodeLinkMap(&b)
		if m.prev != prev {
			return nil, corrupt(place, "l_prev is %#x, and the entry before is %#x", m.prev, prev)
		}
		o, err := r.object(addr, m, place)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
		prev, addr = addr, m.next
	}
	return objects, nil
}

// rawLinkMap is the part of struct link_map that <link.h> has.
type rawLinkMap struct{ addr, name, ld, next, prev uint64 }

func decodeLinkMap(b *[linkMapFields]byte) rawLinkMap {
	word := func(off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
	return rawLinkMap{word(0), word(8), word(16), word(24), word(32)}
}

// object makes an object of a link_map. What is known of it is taken over.
func (r *listReader) object(addr uint64, m rawLinkMap, place string) (Object, error) {
	if k := r.known[addr]; k != nil && k.Addr == m.addr && k.Ld == m.ld && k.namePtr == m.name {
		return *k, nil
	}
	name, err := r.text(m.name, place)
	return Object{LinkMap: addr, Addr: m.addr, Ld: m.ld, Name: name, namePtr: m.name}, err
}

// text reads the name at addr, which ends with a NUL. A page is read at a time, as the next may not be there.
func (r *listReader) text(addr uint64, place string) (string, error) {
	if addr == 0 {
		return "", nil
	}
	place = fmt.Sprintf("%s: l_name %#x", place, addr)
	name := r.name[:0]
	for step := uint64(256); len(name) < maxName; {
		at := addr + uint64(len(name))
		size := min(step-at%step, uint64(maxName-len(name)))
		part := len(name)
		name = append(name, make([]byte, size)...)
		if err := r.read(name[part:], at, place); err != nil {
			return "", err
		}
		if i := bytes.IndexByte(name[part:], 0); i >= 0 {
			r.name = name
			return string(name[:part+i]), nil
		}
		step = 4096
	}
	return "", corrupt(place, "the name has no end within %d bytes", maxName)
}
