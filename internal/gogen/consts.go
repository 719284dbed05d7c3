package gogen

import (
	"fmt"
	"go/constant"
	"math"
	"path/filepath"
	"strings"

	"weld/ctype"
)

// constLine is a constant that is written.
type constLine struct {
	name, value, comment string
}

// writeEnums writes the enums that functions and structs have, and the constants of the others.
func (w *writer) writeEnums() {
	seen := map[string]bool{}
	for _, g := range w.made {
		if g.c.Kind != ctype.Enum {
			continue
		}
		under := scalar(&ctype.Type{Kind: ctype.Int, Size: g.c.Size, Signed: g.c.Signed})
		if under == "" {
			under = "int32"
		}
		at := shortPlace(g.c.Declared())
		if at != "" {
			at = ", " + at
		}
		w.printf("// %s is %s%s.\ntype %s %s\n\n", g.name, g.cName, at, g.name, under)
		w.enumerators(g.c, g.name, seen)
	}
	for _, t := range w.lib.Enums {
		if t.Name != "" && w.types[typeKey{ctype.Enum, t.Name, nil}] != nil {
			continue
		}
		if p := t.Declared(); p.System() && p.File != "" {
			continue
		}
		w.enumerators(t, "", seen)
	}
}

// enumerators writes those of an enum as constants of a Go type; "": of none.
func (w *writer) enumerators(t *ctype.Type, typ string, seen map[string]bool) {
	list, err := t.Enumerators()
	if err != nil {
		return
	}
	var lines []string
	for _, e := range list {
		if seen[e.Name] || identifier(e.Name) != e.Name || e.Name == "" {
			continue
		}
		seen[e.Name] = true
		value := fmt.Sprint(e.Value)
		if !t.Signed {
			value = fmt.Sprint(uint64(e.Value))
			if t.Size == 4 {
				value = fmt.Sprint(uint32(e.Value))
			}
		}
		lines = append(lines, fmt.Sprintf("\t%s %s = %s\n", unique(w.taken, constName(e.Name)), typ, value))
	}
	if len(lines) > 0 {
		w.printf("const (\n%s)\n\n", strings.Join(lines, ""))
	}
}

// constants returns the constants that macros stand for.
func (w *writer) constants() (list []constLine) {
	e := evaluator{macros: map[string]string{}}
	for _, m := range w.lib.Macros {
		e.macros[m.Name] = m.Body
	}
	for _, m := range w.lib.Macros {
		if m.Body == "" || m.At.System() && m.At.File != "" {
			continue
		}
		if !w.opt.Consts(m.Name) {
			switch filepath.Ext(m.At.File) {
			case ".h", ".hh", ".hpp", ".hxx":
			default:
				continue
			}
			if m.Name[0] == '_' || strings.HasSuffix(m.Name, "_H") || strings.HasSuffix(m.Name, "_INCLUDED") {
				continue
			}
		}
		v := e.value(m.Name)
		if v == nil {
			continue
		}
		text := v.ExactString()
		if v.Kind() == constant.Float {
			f, _ := constant.Float64Val(v)
			if math.IsInf(f, 0) {
				continue
			}
			if text = fmt.Sprint(f); !strings.ContainsAny(text, ".e") {
				text += ".0" // not an integer
			}
		}
		list = append(list, constLine{m.Name, text, shortPlace(m.At)})
	}
	return list
}

func (w *writer) writeConstants(list []constLine) {
	if len(list) == 0 {
		return
	}
	w.printf("// Macros.\nconst (\n")
	for _, c := range list {
		if identifier(c.name) == c.name {
			w.printf("\t%s = %s\n", unique(w.taken, constName(c.name)), c.value)
		}
	}
	w.printf(")\n\n")
}
