package live

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"weld"
	image "weld/image/elf"
	"weld/internal/testenv"
	"weld/native"
)

// What the goroutines of TestModel do.

var versions = [...]string{"V1", "V2", "V3"}

func (w *modelWorker) key() modelKey {
	k := modelKey{name: fmt.Sprintf("w%d_%d", w.id, w.rnd.IntN(150))}
	if w.rnd.IntN(4) == 0 {
		k.version = versions[w.rnd.IntN(len(versions))]
	}
	return k
}

func (w *modelWorker) block() *modelBlock { return w.blocks[w.rnd.IntN(len(w.blocks))] }

// expect compares an error with what is to be.
func (w *modelWorker) expect(what string, k modelKey, err, want error) (done bool) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Errorf("%s %v: %v, wanted %v", what, k, err, want)
	}
	return err == nil
}

func (w *modelWorker) step() {
	op := w.rnd.IntN(100)
	if len(w.blocks) == 0 {
		op = 0
	}
	switch {
	case op < 20:
		w.alloc()
	case op < 30:
		w.write(w.block())
	case op < 55:
		w.bind(w.key(), w.block())
	case op < 63:
		w.unbind(w.key())
	case op < 72:
		w.rename(w.key(), w.key())
	case op < 82:
		w.free(w.rnd.IntN(len(w.blocks)))
	case op < 85:
		w.commit()
	case op < 88:
		w.breakpoint(w.block())
	case op < 89:
		w.refer()
	default:
		w.look()
	}
}

// refer has the object import a name: one that nothing defines, or one of this worker's.
func (w *modelWorker) refer() {
	name := fmt.Sprintf("nothing%d_%d", w.id, w.rnd.IntN(20))
	if w.rnd.IntN(2) == 0 {
		name = w.key().name
	}
	m, err := w.o.Import(name, Weak)
	if err != nil || w.imports[name] != nil && w.imports[name] != m {
		w.t.Errorf("import of %s: %v", name, err)
		return
	}
	w.imports[name] = m
}

// imported looks at where the imports lead. What is unbound later, or made no function, stays; what has versions leads to the one that
// it was bound to first.
func (w *modelWorker) imported() {
	w.t.Helper()
	for name, m := range w.imports {
		to := *(*uintptr)(native.Pointer(m.Slot()))
		_, n := w.find(modelKey{name: name}, (*modelName).exported)
		if n == nil && strings.HasPrefix(name, "nothing") && to != 0 || n != nil && n.typ == image.STT_FUNC && !w.versioned[name] && to != n.b.b.Addr()+uintptr(n.off) {
			w.t.Errorf("the import of %s leads to %#x, wanted %+v", name, to, n)
		}
		if s, ok := w.o.FindAddr(m.PLT() + 4); !ok || s.Name != name+"@plt" {
			w.t.Errorf("the stub for %s is %+v", name, s)
		}
	}
}

func (w *modelWorker) alloc() {
	kind := Kind(w.rnd.IntN(int(numKinds)))
	size, align := len(returns(0))+w.rnd.IntN(200), 1<<w.rnd.IntN(7)
	if w.rnd.IntN(50) == 0 {
		size, align = size*300, page
	}
	b, err := w.o.Alloc(size, align, kind)
	if err != nil {
		w.t.Errorf("alloc: %v", err)
		return
	}
	at, err := b.At(0)
	if err != nil || len(at) != size || b.Addr()%uintptr(align) != 0 || b.Kind() != kind || len(bytes.Trim(at, "\x00")) > 0 && (kind != Text || len(bytes.Trim(at, "\x00\xcc")) > 0) {
		w.t.Errorf("%d bytes of %v at %#x: %x, %v", size, kind, b.Addr(), at, err)
	}
	m := &modelBlock{b: b, file: bytes.Clone(at), lent: true, names: map[modelKey]*modelName{}}
	m.memory = bytes.Clone(m.file)
	if w.write(m); kind == Text {
		w.code(m)
	}
	w.blocks = append(w.blocks, m)
}

// code has a block of text begin with a function.
func (w *modelWorker) code(b *modelBlock) {
	w.count++
	b.n = uint32(w.id<<20) | w.count
	w.put(b, 0, returns(b.n))
}

