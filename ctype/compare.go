package ctype

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	weldelf "weld/image/elf"
)

// SymbolChange is what became of a symbol from one version of a library to the next.
type SymbolChange struct {
	Name    string
	Gone    bool     // it is not exported any more
	Added   bool     // it was not exported before
	Changes []Change // of its type; nil for one that is gone or new
	Old     *Type    // nil if it is not known
	New     *Type
}

// Effect is the worst effect that the change has on old callers.
func (s *SymbolChange) Effect() Effect {
	e := Harmless
	if s.Gone {
		e = Breaks
	}
	for _, c := range s.Changes {
		e = max(e, c.Effect)
	}
	return e
}

// Comparison is how two versions of a library differ.
type Comparison struct {
	Symbols  []SymbolChange // those that differ, by name
	Compared int            // symbols whose type is known on both sides
	Unknown  int            // symbols that both have, with a type that is not known on one of them
}

// Effect is the worst effect that any change has on old callers.
func (c *Comparison) Effect() Effect {
	e := Harmless
	for i := range c.Symbols {
		e = max(e, c.Symbols[i].Effect())
	}
	return e
}

// Compare compares what two versions of a library, or two objects, define for others, by their debugging information or, for symbols
// that this says nothing of, the tables of signatures that weld link has put into them. The error is that of Symbols or a
// *FormatError; that types are not known is none.
func Compare(old, now *Info) (*Comparison, error) {
	before, oldTable, err := old.exported()
	if err != nil {
		return nil, err
	}
	after, newTable, err := now.exported()
	if err != nil {
		return nil, err
	}
	var c Comparison
	known := func(in *Info, table *SigTable, q Query) (*Type, error) {
		k, err := in.Lookup(q)
		if err != nil && table != nil {
			if e := table.Find(q.Name); e != nil && e.Signature.Hash != 0 && e.Value == q.Addr {
				k, err = e.Known(in.name)
			}
		}
		if err == nil {
			return k.Type, nil
		}
		var u *UnknownError
		if errors.As(err, &u) {
			return nil, nil
		}
		return nil, err
	}
	bare, used := unversioned(before, after), map[string]bool{}
	for name, q := range before {
		n, ok := after[name]
		if now := bare[name]; !ok && now != "" {
			n, ok = after[now]
			used[now] = true
		}
		s := SymbolChange{Name: name, Gone: !ok}
		if s.Old, err = known(old, oldTable, q); err != nil {
			return nil, err
		}
		if !ok {
			c.Symbols = append(c.Symbols, s)
			continue
		}
		if s.New, err = known(now, newTable, n); err != nil {
			return nil, err
		}
		if s.Old == nil || s.New == nil {
			c.Unknown++
			continue
		}
		c.Compared++
		if s.Changes = Diff(s.Old, s.New); s.Changes != nil {
			c.Symbols = append(c.Symbols, s)
		}
	}
	for name, q := range after {
		if _, ok := before[name]; ok || used[name] {
			continue
		}
		s := SymbolChange{Name: name, Added: true}
		if s.New, err = known(now, newTable, q); err != nil {
			return nil, err
		}
		c.Symbols = append(c.Symbols, s)
	}
	slices.SortFunc(c.Symbols, func(a, b SymbolChange) int { return cmp.Compare(a.Name, b.Name) })
	return &c, nil
}

// unversioned returns which new symbol stands for an old one that has a version where the new one has none, or the other way round: ld.so binds what has
// been linked against a library without versions to the symbols of one with them, as it binds what wants a version to a library that has none.
func unversioned(before, after map[string]Query) map[string]string {
	count := map[string]int{} // versions of a name, in the new library
	latest := map[string]string{}
	any := false
	for key, q := range after {
		count[q.Name]++
		latest[q.Name] = key
		any = any || key != q.Name
	}
	list := map[string]string{}
	for key, q := range before {
		now := latest[q.Name]
		if _, ok := after[key]; ok || count[q.Name] != 1 {
			continue
		}
		if _, taken := before[now]; !taken && (key == q.Name || !any) {
			list[key] = now
		}
	}
	return list
}

// exported returns what other files can bind to, by name, and @ and the version if it has one: of a linked file
// its dynamic symbols. The table of signatures is nil if there is none.
func (in *Info) exported() (list map[string]Query, table *SigTable, err error) {
	in.mu.Lock()
	rel := false
	err = in.withELF(func(f *elfFile) error {
		if f.header.Type == weldelf.ET_REL {
			rel = true
			return nil
		}
		data := in.data
		if data == nil {
			data = make([]byte, f.size)
			if err := f.take(&weldelf.Section{}, uint64(f.size)); err != nil {
				return err
			}
			if _, err := f.r.ReadAt(data, 0); err != nil {
				return err
			}
		}
		e, err := weldelf.New(in.name, data)
		if err != nil {
			return err
		}
		list = dynamicSymbols(e)
		table, err = FindSigTable(e, NoteExports)
		return err
	})
	in.mu.Unlock()
	if err != nil || !rel {
		return list, table, err
	}
	symbols, err := in.Symbols()
	list = make(map[string]Query, len(symbols))
	for _, q := range symbols {
		list[q.Name] = q
	}
	return list, nil, err
}

func dynamicSymbols(e *weldelf.File) map[string]Query {
	list := map[string]Query{}
	for i := 1; i < e.NumSymbols(); i++ {
		s, ok := e.Sym(uint32(i))
		if !ok || !s.Exported() || s.Shndx == weldelf.SHN_ABS {
			continue
		}
		switch s.Type() {
		case weldelf.STT_FUNC, weldelf.STT_OBJECT, weldelf.STT_TLS, weldelf.STT_GNU_IFUNC:
		default:
			continue
		}
		name := e.SymName(s)
		key := name
		if v := e.SymVersion(uint32(i)); v != nil && v.Name != "" {
			key = name + "@" + v.Name
		}
		list[key] = Query{name, s.Value, s.Type()}
	}
	return list
}

// withELF opens the file itself for the time of a call. in.mu is held.
func (in *Info) withELF(f func(*elfFile) error) error {
	if in.data == nil {
		return withFile(in.name, &in.budget, f)
	}
	e, err := readELF(in.name, bytes.NewReader(in.data), int64(len(in.data)), &in.budget)
	if err != nil {
		return err
	}
	return f(e)
}
