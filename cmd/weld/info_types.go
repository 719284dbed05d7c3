package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"weld/ctype"
	"weld/image/elf"
)

// typesInfo is what weld info --types shows.
type typesInfo struct {
	From  string     `json:"from"`           // DWARF, a debug file, BTF, or nowhere
	File  string     `json:"file,omitempty"` // where that is
	Error string     `json:"error,omitempty"`
	List  []typeInfo `json:"list"`
	// The tables of signatures that weld link has put into the file; absent if there are none.
	Exports []typeInfo `json:"export_table,omitempty"`
	Imports []typeInfo `json:"import_table,omitempty"`
}

type typeInfo struct {
	Name      string `json:"name"`
	Type      string `json:"type,omitempty"` // a declaration in C
	Signature string `json:"signature,omitempty"`
	Hash      string `json:"hash,omitempty"`
	Unknown   string `json:"unknown,omitempty"` // why it is not known
}

// describeTypes collects the types of what f exports.
func (info *fileInfo) describeTypes(f *elf.File, path string) error {
	types := &typesInfo{List: []typeInfo{}}
	info.Types = types
	in, err := ctype.Open(path, nil)
	if err != nil {
		return err
	}
	source, file, err := in.Source()
	if err != nil {
		types.Error = err.Error()
	}
	types.From, types.File = source.String(), file
	for _, s := range f.DynSymbols().All() {
		switch s.Type() {
		case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_TLS, elf.STT_GNU_IFUNC:
		default:
			continue
		}
		if !s.Exported() || s.Shndx == elf.SHN_ABS {
			continue
		}
		types.List = append(types.List, symbolType(in, ctype.Query{Name: f.SymName(s), Addr: s.Value, Type: s.Type()}))
	}
	slices.SortStableFunc(types.List, func(a, b typeInfo) int { return strings.Compare(a.Name, b.Name) })
	if types.Exports, err = tableTypes(f, ctype.NoteExports); err != nil {
		return err
	}
	types.Imports, err = tableTypes(f, ctype.NoteImports)
	return err
}

// tableTypes is what a table of signatures says.
func tableTypes(f *elf.File, typ uint32) (list []typeInfo, err error) {
	table, err := ctype.FindSigTable(f, typ)
	if err != nil || table == nil {
		return nil, err
	}
	for i := range table.Entries {
		e := &table.Entries[i]
		x := typeInfo{Name: e.Name}
		if k, err := e.Known(f.Name); err == nil {
			x.Type, x.Signature, x.Hash = k.Type.Declare(e.Name), e.Signature.Text, fmt.Sprintf("%016x", e.Signature.Hash)
		} else {
			x.Unknown = reasonOf(err)
		}
		list = append(list, x)
	}
	return list, nil
}

func symbolType(in *ctype.Info, q ctype.Query) typeInfo {
	t := typeInfo{Name: q.Name}
	k, err := in.Lookup(q)
	var sig ctype.Signature
	if err == nil {
		t.Type = k.Type.Declare(q.Name)
		sig, err = ctype.SignatureOf(k.Type)
	}
	if err == nil {
		t.Signature, t.Hash = sig.Text, fmt.Sprintf("%016x", sig.Hash)
		return t
	}
	t.Unknown = reasonOf(err)
	return t
}

// reasonOf says why a type is not known.
func reasonOf(err error) string {
	if u := (*ctype.UnknownError)(nil); errors.As(err, &u) {
		return u.Why
	}
	return err.Error()
}