func (w *modelWorker) write(b *modelBlock) {
	off := 0
	if b.b.Kind() == Text {
		if w.rnd.IntN(3) == 0 {
			w.code(b)
		}
		off = len(returns(0))
	}
	off += w.rnd.IntN(len(b.file) - off + 1)
	data := make([]byte, w.rnd.IntN(len(b.file)-off+1))
	for i := range data {
		data[i] = byte(w.rnd.Uint32())
	}
	w.put(b, off, data)
}

func (w *modelWorker) put(b *modelBlock, off int, data []byte) {
	copy(b.file[off:], data)
	if w.rnd.IntN(4) > 0 {
		if err := b.b.Write(off, data); err != nil {
			w.t.Errorf("write: %v", err)
		}
		copy(b.memory[off:], data)
		return
	}
	at, err := b.b.At(off)
	if err != nil || len(at) != len(b.file)-off {
		w.t.Errorf("at: %d bytes, %v", len(at), err)
		return
	}
	copy(at, data)
	copy(b.memory[off:], b.file[off:]) // all from there on counts as written
	// Somebody else may have committed before it was.
	if b.lent = true; w.rnd.IntN(2) == 0 {
		w.bind(w.key(), b)
	}
	if b.lent {
		b.b.At(off)
	}
}

// breakpoint writes to text in memory as a debugger does, or takes back what it has written.
func (w *modelWorker) breakpoint(b *modelBlock) {
	if b.b.Kind() != Text {
		return
	}
	off := 0
	if w.rnd.IntN(2) == 0 {
		off = w.rnd.IntN(len(b.memory))
	}
	c := byte(int3)
	if b.memory[off] == int3 {
		c = b.file[off]
	}
	w.commit() // what is in memory is known then
	if off > 0 && off < len(returns(0)) || w.t.Failed() {
		return
	}
	poke(w.t, b.b.Addr()+uintptr(off), c)
	b.memory[off] = c
}

func (w *modelWorker) bind(k modelKey, b *modelBlock) {
	n := &modelName{b: b, size: len(b.file), typ: image.STT_OBJECT, vis: image.STV_DEFAULT}
	if b.b.Kind() == Text {
		n.typ = image.STT_FUNC
	}
	var opts []BindOption
	if w.rnd.IntN(3) == 0 {
		n.off = w.rnd.IntN(n.size)
		n.size -= n.off
		opts = append(opts, Offset(n.off))
	}
	if w.rnd.IntN(4) == 0 {
		n.size = w.rnd.IntN(n.size + 1)
		opts = append(opts, Size(n.size))
	}
	switch w.rnd.IntN(12) {
	case 0:
		n.typ = image.STT_NOTYPE
		opts = append(opts, Label)
	case 1:
		n.typ = image.STT_OBJECT
		opts = append(opts, Variable)
	}
	switch w.rnd.IntN(8) {
	case 0:
		n.vis = image.STV_HIDDEN
		opts = append(opts, Hidden)
	case 1:
		n.vis = image.STV_PROTECTED
		opts = append(opts, Protected)
	case 2:
		opts = append(opts, Weak)
	}
	if n.typ == image.STT_FUNC && n.size > 0 {
		switch w.rnd.IntN(10) {
		case 0:
			opts = append(opts, Lines(Line{0, "model.x", 1, 0}))
		case 1:
			opts = append(opts, Frame(NoFrame))
		case 2:
			opts = append(opts, Frame(Steps(Row{At: 0, CFA: RSP, Add: 8}, Row{At: n.size, CFA: RBP, Add: 16})))
			w.expect("bind", k, w.o.Bind(k.name, b.b, opts...), ErrUnwind)
			opts[len(opts)-1] = Frame(Steps(Row{At: n.size - 1, CFA: RBP, Add: 16, Saved: []Saved{{RBP, -16}}}))
		}
	}
	switch {
	case k.version == "":
	case w.rnd.IntN(2) == 0:
		n.old = true
		opts = append(opts, OldVersion(k.version))
	default:
		opts = append(opts, Version(k.version))
	}
	replace := w.rnd.IntN(2) == 0
	if replace {
		opts = append(opts, Replace)
	}
	if w.expect("bind", k, w.o.Bind(k.name, b.b, opts...), w.taken(k, n.old, replace)) {
		w.set(k, n)
		if b.lent {
			b.lent = false
			copy(b.memory, b.file)
		}
	}
}

