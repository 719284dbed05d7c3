package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
)

func init() {
	// A process that may not write files as large as the output.
	testenv.Child("link-limited", func(args []string) {
		limit, _ := strconv.ParseUint(args[0], 10, 64)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		_, err := link.Link(context.Background(), link.Options{Inputs: []link.Input{{Path: args[1]}}, Output: args[2]})
		fmt.Println(err)
		if fe := new(link.FileError); !errors.As(err, &fe) || fe.File != args[2] {
			os.Exit(4)
		}
	})
	// A process in a namespace of its own, where a file system of a few pages is mounted.
	testenv.Child("link-full", func(args []string) {
		dir, obj := args[0], args[1]
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
			fmt.Println("mount:", err)
			os.Exit(3)
		}
		out := filepath.Join(dir, "out")
		if err := os.WriteFile(out, []byte("old"), 0o666); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		_, err := link.Link(context.Background(), link.Options{Inputs: []link.Input{{Path: obj}}, Output: out})
		left, _ := os.ReadDir(dir)
		data, _ := os.ReadFile(out)
		fmt.Println(err, len(left), string(data))
		if !errors.Is(err, syscall.ENOSPC) || strings.Count(err.Error(), "cannot write") != 1 || len(left) != 1 || string(data) != "old" {
			os.Exit(4)
		}
	})
}

// TestFullDisk writes where there is no room: it is an error, the old file stays, and nothing is left beside it.
func TestFullDisk(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "large", "\t.globl _start\n_start:\tnop\n\t.data\n\t.fill 300000, 1, 7\n\t.section .rodata, \"a\", @progbits\n\t.fill 3000000, 1, 7\n\t.section .note.GNU-stack,\"\",@progbits\n")
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	if err := os.WriteFile(out, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := testenv.ChildCommand(t, "link-limited", "100000", obj, out)
	if r := testenv.Run(t, cmd, testenv.Patience); r.Code != 0 {
		t.Errorf("with a limit of 100000 bytes: %s\n%s", r, r.Stdout)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || string(read(t, out)) != "old" {
		t.Errorf("with a limit: %d files are left, %v", len(left), err)
	}
	cmd = testenv.ChildCommand(t, "link-full", t.TempDir(), obj)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if r := testenv.Run(t, cmd, testenv.Patience); r.Code != 0 {
		t.Errorf("on a full file system: %s\n%s%s", r, r.Stdout, r.Stderr)
	}
	_, err = link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Output: "/dev/full"})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("to /dev/full: error %v", err)
	}
}

// TestFourGigabytes links an object whose sections say they have 4 GiB and more, in a file with holes: into memory it is too large,
// and without content it is a program.
func TestFourGigabytes(t *testing.T) {
	d := testenv.NewDir(t)
	obj := read(t, assemble(t, d, "small", "\t.globl _start\n_start:\tmov $60, %eax\n\tmovabs $last, %rcx\n\tmovb $7, (%rcx)\n\tmovzbl (%rcx), %edi\n\tsyscall\n\t.section .lbss,\"awl\",@nobits\n\t.skip 0x140000000\nlast:\t.skip 1\n\t.section .note.GNU-stack,\"\",@progbits\n"))
	out := d.Join("huge")
	res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: obj, Name: "small"}}, Output: out})
	if err != nil || res.Size > 1<<20 {
		t.Fatalf("sections without content: %v", err)
	}
	if r := testenv.Run(t, exec.Command(out), testenv.Patience); r.Code != 7 {
		t.Errorf("%s, wanted exit status 7", r)
	}
	// The same object with a section of 4 GiB of content, which is a hole of the file.
	sparse := d.Join("sparse.o")
	const hole = 5 << 30
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := bytes.Clone(obj)
	le := binary.LittleEndian
	h, err := elf.ParseHeader("small", data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(h.Shnum) {
		s := data[h.Shoff+i*64:]
		if le.Uint64(s[32:]) == 0x140000001 {
			le.PutUint32(s[4:], uint32(elf.SHT_PROGBITS))
			le.PutUint64(s[24:], 1<<20)
			le.PutUint64(s[32:], hole)
		}
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1<<20 + hole); err != nil {
		t.Fatal(err)
	}
	for _, opt := range []link.Options{{MaxOutput: 4 << 30}, {MaxOutput: 4 << 30, Output: d.Join("none")}, {Mode: link.Relocatable, MaxOutput: 1 << 30}} {
		opt.Inputs = []link.Input{{Path: sparse}}
		if _, err := link.Link(t.Context(), opt); !errors.Is(err, link.ErrTooLarge) {
			t.Errorf("a section of %d bytes of content: error %v, wanted ErrTooLarge", hole, err)
		}
	}
	if err := os.Truncate(sparse, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: sparse}}}); !errors.Is(err, link.ErrTruncated) {
		t.Errorf("the file without it: error %v, wanted ErrTruncated", err)
	}
}

// mutable returns files of each kind that is read, to be damaged.
func mutable(t testing.TB) map[string][]byte {
	d := testenv.NewDir(t)
	files := map[string][]byte{}
	for _, n := range []string{"cxx.cc", "tls.c", "old.S", "features.c", "strings.c"} {
		files[n] = read(t, d.Object(n+".o", n, "-g1", "-w"))
	}
	tool(t, d.Path, "ar", "rcs", "x.a", "tls.c.o", "strings.c.o")
	files["archive"] = read(t, d.Join("x.a"))
	tool(t, d.Path, "objcopy", "--compress-debug-sections=zstd", "tls.c.o", "z.o")
	files["compressed"] = read(t, d.Join("z.o"))
	files["library"] = read(t, d.Shared("lib.so", d.Write("lib.c", "int environ; int f(void) { return environ; }\n"), "-nostdlib"))
	return files
}

