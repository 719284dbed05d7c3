package ctype

import (
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
)

// exports returns the functions and variables that a library exports.
func exports(t testing.TB, path string) []Query {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []Query
	for i := 1; i < f.NumSymbols(); i++ {
		s, _ := f.Sym(uint32(i))
		switch s.Type() {
		case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_GNU_IFUNC, elf.STT_TLS:
			if s.Exported() && s.Shndx != elf.SHN_ABS {
				list = append(list, Query{f.SymName(s), s.Value, s.Type()})
			}
		}
	}
	return list
}

func lookup(b *testing.B, in *Info, q Query) *Known {
	b.Helper()
	k, err := in.Lookup(q)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := SignatureOf(k.Type); err != nil {
		b.Fatal(err)
	}
	return k
}

// BenchmarkFirst is the first lookup of a function in the C library, whose debugging information, 8 MB without the line
// tables, is compressed.
func BenchmarkFirst(b *testing.B) {
	path := testenv.Library(b, "libc6", "libc.so.6")
	var q Query
	for _, x := range exports(b, path) {
		if x.Name == "qsort" {
			q = x
		}
	}
	for b.Loop() {
		in, err := Open(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		lookup(b, in, q)
	}
}

// BenchmarkNames is the making of the index of names.
func BenchmarkNames(b *testing.B) {
	path := testenv.Library(b, "libc6", "libc.so.6")
	for b.Loop() {
		b.StopTimer()
		in, err := Open(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		in.Source()
		b.StartTimer()
		in.Lookup(Query{Name: "no such name"})
	}
}

// BenchmarkNext is the lookup of each other function of the C library.
func BenchmarkNext(b *testing.B) {
	path := testenv.Library(b, "libc6", "libc.so.6")
	list := exports(b, path)
	in, err := Open(path, nil)
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		if i == len(list) {
			b.StopTimer()
			i = 0
			in, _ = Open(path, nil)
			b.StartTimer()
		}
		if i == 0 {
			b.StopTimer()
			in.Lookup(Query{Name: "no such name"})
			b.StartTimer()
		}
		if k, err := in.Lookup(list[i]); err == nil {
			SignatureOf(k.Type)
		}
		i++
	}
}
