package debug

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// fakeMemory is memory that begins at an address.
type fakeMemory struct {
	base uint64
	b    []byte
}

func (m fakeMemory) ReadAt(p []byte, addr int64) (int, error) {
	off := uint64(addr) - m.base
	if uint64(addr) < m.base || off >= uint64(len(m.b)) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

func (m fakeMemory) put(addr uint64, words ...uint64) {
	for i, w := range words {
		binary.LittleEndian.PutUint64(m.b[addr-m.base+8*uint64(i):], w)
	}
}

const fakeBase = 0x10000

// twoSpaces is memory with namespaces of two objects and one.
func twoSpaces() fakeMemory {
	m := fakeMemory{fakeBase, make([]byte, 0x1000)}
	m.put(fakeBase, 2, fakeBase+0x100, 0x77, 0, 0x88, fakeBase+0x40)
	m.put(fakeBase+0x40, 1, fakeBase+0x200, 0x77, 1, 0x88)
	m.put(fakeBase+0x100, 0, fakeBase+0x300, 0x5000, fakeBase+0x140, 0)
	m.put(fakeBase+0x140, 0x7000, fakeBase+0x301, 0x7100, 0, fakeBase+0x100)
	m.put(fakeBase+0x200, 0x9000, fakeBase+0xffd, 0x9100, 0, 0)
	copy(m.b[0x300:], "\x00/lib/one.so\x00")
	copy(m.b[0xffd:], "/x\x00")
	return m
}

func TestReadNamespaces(t *testing.T) {
	spaces, err := ReadNamespaces(twoSpaces(), fakeBase)
	if err != nil || len(spaces) != 2 || len(spaces[0].Objects) != 2 || len(spaces[1].Objects) != 1 {
		t.Fatalf("%+v, %v", spaces, err)
	}
	if n := spaces[0]; n.Version != 2 || n.Break != 0x77 || n.LdBase != 0x88 || n.State != Consistent || spaces[1].State != Add || spaces[1].ID != 1 {
		t.Errorf("%+v", spaces)
	}
	if o := spaces[0].Objects[1]; o.Name != "/lib/one.so" || o.Addr != 0x7000 || o.Ld != 0x7100 || o.LinkMap != fakeBase+0x140 {
		t.Errorf("%+v", o)
	}
	if o := spaces[1].Objects[0]; o.Name != "/x" {
		t.Errorf("a name at the end of memory: %+v", o)
	}
}

func TestReadNamespacesDamaged(t *testing.T) {
	for _, c := range []struct {
		addr, value uint64
		says        string
	}{
		{fakeBase + 0x140 + 24, fakeBase + 0x100, "link_map 0x10100, entry 2 of namespace 0: l_next leads back to entry 0"},
		{fakeBase + 0x140 + 32, 5, "link_map 0x10140, entry 1 of namespace 0: l_prev is 0x5"},
		{fakeBase + 0x140 + 24, 1 << 60, "outside the address space"},
		{fakeBase + 0x140 + 24, ^uint64(0), "outside the address space"},
		{fakeBase + 0x140 + 8, 0x400, "l_name 0x400: there is no memory at 0x400"},
		{fakeBase + 40, fakeBase, "r_next of namespace 0 leads back"},
		{fakeBase + 40, 8, "struct r_debug 0x8 of namespace 1: there is no memory"},
		{fakeBase + 24, 3, "r_state is 3"},
		{fakeBase, 0xffffffff, "r_version is -1"},
	} {
		m := twoSpaces()
		m.put(c.addr, c.value)
		_, err := ReadNamespaces(m, fakeBase)
		var e *ProcessError
		if !errors.As(err, &e) || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%#x at %#x: %v, want %s", c.value, c.addr, err, c.says)
		}
	}
}

