package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// FuzzOperations does to an object what the input says, in order or not: what cannot be is refused with an *Error, what is
// bound is found, and after it all the file says what the object does.
func FuzzOperations(f *testing.F) {
	f.Add([]byte("\x00\x10\x04\x00\x01\x00\x00\x05\x02\x00\x00\x00\x00\x10\x07\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x40\x04\x00\x00\x02\x00\x00\x08\x10\x02\x01\x00\x04\x08\x51\x07\x00\x00\x00\x00\x05\x00\x00\x00\x00\x07\x00\x00\x00\x00"))
	f.Add([]byte("\x00\xff\x0c\x03\x00\x02\x07\x00\x01\xff\x00\x03\x07\x00\x00\x00\x00\x04\x07\x01\x00\x00\x00\x06\x00\x00\x00\x00\x07\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x30\x00\x00\x00\x02\x00\x00\x08\x12\x02\x01\x80\x05\x12")) // across the end of one by CFI
	f.Fuzz(func(t *testing.T, ops []byte) {
		o, err := New(nil, "fuzz", Options{Memory: true, Text: 1 << 20, ROData: 1 << 20, Data: 1 << 20, BSS: 1 << 20, Symbols: 4000})
		check(t, err)
		defer o.Close()
		var blocks []*Block
		raw, steps := false, false    // a function described by steps in one by CFI would leave a gap
		bound := map[string]uintptr{} // names without a version, as of the next commit
		name := func(b byte) string { return "n" + strconv.Itoa(int(b%12)) }
		at := func(b byte) *Block {
			if len(blocks) == 0 {
				return nil
			}
			return blocks[int(b)%len(blocks)]
		}
		for ; len(ops) >= 5 && len(blocks) < 500; ops = ops[5:] {
			a, b, c, d := ops[1], ops[2], ops[3], ops[4]
			var err error
			switch ops[0] % 9 {
			case 0:
				var block *Block
				if block, err = o.Alloc(int(a)-2, 1<<(b%14), Kind(c%5)); err == nil {
					blocks = append(blocks, block)
				}
			case 1:
				if block := at(a); block != nil {
					err = block.Write(int(b)-2, make([]byte, c))
				}
			case 2:
				opts := []BindOption{Offset(int(c)%20 - 2), Size(int(d)%70 - 2)}
				for bit, opt := range []BindOption{Replace, Hidden, Weak, Protected, Function, Lines(Line{Offset: int(c), File: "f", Line: int(d)}), Frame(Steps(Row{At: int(d % 3), CFA: RSP, Add: 16}))} {
					if b>>bit&1 == 0 || opt.what == setUnwind && raw {
						continue
					}
					steps = steps || opt.what == setUnwind
					opts = append(opts, opt)
				}
				if b == 0x80 && !raw && !steps {
					raw = true
					opts = append(opts, Frame(CFI([]byte{c, d})))
				}
				block := at(c)
				if err = o.Bind(name(a), block, opts...); err == nil {
					bound[name(a)] = block.Addr() + uintptr(int(c)%20-2)
				}
			case 3:
				versions := []BindOption{Version("V" + strconv.Itoa(int(b%3))), OldVersion("V" + strconv.Itoa(int(b%3)))}
				err = o.Bind("v"+name(a), at(c), versions[d&1], Replace)
			case 4:
				if err = o.Rename(name(a), name(b), Replace); err == nil && name(a) != name(b) {
					bound[name(b)] = bound[name(a)]
					delete(bound, name(a))
				}
			case 5:
				if err = o.Unbind(name(a)); err == nil {
					delete(bound, name(a))
				}
			case 6:
				block := at(a)
				if block == nil {
					continue
				}
				if b&1 != 0 {
					err = block.Free()
				} else {
					err = block.FreeNow()
				}
				for n, addr := range bound {
					if err == nil && addr-block.Addr() <= uintptr(block.Size()) && !bindsTo(o, n, block) {
						delete(bound, n)
					}
				}
			case 7:
				check(t, o.Commit())
				for i := range byte(12) {
					s, err := o.Lookup(name(i))
					if addr, ok := bound[name(i)]; ok != (err == nil) || ok && addr != s.Addr {
						t.Fatalf("%s is %#x, %v; wanted %#x, %t", name(i), s.Addr, err, addr, ok)
					}
				}
			case 8:
				err = o.Quiesce()
			}
			if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
				t.Fatalf("%T %v", err, err)
			}
		}
		check(t, o.Commit())
		verify(t, o)
	})
}

// bindsTo reports whether a name is bound to a block once all is committed.
func bindsTo(o *Object, name string, b *Block) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, err := o.find("look", name, nil)
	return err == nil && e.bound().b == b
}

// FuzzFileName has names of files in a folder that are ours or not: what is taken for ours says whose it is, and a sweep leaves
// all others.
func FuzzFileName(f *testing.F) {
	f.Add("weld-live.1.2.3.x.so")
	f.Add("weld-live.0.2.3.x.so")
	f.Add("weld-live.1.18446744073709551616.3.x.so")
	f.Add("weld-live.-1.2.3.x.so")
	dir := f.TempDir()
	was := young
	f.Cleanup(func() { young = was })
	young = 0
	f.Fuzz(func(t *testing.T, name string) {
		pid, start, ours := parseFileName(name)
		if ours {
			n, err := strconv.Atoi(pid)
			if err != nil || n <= 0 || name[:len(filePrefix)] != filePrefix {
				t.Fatalf("%q: %q %d", name, pid, start)
			}
			if p, s, ok := parseFileName(fileName("x", n, start, 1)); !ok || s != start || p != strconv.Itoa(n) {
				t.Fatalf("%q: %q %d, and again %q %d %t", name, pid, start, p, s, ok)
			}
			return
		}
		path := filepath.Join(dir, name)
		if filepath.Dir(path) != dir || os.WriteFile(path, nil, 0o600) != nil {
			return
		}
		defer os.Remove(path)
		if n, err := Sweep(dir); n != 0 || err != nil {
			t.Fatal(fmt.Sprintf("%q: ", name), n, err)
		}
	})
}
