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
	return nil
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
	t.Unknown = err.Error()
	if u := (*ctype.UnknownError)(nil); errors.As(err, &u) {
		t.Unknown = u.Why
	}
	return t
}
