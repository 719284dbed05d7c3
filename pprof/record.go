package pprof

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/google/pprof/profile"
	"github.com/ianlancetaylor/demangle"

	"weld/internal/rtld"
	"weld/internal/symbols"
	"weld/native"
)

// maxFrames is how many native frames a sample has.
const maxFrames = 128

// recorder turns samples of native code into frames with names.
type recorder struct {
	mu      sync.Mutex
	foreign bool // see flush
	stacks  map[int][]*profile.Location
	known   map[string][]*profile.Location // stacks by their frames

	frames   []rtld.Frame
	objects  []*rtld.Object
	key      []byte
	locs     map[place]*profile.Location
	mappings map[place]*profile.Mapping
	funcs    map[profile.Function]*profile.Function
	tables   map[*rtld.Object]symbols.Table
	goCode   map[*profile.Location]bool // in the program itself
	lined    map[*profile.Location]bool // addLines has seen it
	lost     *profile.Location
}

// place is an address in an object: another may have been there before.
type place struct {
	o  *rtld.Object
	pc uintptr
}

func (r *recorder) init() {
	r.stacks = map[int][]*profile.Location{}
	r.known = map[string][]*profile.Location{}
	r.locs = map[place]*profile.Location{}
	r.mappings = map[place]*profile.Mapping{}
	r.funcs = map[profile.Function]*profile.Function{}
	r.tables = map[*rtld.Object]symbols.Table{}
	r.goCode = map[*profile.Location]bool{}
	r.lined = map[*profile.Location]bool{}
	r.lost = &profile.Location{Line: []profile.Line{{Function: r.function("[native code]", "", "")}}}
}

// add notes a sample. The objects that its frames are in are still mapped.
func (r *recorder) add(s *native.Sample) {
	r.foreign = r.foreign || s.Foreign
	r.frames = rtld.Unwind(r.frames[:0], maxFrames, s.Regs[:], s.Word)
	r.key, r.objects = r.key[:0], r.objects[:0]
	for _, f := range r.frames {
		p := place{rtld.FindObject(f.Call()), f.Call()}
		r.objects = append(r.objects, p.o)
		r.key = append(r.key, (*[unsafe.Sizeof(p)]byte)(unsafe.Pointer(&p))[:]...)
	}
	list, ok := r.known[string(r.key)]
	if !ok {
		for i, f := range r.frames {
			list = append(list, r.location(place{r.objects[i], f.Call()}))
		}
		r.known[string(r.key)] = list
	}
	r.stacks[s.ID] = list
}

func (r *recorder) location(p place) *profile.Location {
	if l := r.locs[p]; l != nil {
		return l
	}
	l := &profile.Location{Address: uint64(p.pc)}
	if p.o != nil {
		name := r.name(p)
		l.Mapping = r.mapping(p)
		l.Line = []profile.Line{{Function: r.function(plain(name), name, "")}}
	} else if f := runtime.FuncForPC(p.pc); f != nil {
		file, line := f.FileLine(p.pc)
		l.Line = []profile.Line{{Function: r.function(f.Name(), f.Name(), file), Line: int64(line)}}
		r.goCode[l] = true
	} else {
		r.unknown(l)
	}
	r.locs[p] = l
	return l
}

// name returns the name of the function at a place, as the file has it.
func (r *recorder) name(p place) string {
	t, ok := r.tables[p.o]
	if !ok {
		t = symbols.Read(p.o.OpenPath(), p.o.BuildID)
		r.tables[p.o] = t
	}
	if f, ok := t.Find(uint64(p.pc - p.o.Mapping.Bias)); ok {
		return f.Name
	}
	if at, ok := rtld.Locate(p.pc); ok && at.Symbol != "" {
		return strings.Clone(at.Symbol)
	}
	base := filepath.Base(p.o.Path)
	if start, ok := p.o.Function(p.pc); ok {
		return fmt.Sprintf("%s+%#x", base, start-p.o.Mapping.Bias)
	}
	return "[" + base + "]"
}

// plain is a name as go tool pprof shows it: one of C++ or Rust without parameters.
func plain(name string) string {
	if strings.HasPrefix(name, "_Z") || strings.HasPrefix(name, "_R") {
		return demangle.Filter(name, demangle.NoParams, demangle.NoEnclosingParams, demangle.NoTemplateParams)
	}
	return name
}

func (r *recorder) function(name, system, file string) *profile.Function {
	k := profile.Function{Name: name, SystemName: system, Filename: file}
	f := r.funcs[k]
	if f == nil {
		f = &k
		r.funcs[k] = f
	}
	return f
}

func (r *recorder) mapping(p place) *profile.Mapping {
	start, limit, offset := p.o.Text(p.pc)
	k := place{p.o, start}
	m := r.mappings[k]
	if m == nil {
		m = &profile.Mapping{
			Start: uint64(start), Limit: uint64(limit), Offset: uint64(offset), File: p.o.Path,
			BuildID: fmt.Sprintf("%x", p.o.BuildID), HasFunctions: true,
		}
		r.mappings[k] = m
	}
	return m
}

// unknown describes code that is in no object: that of the kernel (vdso), or made at run time.
func (r *recorder) unknown(l *profile.Location) {
	name := "[code made at run time]"
	if f, err := os.Open("/proc/self/maps"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			var lo, hi uint64
			if n, _ := fmt.Sscanf(s.Text(), "%x-%x", &lo, &hi); n != 2 || l.Address < lo || l.Address >= hi {
				continue
			}
			if f := strings.Fields(s.Text()); len(f) > 5 {
				name = f[5]
			}
			k := place{nil, uintptr(lo)}
			if r.mappings[k] == nil {
				r.mappings[k] = &profile.Mapping{Start: lo, Limit: hi, File: name, HasFunctions: true}
			}
			l.Mapping = r.mappings[k]
			break
		}
	}
	l.Line = []profile.Line{{Function: r.function(name, name, "")}}
}
