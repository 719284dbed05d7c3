package native

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
)

// TestMapImage maps libraries of the system, twice each, the second time where the first was: the pages of each segment have
// its protection and the bytes of the file, and what is behind those is zero.
func TestMapImage(t *testing.T) {
	files, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/lib[a-z]*.so.*")
	d := testenv.NewDir(t)
	d.Write("parts.c", "const int a[3000] = {1, 2}; int b[5000] = {3}; int c[70000]; int f(void) { return a[1] + b[0] + c[0]; }")
	for i, flags := range []string{"-Wl,-z,noseparate-code", "-Wl,-z,separate-code", "-Wl,-z,max-page-size=0x200000", "-Wl,-z,norelro"} {
		files = append(files, d.Shared(fmt.Sprintf("libparts%d.so", i), d.Join("parts.c"), flags))
	}
	mapped := 0
	for i, path := range files {
		if i%8 != 0 && i < len(files)-4 {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		st, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.ReadHead(path, file, st.Size())
		if err != nil || f.CheckLoad(PageSize) != nil {
			file.Close() // no library, a linker script or one for gdb
			continue
		}
		for range 2 {
			m, err := MapImage(f, int(file.Fd()))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				break
			}
			checkImage(t, f, file, m)
			if err := m.Unmap(); err != nil {
				t.Error(err)
			}
			mapped++
		}
		file.Close()
	}
	if mapped < 20 {
		t.Errorf("%d images were mapped", mapped)
	}
}

func checkImage(t *testing.T, f *elf.File, file *os.File, m Mapping) {
	t.Helper()
	maps := testenv.Maps(t)
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Type != elf.PT_LOAD || p.Memsz == 0 {
			continue
		}
		start := m.Bias + uintptr(p.Vaddr)
		want := []byte("---p")
		for i, flag := range []elf.ProgFlag{elf.PF_R, elf.PF_W, elf.PF_X} {
			if p.Flags&flag != 0 {
				want[i] = "rwx"[i]
			}
		}
		for at := pageDown(start); at < start+uintptr(p.Memsz); {
			before := at
			for _, x := range maps {
				if uintptr(x.Start) <= at && at < uintptr(x.End) {
					if x.Perm != string(want) {
						t.Errorf("%s: %#x of segment %d has %s, want %s", f.Name, at-m.Bias, i, x.Perm, want)
					}
					at = uintptr(x.End)
					break
				}
			}
			if at == before {
				t.Fatalf("%s: nothing is mapped at %#x of segment %d", f.Name, at-m.Bias, i)
			}
		}
		if p.Flags&elf.PF_R == 0 {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := file.ReadAt(data, int64(p.Off)); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if got := Bytes(start, uintptr(p.Memsz)); !bytes.Equal(got[:p.Filesz], data) || len(bytes.TrimLeft(got[p.Filesz:], "\x00")) > 0 {
			t.Errorf("%s: segment %d differs from the file", f.Name, i)
		}
	}
}
