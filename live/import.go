package live

import (
	"encoding/binary"
	"fmt"

	"weld/image/elf"
)

// Import is a reference of generated code to a symbol that something else defines, or the object itself. Code gets at it as
// that of a library does: functions are called by way of the PLT, or through the word of the GOT; variables are where that
// points. What it is bound to is looked up as for any library of the namespace: in the global scope, in the object, in what it
// needs (Options.Needs); but a symbol of the object's own that is Protected comes first, if not where a copy of the file is
// opened. When it is bound to a function of a live object, it follows that if it is replaced; and
// interpositions (weld.Interpose) hold for it.
type Import struct {
	o             *Object
	name, version string
	weak          bool
	got, plt      *Block
	at            int // of the word and the stub, by their sizes
	want          int // in importTable.wants, -1 for none
}

// Name returns the name that is referred to.
func (m *Import) Name() string { return m.name }

// Slot returns the address of the word of the GOT: it holds the address of the symbol from the next Commit on, and 0 until
// then.
func (m *Import) Slot() uintptr { return m.got.Addr() + uintptr(m.at)*gotEntry }

// PLT returns the address of code that jumps to the function. Debuggers show it as name@plt.
func (m *Import) PLT() uintptr { return m.plt.Addr() + uintptr(m.at)*pltEntry }

const (
	gotEntry = 8
	pltEntry = 16
	// importRoom is how many imports have their entries in one block.
	importRoom = 64
)

type importKey struct{ name, version string }

// importTable is the imports of an object.
type importTable struct {
	all   map[importKey]*Import
	list  []*Import // in order
	fresh []*Import // since the last commit
	last  *Import   // the one whose blocks have room behind it
	wants []want
}

// Import returns the reference to a name, the same one each time. The options are Version, and Weak for what need not be there:
// its word stays 0 then, and must not be called. The next Commit binds it. If nothing defines the name that fails with
// ErrUndefined, and so do those that follow until something does: an import cannot be taken back.
//
// In the file it is an undefined symbol, and a word with a relocation: so where a copy of the file is opened, it is bound there. If
// what it was bound to first has a version, the file wants that version of that library (DT_VERNEED), and needs it.
//
// The error is an *Error with ErrName, ErrFull, ErrNoSpace, ErrNoMemory or ErrClosed.
func (o *Object) Import(name string, opts ...BindOption) (*Import, error) {
	const op = "import"
	r := requested(opts)
	if badName(name) || r.version != "" && badName(r.version) {
		return nil, &Error{Op: op, Object: o.name, Reason: ErrName, Detail: fmt.Sprintf("%.80q", name)}
	}
	if err := o.lock(op); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	t := &o.imports
	k := importKey{name, r.version}
	if m := t.all[k]; m != nil {
		return m, nil
	}
	weak := false
	for i := range opts {
		weak = weak || opts[i].what == setWeak
	}
	m := &Import{o: o, name: name, version: r.version, weak: weak, want: -1}
	if l := t.last; l != nil && l.at+1 < importRoom {
		m.got, m.plt, m.at = l.got, l.plt, l.at+1
	} else {
		var err error
		if m.got, err = o.newBlock(op, importRoom*gotEntry, gotEntry, Data); err != nil {
			return nil, err
		}
		if m.plt, err = o.newBlock(op, importRoom*pltEntry, pltEntry, Text); err != nil {
			o.regions[Data].release(&m.got.ext)
			return nil, err
		}
	}
	// endbr64; jmp *slot(%rip); int3...
	stub := [pltEntry]byte{0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 10: int3, int3, int3, int3, int3, int3}
	const end = 10
	binary.LittleEndian.PutUint32(stub[end-4:], uint32(int64(m.Slot())-int64(m.PLT()+end)))
	off := m.at * pltEntry
	m.plt.touch(uint64(off), pltEntry)
	if err := o.guard(op, func() error {
		copy(m.plt.memory()[off:], stub[:])
		return nil
	}); err != nil {
		return nil, err
	}
	stubName := name + "@plt"
	if r.version != "" {
		stubName = name + "@" + r.version + "@plt"
	}
	s := requested([]BindOption{Function, Hidden, Frame(NoFrame), Offset(off), Size(pltEntry), Replace})
	if err := o.bindLocked(stubName, elf.GNUHash(stubName), m.plt, &s); err != nil {
		return nil, err
	}
	if t.all == nil {
		t.all = map[importKey]*Import{}
	}
	t.all[k], t.last = m, m
	t.list = append(t.list, m)
	t.fresh = append(t.fresh, m)
	return m, nil
}
