package weld

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"weld/ctype"
	"weld/image/elf"
	"weld/internal/rtld"
)

// libraryTypes is what is known of a library's types.
type libraryTypes struct {
	mu    sync.Mutex
	infos map[infoKey]infoResult

	nothing atomic.Bool // there is nothing but what has to be asked for

	tableOnce sync.Once
	table     *ctype.SigTable // nil: there is none
	tableErr  error
}

// infoKey says where debugging information was looked for: any separate file, or one in a folder.
type infoKey struct {
	separate bool
	dir      string
}

// infoResult is what was found; an info of nil without an error is that there is nothing.
type infoResult struct {
	info *ctype.Info
	err  error
}

// signatures returns the library's table of signatures, nil if it has none.
func (l *Library) signatures() (*ctype.SigTable, error) {
	t := &l.types
	t.tableOnce.Do(func() {
		if f := l.obj.File; f != nil {
			t.table, t.tableErr = ctype.FindSigTable(f, ctype.NoteExports)
		}
	})
	return t.table, t.tableErr
}

// noDebugSize is how much a file may have behind its segments for nothing else than the names of sections, .comment and
// the like to be there.
const noDebugSize = 1 << 10

// Bounds of the debugging information that is read, and kept, for checks that nobody asked for: the library's own, and the size of a separate file.
const (
	maxUnasked         = 128 << 20
	maxUnaskedSeparate = 512 << 10
)

// debugDir is where separate files are.
const debugDir = "/usr/lib/debug"

// typesOf returns the debugging information of the file an object is of; nil if there is none.
func (l *Library) typesOf(separate bool, dir string) (*ctype.Info, error) {
	t := &l.types
	t.mu.Lock()
	defer t.mu.Unlock()
	key := infoKey{separate || dir != "", dir}
	r, done := t.infos[key]
	if !done {
		r = l.findTypes(key)
		if t.infos == nil {
			t.infos = map[infoKey]infoResult{}
		}
		t.infos[key] = r
	}
	return r.info, r.err
}

func (l *Library) findTypes(key infoKey) infoResult {
	path := l.obj.OpenPath()
	if path == "" || len(l.BuildID) == 0 && l.obj.Replaced() {
		return infoResult{}
	}
	o := &ctype.Options{BuildID: l.BuildID}
	if key.dir != "" {
		o.DebugDirs = []string{key.dir, debugDir}
	}
	if !key.separate {
		o.NoSeparate, o.MaxBytes = true, maxUnasked
		if mayHaveTypes(l.obj.File) {
			info, err := ctype.Open(path, o)
			if err != nil {
				return infoResult{nil, err}
			}
			if source, _, err := info.Source(); source != ctype.FromNowhere || err != nil {
				return infoResult{info, err}
			}
		}
		if !l.hasSmallDebugFile() {
			return infoResult{}
		}
		o.NoSeparate = false
	}
	info, err := ctype.Open(path, o)
	return infoResult{info, err}
}

// mayHaveTypes tells from the headers, which are in memory, whether a file has something that is not loaded.
func mayHaveTypes(f *elf.File) bool {
	if f == nil {
		return false
	}
	end := uint64(0)
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == elf.PT_LOAD {
			end = max(end, p.Off+p.Filesz)
		}
	}
	return f.Shoff == 0 || f.Shoff > end+noDebugSize
}

// hasSmallDebugFile looks for a separate file by the build-id.
func (l *Library) hasSmallDebugFile() bool {
	id := hex.EncodeToString(l.BuildID)
	if len(id) < 4 {
		return false
	}
	info, err := os.Stat(filepath.Join(debugDir, ".build-id", id[:2], id[2:]+".debug"))
	return err == nil && info.Mode().IsRegular() && info.Size() <= maxUnaskedSeparate
}

// errNothing is why nothing is known of a library without debugging information, where that is no error.
var errNothing = errors.New("no debugging information")