// What changes from one reading to the next is told, whichever way the reader takes.
func TestUpdate(t *testing.T) {
	m := twoSpaces()
	spaces, err := ReadNamespaces(m, fakeBase)
	if err != nil {
		t.Fatal(err)
	}
	for _, bulk := range []bool{false, true} {
		m := twoSpaces()
		l := lists{mem: m, record: fakeBase, describe: func(*Object) {}}
		if bulk {
			l.mem = bulkMemory{m}
		}
		l.set(spaces)
		step := func(want string) {
			t.Helper()
			changes, err := l.update(time.Now(), func(*space) {})
			got := ""
			for _, c := range changes {
				got += string(c.kind)
				for _, o := range c.objects {
					got += " " + o.Name
				}
				got += ";"
			}
			if err != nil || got != want {
				t.Errorf("bulk %v: %s, %v, want %s", bulk, got, err, want)
			}
		}
		step("")
		m.put(fakeBase+24, uint64(Add))
		m.put(fakeBase+0x140+24, fakeBase+0x180)
		m.put(fakeBase+0x180, 0xa000, fakeBase+0x301, 0xa100, 0, fakeBase+0x140)
		step("")
		m.put(fakeBase+24, uint64(Consistent))
		step("load /lib/one.so;")
		m.put(fakeBase+24, uint64(Delete))
		m.put(fakeBase+0x100+24, fakeBase+0x180)
		m.put(fakeBase+0x180+32, fakeBase+0x100)
		step("")
		m.put(fakeBase+24, uint64(Consistent))
		step("unload /lib/one.so;")
		m.put(fakeBase+0x40+24, uint64(Consistent))
		m.put(fakeBase+0x40+8, 0)
		step("unload /x;")
	}
}

type bulkMemory struct{ fakeMemory }

func (m bulkMemory) readMany(p []byte, size int, addrs []uint64) bool {
	for i, a := range addrs {
		if n, _ := m.ReadAt(p[i*size:(i+1)*size], int64(a)); n < size {
			return false
		}
	}
	return true
}

func TestParseMaps(t *testing.T) {
	all := parseMaps("1000-2000 r-xp 00001000 08:01 42    /a b/libx.so (deleted)\nnonsense\n3000-4000 rw-p 00000000 00:00 0\n")
	if len(all) != 2 || all[0] != (mapping{0x1000, 0x2000, 0x1000, "08:01", 42, "/a b/libx.so (deleted)"}) || all[1].path != "" {
		t.Errorf("%+v", all)
	}
	for addr, want := range map[uint64]int{0: -1, 0x1000: 0, 0x1fff: 0, 0x2000: -1, 0x3000: 1, 0x4000: -1} {
		if got := find(all, addr); got != want {
			t.Errorf("find %#x: %d, want %d", addr, got, want)
		}
	}
}

// FuzzReadNamespaces reads lists out of any bytes: it has to end, within its bounds, with an error of its own or none.
func FuzzReadNamespaces(f *testing.F) {
	f.Add(twoSpaces().b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := fakeMemory{fakeBase, b}
		spaces, err := ReadNamespaces(m, fakeBase)
		var e *ProcessError
		if err != nil && (!errors.As(err, &e) || e.Place == "" || !errors.Is(err, ErrCorrupt)) {
			t.Fatalf("%T %v", err, err)
		}
		maps := parseMaps(string(b))
		for _, n := range spaces {
			for i := range n.Objects {
				o := &n.Objects[i]
				if len(o.Name) >= maxName {
					t.Fatalf("a name of %d bytes", len(o.Name))
				}
				describe(m, o, nil, func() []mapping { return maps })
				if o.End < o.Start {
					t.Fatalf("%+v", o)
				}
			}
		}
		l := lists{mem: bulkMemory{m}, record: fakeBase, describe: func(*Object) {}}
		l.set(nil)
		_, err1 := l.update(time.Now(), func(*space) {})
		changes, err2 := l.update(time.Now(), func(*space) {})
		if err1 == nil && (err2 != nil || len(changes) > 0) {
			t.Fatalf("the same memory again: %v, %v", changes, err2)
		}
	})
}
