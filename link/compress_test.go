package link_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
)

// debugSections returns the content of the debug sections of a file, and how many are compressed.
func debugSections(t testing.TB, path string) (content map[string][]byte, compressed int) {
	t.Helper()
	data := read(t, path)
	secs, err := openELF(t, path).Sections()
	if err != nil {
		t.Fatal(err)
	}
	content = map[string][]byte{}
	for _, s := range secs {
		if strings.HasPrefix(s.Name, ".debug_") {
			content[s.Name] = data[s.Off : s.Off+s.Size]
			if s.Flags&elf.SHF_COMPRESSED != 0 {
				compressed++
			}
		}
	}
	return content, compressed
}

// TestCompressedOutput compresses debug sections: binutils and gdb read them, and find what is there without compression.
func TestCompressedOutput(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	for _, n := range []string{"cxx", "cxx_other"} {
		d.Object(n+".o", n+".cc", "-fPIC")
	}
	// More than one piece of each section that is merged, and content that does not become smaller.
	var long strings.Builder
	long.WriteString("\t.section .debug_str,\"MS\",@progbits,1\n")
	for i := range 2000 {
		long.WriteString("\t.string \"")
		for k := range 30 {
			fmt.Fprintf(&long, "a long name of a type %x ", (i*30+k)*0x9e3779b1&0xffffffff)
		}
		long.WriteString("\"\n")
	}
	long.WriteString("\t.section .debug_odd,\"\",@progbits\n")
	for i := range uint64(500) {
		fmt.Fprintf(&long, "\t.quad %#x\n", (i*2+1)*0x9e3779b97f4a7c15)
	}
	long.WriteString("\t.section .note.GNU-stack,\"\",@progbits\n")
	d.Object("long.o", d.Write("long.s", long.String()), "-g0")
	objs := []string{"cxx.o", "cxx_other.o", "long.o"}
	build := func(name string, args ...string) {
		tool(t, d.Path, "g++", append(append([]string{"-B", weld, "-o", name}, objs...), args...)...)
	}
	build("plain")
	want, n := debugSections(t, d.Join("plain"))
	if n != 0 || len(want) < 5 {
		t.Fatalf("%d of %d sections are compressed without the option", n, len(want))
	}
	for _, kind := range []string{"zlib", "zstd"} {
		build(kind, "-Wl,--compress-debug-sections="+kind)
		if _, n := debugSections(t, d.Join(kind)); n < 5 {
			t.Errorf("%s: only %d sections are compressed", kind, n)
		}
		if out := tool(t, d.Path, "readelf", "-t", kind); !strings.Contains(out, strings.ToUpper(kind)+", ") || strings.Contains(out, "Warning") {
			t.Errorf("%s: readelf says\n%s", kind, out) // eu-elflint takes half a minute for the strings
		}
		tool(t, d.Path, "objcopy", "--decompress-debug-sections", kind, kind+".plain")
		got, _ := debugSections(t, d.Join(kind+".plain"))
		for name, data := range want {
			if !bytes.Equal(got[name], data) {
				t.Errorf("%s: %s has %d bytes that differ from the %d of the other output", kind, name, len(got[name]), len(data))
			}
		}
		if got := testenv.Run(t, exec.Command(d.Join(kind)), testenv.Patience); got.Code != 7 {
			t.Errorf("%s: %s", kind, got)
		}
	}
	out := tool(t, d.Path, "gdb", "-nx", "-batch", "-ex", "info line main", "zlib")
	if !strings.Contains(out, "of \"") || !strings.Contains(out, "cxx.cc\"") {
		t.Errorf("gdb: %s", out)
	}
	status, _, msg := command(t, d, "long.o", "-o", "x", "--compress-debug-sections=lzma")
	if status != 2 {
		t.Errorf("an unknown way of compression: status %d, %s", status, msg)
	}
}

// TestCompressedInput links objects whose debug sections are compressed: the output is the same.
func TestCompressedInput(t *testing.T) {
	d := testenv.NewDir(t)
	obj := d.Object("cxx_other.o", "cxx_other.cc", "-fPIC")
	opt := link.Options{Inputs: []link.Input{{Path: obj}}, Mode: link.Shared}
	want, err := link.Link(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"zlib", "zstd"} {
		tool(t, d.Path, "objcopy", "--compress-debug-sections="+kind, obj, kind+".o")
		if _, n := debugSections(t, d.Join(kind+".o")); n == 0 {
			t.Fatalf("objcopy has not compressed with %s", kind)
		}
		data := read(t, d.Join(kind+".o"))
		opt.Inputs = []link.Input{{Data: data, Name: obj}}
		got, err := link.Link(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		a, b := d.Write("a", string(want.Data)), d.Write("b", string(got.Data))
		was, _ := debugSections(t, a)
		is, _ := debugSections(t, b)
		for name := range was {
			if !bytes.Equal(was[name], is[name]) {
				t.Errorf("%s: %s differs", kind, name)
			}
		}
		// Damage in the compressed data is an error or goes unseen, and no more.
		secs, err := openELF(t, d.Join(kind+".o")).Sections()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secs {
			if s.Flags&elf.SHF_COMPRESSED == 0 {
				continue
			}
			for k := uint64(0); k < s.Size; k += 1 + s.Size/15 {
				bad := bytes.Clone(data)
				bad[s.Off+k] ^= 0x55
				opt.Inputs = []link.Input{{Data: bad, Name: "damaged"}}
				if res, err := link.Link(t.Context(), opt); err == nil && res.Size > 2*want.Size {
					t.Errorf("%s: a byte of %s has made the output %d bytes large", kind, s.Name, res.Size)
				}
			}
		}
	}
}

// TestCompressedDeterministic compresses with one thread and with several.
func TestCompressedDeterministic(t *testing.T) {
	d := testenv.NewDir(t)
	obj := d.Object("cxx_other.o", "cxx_other.cc", "-fPIC")
	for _, kind := range []link.Compression{link.CompressZlib, link.CompressZstd} {
		var first []byte
		for threads := 1; threads < 5; threads++ {
			res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Mode: link.Shared, Compress: kind, Threads: threads, BuildID: link.BuildIDSHA1})
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = res.Data
			}
			if !bytes.Equal(first, res.Data) {
				t.Errorf("with %d threads the output differs", threads)
			}
		}
	}
}
