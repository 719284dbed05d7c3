package ctype

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	"weld/image/elf"
	"weld/internal/testenv"
)

// look asks an Info for all that it has, and fails if an error is of none of the types that are promised.
func look(t *testing.T, in *Info) {
	t.Helper()
	check := func(err error) bool {
		if err == nil {
			return true
		}
		var f *FormatError
		var u *UnknownError
		var e *elf.FormatError
		if !errors.As(err, &f) && !errors.As(err, &u) && !errors.As(err, &e) {
			t.Errorf("an error of type %T: %v", err, err)
		}
		return false
	}
	symbols, err := in.Symbols()
	check(err)
	for name := range kinds {
		symbols = append(symbols, Query{Name: name})
	}
	if len(symbols) > 1000 {
		symbols = symbols[:1000]
	}
	for _, q := range symbols {
		k, err := in.Lookup(q)
		if !check(err) {
			continue
		}
		_ = k.Type.String()
		_ = k.Declared()
		_, err = SignatureOf(k.Type)
		check(err)
		Diff(k.Type, &Type{Kind: Func, Elem: voidType, Params: []Param{{"", PointerTo(voidType)}}})
		Check(k.Type, fuzzFunc, Call)
		walk(k.Type, map[*Type]bool{}, check)
	}
	_, err = in.TypeNamed(Struct, "node")
	check(err)
	_, err = in.Macros()
	check(err)
	_, err = in.Enums()
	check(err)
}

// walk reads the members of all types that t leads to.
func walk(t *Type, seen map[*Type]bool, check func(error) bool) {
	if seen[t] || len(seen) > 1000 {
		return
	}
	seen[t] = true
	if t.Elem != nil {
		walk(t.Elem, seen, check)
	}
	for _, p := range t.Params {
		walk(p.Type, seen, check)
	}
	ms, err := t.Members()
	check(err)
	for _, m := range ms {
		walk(m.Type, seen, check)
	}
	_, err = t.Enumerators()
	check(err)
}

// fuzzOptions bound what is read, and so memory.
var fuzzOptions = &Options{NoSeparate: true, MaxBytes: 1 << 22}