// linkDamaged links a damaged file in one of many ways; a panic is what is looked for, and an output that is not what it says.
func linkDamaged(t testing.TB, name string, data []byte, n int) {
	opt := link.Options{
		Inputs: []link.Input{{Data: data, Name: name, WholeArchive: n&1 != 0}, {Data: []byte("INPUT()"), Name: "script"}},
		Mode:   []link.Mode{link.PIE, link.Shared, link.Exec, link.Relocatable}[n%4], Threads: 1, MaxOutput: 16 << 20, EhFrameHdr: true,
		GCSections: n&4 != 0, PackRelative: n&8 != 0, ICF: link.ICFKind(n >> 4 % 3), GDBIndex: n&16 != 0, EmitRelocs: n&32 != 0, Unresolved: link.Unresolved(n >> 6 % 3), ErrorLimit: 5,
		Compress: link.Compression(n >> 3 % 3), BuildID: link.BuildIDSHA1,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := link.Link(ctx, opt)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: a link of %d bytes takes more than a minute", name, len(data))
	}
	if err == nil && int64(len(res.Data)) != res.Size {
		t.Errorf("%s: an output of %d bytes says it has %d", name, len(res.Data), res.Size)
	}
}

// mutate changes a few places of data, as a seed says.
func mutate(data []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	data = bytes.Clone(data)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(data))
		switch r.IntN(5) {
		case 0:
			data[at] = byte(r.Uint32())
		case 1:
			data[at] ^= 1 << r.IntN(8)
		case 2:
			if at &^= 7; at+8 <= len(data) {
				values := []uint64{0, 1, 1 << 31, 1<<32 - 1, 1 << 62, 1<<64 - 1, uint64(len(data)), r.Uint64()}
				binary.LittleEndian.PutUint64(data[at:], values[r.IntN(len(values))])
			}
		case 3:
			if at &^= 3; at+4 <= len(data) {
				binary.LittleEndian.PutUint32(data[at:], []uint32{0, 1, 1<<31 - 1, 1<<32 - 1, 0xffff, r.Uint32()}[r.IntN(6)])
			}
		case 4:
			from := r.IntN(len(data))
			copy(data[at:], data[from:min(from+1+r.IntN(32), len(data))])
		}
	}
	return data
}

func mutations(t *testing.T, perFile int) {
	for name, data := range mutable(t) {
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				for n := w; n < perFile; n += 2 {
					linkDamaged(t, name, mutate(data, uint64(n)), n)
				}
			})
		}
		wg.Wait()
	}
}

// TestMutations links damaged files: each is an error or a link.
func TestMutations(t *testing.T) { mutations(t, 40) }

// TestMutationsSoak does so 100000 times, and with every prefix.
func TestMutationsSoak(t *testing.T) {
	testenv.NeedSoak(t, "100,000 links take a quarter of an hour; TestMutations does 40 of them")
	mutations(t, 100000/8)
	for name, data := range mutable(t) {
		for n := range data {
			linkDamaged(t, name, data[:n:n], n)
		}
	}
}

// A failing reader has errors of its own.
type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// TestReaders has readers that fail, end too early, and are read by several links at once.
func TestReaders(t *testing.T) {
	d := testenv.NewDir(t)
	start := read(t, assemble(t, d, "start", freestanding))
	status := read(t, assemble(t, d, "status", "\t.globl status\n\t.set status, 0x400000\n"))
	own := errors.New("own error")
	for _, in := range []struct {
		link.Input
		want error
	}{
		{link.Input{Name: "fails", Reader: failing{own}, Size: 10}, own},
		{link.Input{Name: "short", Reader: bytes.NewReader(start[:100]), Size: int64(len(start))}, link.ErrTruncated},
		{link.Input{Name: "negative", Reader: bytes.NewReader(start), Size: -1}, link.ErrTooLarge},
		{link.Input{Name: "huge", Reader: bytes.NewReader(start), Size: 1 << 60}, link.ErrTooLarge},
		{link.Input{Name: "long", Reader: io.NewSectionReader(bytes.NewReader(start), 0, 1<<40), Size: 1 << 40}, link.ErrTruncated},
	} {
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{in.Input}})
		if !errors.Is(err, in.want) || !strings.Contains(err.Error(), in.Name) {
			t.Errorf("%s: error %v, wanted %v", in.Name, err, in.want)
		}
	}
	reader := bytes.NewReader(start)
	results := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			res, err := link.Link(t.Context(), link.Options{
				Inputs: []link.Input{{Name: "start", Reader: reader, Size: reader.Size()}, {Name: "status", Data: status}}, ImageBase: 0x10000 * uint64(1+i%2),
			})
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = res.Data
		})
	}
	wg.Wait()
	for i := 2; i < len(results); i++ {
		if !bytes.Equal(results[i], results[i-2]) {
			t.Errorf("link %d differs from link %d of the same", i, i-2)
		}
	}
	if bytes.Equal(results[0], results[1]) {
		t.Error("options of one link have gone to another")
	}
	// The same to a writer, and to one that fails.
	var w bytes.Buffer
	opt := link.Options{Inputs: []link.Input{{Data: start, Name: "start"}, {Data: status, Name: "status"}}, ImageBase: 0x10000, Writer: &w}
	if res, err := link.Link(t.Context(), opt); err != nil || res.Data != nil || !bytes.Equal(w.Bytes(), results[0]) {
		t.Errorf("to a writer: error %v, %d bytes", err, w.Len())
	}
	r, p := io.Pipe()
	r.CloseWithError(own)
	opt.Writer = p
	if _, err := link.Link(t.Context(), opt); !errors.Is(err, own) {
		t.Errorf("to a writer that fails: error %v", err)
	}
}