// taken returns the error with which a name cannot be bound.
func (w *modelWorker) taken(k modelKey, old, replace bool) error {
	if w.names[k] != nil && !replace {
		return ErrBound
	}
	for _, v := range versions {
		if n := w.names[modelKey{k.name, v}]; k.version != "" && !old && v != k.version && n != nil && !n.old {
			return ErrBound
		}
	}
	return nil
}

func (w *modelWorker) set(k modelKey, n *modelName) {
	w.drop(k)
	w.names[k], n.b.names[k] = n, n
	if k.version != "" {
		w.versioned[k.name] = true
	}
}

func (w *modelWorker) drop(k modelKey) {
	if n := w.names[k]; n != nil {
		delete(n.b.names, k)
		delete(w.names, k)
	}
}

func (w *modelWorker) unbind(k modelKey) {
	var opts []BindOption
	if k.version != "" {
		opts = append(opts, Version(k.version))
	}
	var want error
	as, n := w.find(k, all)
	if n == nil {
		want = ErrNotFound
	}
	if w.expect("unbind", k, w.o.Unbind(k.name, opts...), want) {
		w.drop(as)
	}
}

func (w *modelWorker) rename(from, to modelKey) {
	var opts []BindOption
	if from.version != "" {
		opts = append(opts, OldVersion(from.version))
	}
	replace := w.rnd.IntN(2) == 0
	if replace {
		opts = append(opts, Replace)
	}
	as, n := w.find(from, all)
	to.version = as.version
	var want error
	switch {
	case n == nil:
		want = ErrNotFound
	case from.name != to.name:
		want = w.taken(to, n.old, replace)
	}
	if w.expect("rename to "+to.name, from, w.o.Rename(from.name, to.name, opts...), want) && from.name != to.name {
		w.drop(as)
		w.set(to, n)
	}
}

func (w *modelWorker) free(i int) {
	b := w.blocks[i]
	free := b.b.Free
	if w.rnd.IntN(2) == 0 {
		free = b.b.FreeNow
	}
	if err := free(); err != nil {
		w.t.Errorf("free: %v", err)
	}
	for k := range b.names {
		w.drop(k)
	}
	w.blocks = slices.Delete(w.blocks, i, i+1)
	w.expect("second free", modelKey{}, b.b.Free(), ErrFreed)
	w.expect("bind", modelKey{"freed", ""}, w.o.Bind("freed", b.b), ErrFreed)
	w.expect("write", modelKey{}, b.b.Write(0, []byte{1}), ErrFreed)
}

// commit commits, and looks at some of what this worker has done: it is all there then, whatever others do meanwhile.
func (w *modelWorker) commit() {
	if err := w.o.Commit(); err != nil {
		w.t.Errorf("commit: %v", err)
		return
	}
	most := 5
	if testenv.Race {
		most = 3
	}
	for k := range w.names {
		if most--; most < 0 {
			break
		}
		w.published(k)
		w.asLibrary(w.o.Library(), k, w.o.Base())
	}
	for range 3 {
		if len(w.blocks) > 0 {
			w.content(w.block())
		}
	}
}

// look looks at something of this worker's that may be committed or not: what is said of it must be possible.
func (w *modelWorker) look() {
	k := w.key()
	if s, err := w.o.LookupVersion(k.name, k.version); err == nil && (s.Name != k.name || k.version != "" && s.Version != k.version) || err != nil && !errors.Is(err, ErrNotFound) {
		w.t.Errorf("%v: %+v, %v", k, s, err)
	}
	if s, err := w.o.Library().LookupVersion(k.name, k.version); err == nil && s.Name != k.name || err != nil && !errors.Is(err, weld.ErrNotFound) {
		w.t.Errorf("%v, in the library: %+v, %v", k, s, err)
	}
	b := w.block()
	pc := b.b.Addr() + uintptr(w.rnd.IntN(len(b.file)))
	if s, ok := w.o.FindAddr(pc); ok && (pc < s.Addr || pc >= s.Addr+max(s.Size, 1)) {
		w.t.Errorf("at %#x is %+v", pc, s)
	}
	if at, ok := weld.FindAddr(pc); !ok || at.Library != w.o.Library() {
		w.t.Errorf("at %#x is %+v", pc, at)
	}
}