func FuzzDWARF(f *testing.F) {
	dir := f.TempDir()
	src := source(f, dir, "kinds.c")
	for _, args := range [][]string{
		{"gcc", "-gdwarf-4", "-shared"}, {"gcc", "-gdwarf-5", "-g3", "-shared"}, {"clang-19", "-gdwarf-5", "-c"}, {"gcc", "-gdwarf-4", "-c", "-fdebug-types-section"},
		{"gcc", "-gz=zlib", "-g", "-c"},
	} {
		run(f, dir, args[0], append(args[1:], "-fPIC", "-w", src, "-o", "out")...)
		data, err := os.ReadFile(filepath.Join(dir, "out"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if in, err := New("fuzz", data, fuzzOptions); err == nil {
			look(t, in)
		}
	})
}

func FuzzBTF(f *testing.F) {
	f.Add(btfSample())
	f.Fuzz(func(t *testing.T, data []byte) {
		if in, err := NewBTF("fuzz", data); err == nil {
			for name := range in.btf.names {
				k, err := in.Lookup(Query{Name: name})
				if err == nil {
					_ = k.Type.String()
					SignatureOf(k.Type)
					walk(k.Type, map[*Type]bool{}, func(error) bool { return true })
				}
			}
			in.TypeNamed(Struct, "s")
		}
	})
}

// btfSample is a small BTF: int f(struct s *), with struct s { int a; struct s *b; }.
func btfSample() []byte {
	var b bytes.Buffer
	put := func(v ...uint32) {
		for _, x := range v {
			b.Write(le.AppendUint32(nil, x))
		}
	}
	const types = 16 + 36 + 12 + 20 + 12
	strs := "\x00int\x00s\x00a\x00b\x00f\x00"
	put(0x0001eb9f, 24, 0, types, types, uint32(len(strs)))
	put(1, btfInt<<24, 4, 1<<24|32)
	put(5, btfStruct<<24|2, 16, 7, 1, 0, 9, 3, 64)
	put(0, btfPtr<<24, 2)
	put(0, btfFuncProto<<24|1, 1, 7, 3)
	put(11, btfFunc<<24|1, 4)
	b.WriteString(strs)
	return b.Bytes()
}

func TestBTFSample(t *testing.T) {
	in, err := NewBTF("sample", btfSample())
	if err != nil {
		t.Fatal(err)
	}
	if got := sigText(in, Query{Name: "f"}); got != "fn(*struct s)s32" {
		t.Error(got)
	}
}

// TestBTFStatic has a static function before the one of the same name that others see.
func TestBTFStatic(t *testing.T) {
	b := btfSample()
	put := func(v ...uint32) []byte {
		var b []byte
		for _, x := range v {
			b = le.AppendUint32(b, x)
		}
		return b
	}
	// Type 5 is void (void), and 6 a static f of it; the f of the sample becomes type 7.
	types, strs := b[24:24+96-12], b[24+96:]
	all := append(bytes.Clone(types), put(0, btfFuncProto<<24, 0, 11, btfFunc<<24, 5, 11, btfFunc<<24|1, 4)...)
	in, err := NewBTF("static", append(append(put(0x0001eb9f, 24, 0, uint32(len(all)), uint32(len(all)), uint32(len(strs))), all...), strs...))
	if err != nil {
		t.Fatal(err)
	}
	if got := sigText(in, Query{Name: "f"}); got != "fn(*struct s)s32" {
		t.Error(got)
	}
}

// TestDamaged changes bytes of debugging information, each time at a few places, and cuts it short. Nothing may panic, take
// long, or take much memory.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	if testenv.Soak() {
		rounds = 20000
	}
	for i, args := range [][]string{{"gcc", "-gdwarf-4", "-shared"}, {"gcc", "-gdwarf-5", "-shared"}, {"clang-19", "-gdwarf-5", "-c"}, {"gcc", "-gdwarf-4", "-c", "-fdebug-types-section"}} {
		run(t, dir, args[0], append(args[1:], "-fPIC", "-w", src, "-o", "out")...)
		good, err := os.ReadFile(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.New("out", good)
		if err != nil {
			t.Fatal(err)
		}
		secs, err := f.Sections()
		if err != nil {
			t.Fatal(err)
		}
		var debug []elf.Section
		for _, s := range secs {
			switch s.Name {
			case ".debug_info", ".debug_abbrev", ".debug_types", ".debug_str_offsets", ".debug_aranges", ".debug_rnglists", ".debug_ranges", ".debug_addr", ".debug_line", ".debug_line_str", ".debug_macro":
				debug = append(debug, s)
			}
		}
		r := rand.New(rand.NewPCG(uint64(i), 1))
		var before, after runtime.MemStats
		for n := range rounds {
			data := bytes.Clone(good)
			for range 1 + r.IntN(4) {
				s := debug[r.IntN(len(debug))]
				at := s.Off + r.Uint64N(max(s.Size, 1))
				data[at] = byte(r.Uint32())
				if r.IntN(4) == 0 {
					data[at] = 0xff
				}
			}
			if r.IntN(8) == 0 {
				data = data[:r.IntN(len(data))]
			}
			runtime.ReadMemStats(&before)
			start := time.Now()
			if in, err := New("damaged", data, fuzzOptions); err == nil {
				look(t, in)
			}
			runtime.ReadMemStats(&after)
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("%v, round %d took %v", args, n, d)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<28 {
				t.Errorf("%v, round %d allocated %d bytes", args, n, n)
			}
		}
	}
}

var fuzzFunc = reflect.TypeFor[func(*goNode, goPoint, string, float64, ...any) int32]()