// known returns what is known of a symbol, and the library that defines it. That nothing is known is an error that says why.
func (l *Library) known(s *Symbol, opt FuncOption) (*ctype.Known, *Library, error) {
	q := ctype.Query{Name: s.Name, Type: s.Type}
	o := rtld.FindObject(s.Addr)
	if o == nil || o.System || s.Type == elf.STT_GNU_IFUNC {
		// What runs may be another function: that which an indirect one has chosen, or weld's in the place of dlopen and the like.
		if x, sym, ok := l.obj.Definition(s.Name, s.Version); ok && (x == o || sym.Type() == elf.STT_GNU_IFUNC || o == nil) {
			o = x
			q.Addr, q.Type = sym.Value, sym.Type()
		}
	}
	if o == nil || o.IsLive() {
		return nil, l, &ctype.UnknownError{File: l.Path, Name: s.Name, Why: "it is not in a file", Kind: ctype.ErrNoDebugInfo}
	}
	of := libraryOf(o)
	if q.Addr == 0 {
		q.Addr = uint64(s.Addr - of.Base)
	}
	unasked := opt.types != typesRequired && opt.debugDir == ""
	if unasked && of.types.nothing.Load() {
		return nil, of, errNothing
	}
	table, err := of.signatures()
	if err != nil {
		return nil, of, err
	}
	if table != nil {
		if e := table.Find(s.Name); e != nil && e.Signature.Hash != 0 && e.Value == q.Addr {
			k, err := e.Known(of.Path)
			return k, of, err
		}
	}
	info, err := of.typesOf(opt.types == typesRequired, opt.debugDir)
	if err != nil || info == nil {
		if err == nil && unasked && table == nil {
			of.types.nothing.Store(true)
		}
		if err == nil {
			err = &ctype.UnknownError{File: of.Path, Name: s.Name, Why: "its file has no debugging information", Kind: ctype.ErrNoDebugInfo}
		}
		return nil, of, err
	}
	k, err := info.Lookup(q)
	if err != nil && q.Type == elf.STT_GNU_IFUNC && s.Addr >= of.Base { // what its resolver has chosen may say it
		if k, err := info.Lookup(ctype.Query{Name: s.Name, Addr: uint64(s.Addr - of.Base), Type: elf.STT_FUNC}); err == nil {
			return k, of, nil
		}
	}
	return k, of, err
}

func init() {
	rtld.TypeOf = func(s *Symbol) (*ctype.Known, error) {
		o := rtld.FindObject(s.Addr)
		if o == nil || o.IsLive() {
			return nil, &ctype.UnknownError{Name: s.Name, Why: "it is not in a file", Kind: ctype.ErrNoDebugInfo}
		}
		k, _, err := libraryOf(o).known(s, FuncOption{types: typesRequired})
		return k, err
	}
}

// checkKCFI compares a Go func type with the type id before a function of which nothing else is known. Err is why that is.
func (l *Library) checkKCFI(of *Library, s *Symbol, t reflect.Type, o FuncOption, err error) error {
	if o.types == typesIgnored || s.Type != elf.STT_FUNC {
		return err
	}
	id, ok := of.typeID(s)
	if !ok {
		return err
	}
	match, certain := ctype.MatchKCFI(id, t)
	switch {
	case match:
		return nil
	case !certain:
		return err
	}
	return &TypeError{Library: of.Path, Symbol: s.Name, From: ctype.FromKCFI, File: of.Path, Go: t,
		Err: fmt.Errorf("the type id before the function, %#x, is not that of what %v stands for", id, t)}
}

// checkDeclared compares a prototype that the caller has given with the type id before the function, if it has one.
func (l *Library) checkDeclared(s *Symbol, k *ctype.Known) error {
	want, err := ctype.KCFI(k.Type)
	o := rtld.FindObject(s.Addr)
	if err != nil || o == nil || o.IsLive() || s.Type != elf.STT_FUNC {
		return nil
	}
	of := libraryOf(o)
	if id, ok := of.typeID(s); ok && !slices.Contains(want, id) {
		return &TypeError{Library: of.Path, Symbol: s.Name, From: ctype.FromKCFI, File: of.Path,
			Err: fmt.Errorf("the type id before the function, %#x, is not that of the prototype that is given, %s: %#x", id, k.Type.Declare(s.Name), want[0])}
	}
	return nil
}

// typeID returns the type id before a function. clang marks where it stands by a symbol.
func (l *Library) typeID(s *Symbol) (uint32, bool) {
	f := l.obj.File
	if f == nil || s.Addr < l.Base {
		return 0, false
	}
	addr := uint64(s.Addr - l.Base)
	id, ok := ctype.KCFIBefore(f, addr)
	if !ok {
		return 0, false
	}
	h := elf.Hash("__cfi_" + s.Name)
	_, mark, ok := f.Lookup(&h, nil)
	return id, ok && mark.Value < addr && addr-mark.Value <= maxPreamble
}

// maxPreamble bounds what stands before a function.
const maxPreamble = 256
