package link

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"weld/ctype"
	"weld/image/elf"
)

// --check-types: what one object says of a symbol that it refers to is compared with what the object says that defines it, by
// their debugging information.

// A TypeError is a symbol that is declared in one object with another type than it is defined with in another.
type TypeError struct {
	Symbol            string
	Declared, Defined TypePlace
	Changes           []ctype.Change // where the two differ
	More              int            // other objects with a declaration that differs

	mangled bool
}

// A TypePlace is what an object says of a symbol.
type TypePlace struct {
	Object string
	Source ctype.Place // the zero Place if it is not known
	Type   string      // in C
}

func (p TypePlace) String() string {
	if p.Source.File == "" {
		return p.Type + " in " + p.Object
	}
	return fmt.Sprintf("%s in %s (%s)", p.Type, p.Object, p.Source)
}

// maxTypeChanges is how many differences a message lists.
const maxTypeChanges = 5

func (e *TypeError) Error() string {
	name := spell(e.Symbol, e.mangled)
	var b strings.Builder
	fmt.Fprintf(&b, "%s is declared as %v, but defined as %v: ", name, e.Declared, e.Defined)
	for i, c := range e.Changes {
		if i == maxTypeChanges {
			fmt.Fprintf(&b, "; and %d more", len(e.Changes)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, " (and in %d more objects)", e.More)
	}
	return b.String()
}

// A typeUse is a symbol that an object refers to and another defines.
type typeUse struct {
	id   symID
	name string
	decl *ctype.Known
}

// typedObject is what is looked up in the debugging information of an object.
type typedObject struct {
	uses []typeUse
	mu   sync.Mutex
	defs map[symID]*ctype.Known // nil until it is looked up, or if it is not known
}

// checkTypes compares declarations with definitions. What is not known, because an object has no debugging information, or the
// compiler has not written a declaration down, is passed over: clang does so with variables and functions whose address alone is used.
func (l *linker) checkTypes() error {
	if l.opt.CheckTypes == ReportNone {
		return nil
	}
	objs := make([]typedObject, len(l.objs))
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		if !o.hasTypes() {
			return
		}
		for k, id := range o.names.ids {
			e := o.sym(o.first + uint32(k))
			s := l.syms.at(id)
			if s.kind != symObject && s.kind != symCommon || s.file == int32(i) || e.shndx != 0 && !e.isCommon() || !l.objs[s.file].hasTypes() {
				continue
			}
			objs[i].uses = append(objs[i].uses, typeUse{id: id, name: o.symName(o.first + uint32(k))})
			def := &objs[s.file]
			def.mu.Lock()
			if def.defs == nil {
				def.defs = map[symID]*ctype.Known{}
			}
			def.defs[id] = nil
			def.mu.Unlock()
		}
	})
	l.par(len(l.objs), func(i int) { l.lookUpTypes(l.objs[i], &objs[i]) })

	type site struct {
		id symID
		at ctype.Place
	}
	found := map[site]*TypeError{}
	var list []*TypeError
	for i := range objs {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		for _, u := range objs[i].uses {
			def := objs[l.syms.at(u.id).file].defs[u.id]
			if u.decl == nil || def == nil {
				continue
			}
			changes := ctype.Disagree(u.decl.Type, def.Type)
			if changes == nil {
				continue
			}
			at := site{u.id, u.decl.Declared()}
			if e := found[at]; e != nil && at.at.File != "" { // the same header
				e.More++
				continue
			}
			e := &TypeError{Symbol: u.name, Changes: changes, mangled: l.opt.NoDemangle,
				Declared: TypePlace{strings.Clone(l.objs[i].name), at.at, u.decl.Type.Declare(u.name)},
				Defined:  TypePlace{strings.Clone(l.objs[l.syms.at(u.id).file].name), def.Declared(), def.Type.Declare(u.name)}}
			found[at] = e
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *TypeError) int { return cmp.Compare(a.Symbol, b.Symbol) })
	more := 0
	if n := l.opt.ErrorLimit; n > 0 && len(list) > n && l.opt.CheckTypes == ReportError {
		list, more = list[:n], len(list)-n
	}
	var errs errorList
	for _, e := range list {
		if l.opt.CheckTypes == ReportError {
			errs.add(e)
		} else {
			l.warn("%v", e)
		}
	}
	errs.more(more, "symbols of other types")
	return errs.err()
}

// hasTypes reports whether there is debugging information.
func (o *object) hasTypes() bool {
	for i := range o.secs {
		if n := o.secs[i].name; uint64(n) < uint64(len(o.shstrtab)) && bytes.HasPrefix(o.shstrtab[n:], []byte(".debug_info\x00")) {
			return true
		}
	}
	return false
}

// maxTypeBytes bounds the debugging information of an object that is read.
const maxTypeBytes = 1 << 30

// lookUpTypes looks up what an object says of symbols. Damaged information says nothing.
func (l *linker) lookUpTypes(o *object, t *typedObject) {
	if len(t.uses) == 0 && len(t.defs) == 0 {
		return
	}
	in, err := ctype.New(o.name, o.data, &ctype.Options{NoSeparate: true, MaxBytes: maxTypeBytes})
	if err != nil {
		return
	}
	// A name leads to what is of that name: C++ has functions of one name and several types.
	byName := func(name string) *ctype.Known {
		k, err := in.Lookup(ctype.Query{Name: name, Type: elf.STT_FUNC})
		if err != nil || k.Name != name {
			return nil
		}
		return k
	}
	for i := range t.uses {
		t.uses[i].decl = byName(t.uses[i].name)
	}
	if len(t.defs) == 0 {
		return
	}
	addrs := map[string]ctype.Query{}
	if list, err := in.Symbols(); err == nil {
		for _, q := range list {
			addrs[q.Name] = q
		}
	}
	for id := range t.defs {
		name := o.symName(l.syms.at(id).idx)
		k := byName(name)
		if q, ok := addrs[name]; k == nil && ok { // such as an alias
			if k, err = in.Lookup(q); err != nil {
				k = nil
			}
		}
		t.defs[id] = k
	}
}
