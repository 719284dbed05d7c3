package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weld"
	"weld/image/elf"
	"weld/internal/testenv"
)

func init() { testenv.Child("mutate", mutateChild) }

// A damage makes the n-th damaged version of a good file; done says that there
// is no n-th.
type damage func(good []byte, n int) (bad []byte, what string, done bool)

var damages = map[string]damage{
	// Every prefix, by steps of 64 bytes.
	"prefix": func(good []byte, n int) ([]byte, string, bool) {
		size := 64 * n
		if size >= len(good) {
			return nil, "", true
		}
		return good[:size], fmt.Sprintf("the first %d bytes", size), false
	},
	// One random byte or word; half of the time in the first page or the
	// dynamic section, where most of it matters.
	"mutation": func(good []byte, n int) ([]byte, string, bool) {
		r := rand.New(rand.NewPCG(7, uint64(n)))
		bad := slices.Clone(good)
		off := r.IntN(len(bad))
		switch r.IntN(4) {
		case 0:
			off = r.IntN(min(4096, len(bad)))
		case 1:
			if from, size := dynamicSection(good); size > 0 {
				off = from + r.IntN(size)
			}
		}
		switch r.IntN(3) {
		case 0:
			bad[off] ^= 1 << r.IntN(8)
		case 1:
			bad[off] = byte(r.Uint32())
		case 2:
			off = min(off&^7, len(bad)-8)
			binary.LittleEndian.PutUint64(bad[off:], r.Uint64()>>r.IntN(64))
		}
		return bad, fmt.Sprintf("mutation %d, at offset %#x", n, off), false
	},
	// Every word of the headers and the dynamic section, with values at the edges.
	"edge": func(good []byte, n int) ([]byte, string, bool) {
		values := []uint64{0, 1, 7, uint64(len(good)) - 1, uint64(len(good)), 1<<31 - 1, 1 << 32, 1<<47 - 1, 1<<63 - 1, 1 << 63, ^uint64(0) &^ 0xfff, ^uint64(0)}
		word, v := n/len(values), values[n%len(values)]
		header := int(binary.LittleEndian.Uint64(good[32:])) + 56*int(binary.LittleEndian.Uint16(good[56:]))
		from, size := dynamicSection(good)
		off := 8 * word
		if off >= header {
			off += from - header
		}
		if off >= from+size {
			return nil, "", true
		}
		bad := slices.Clone(good)
		binary.LittleEndian.PutUint64(bad[off:], v)
		return bad, fmt.Sprintf("%#x at offset %#x", v, off), false
	},
}

// dynamicSection returns the place of PT_DYNAMIC in a good file.
func dynamicSection(good []byte) (from, size int) {
	phoff, phnum := int(binary.LittleEndian.Uint64(good[32:])), int(binary.LittleEndian.Uint16(good[56:]))
	for i := range phnum {
		p := good[phoff+56*i:]
		if binary.LittleEndian.Uint32(p) == 2 {
			return int(binary.LittleEndian.Uint64(p[8:])), int(binary.LittleEndian.Uint64(p[32:]))
		}
	}
	return 0, 0
}

// mutateChild loads damaged versions from to to of a file, without running any
// code of them, and writes the number it is at to file 3.
func mutateChild(args []string) {
	damaged, path := damages[args[0]], args[1]
	from, _ := strconv.Atoi(args[2])
	to, _ := strconv.Atoi(args[3])
	good, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	progress := os.NewFile(3, "progress")
	opened, refused := 0, 0
	for n := from; n < to; n++ {
		bad, what, done := damaged(good, n)
		if done {
			break
		}
		var at [8]byte
		binary.LittleEndian.PutUint64(at[:], uint64(n))
		progress.WriteAt(at[:], 0)
		start := time.Now()
		lib, err := weld.Load("libmutated.so", bytes.NewReader(bad), int64(len(bad)), weld.Now, weld.NoInit)
		if err != nil {
			refused++
			if !typed(err) {
				fmt.Fprintf(os.Stderr, "%s: the error is not typed: %T: %v\n", what, err, err)
				os.Exit(3)
			}
		} else {
			opened++
			if err := lib.Close(); err != nil {
				fmt.Fprintf(os.Stderr, "%s: close: %v\n", what, err)
				os.Exit(4)
			}
		}
		if d := time.Since(start); d > 30*time.Second {
			fmt.Fprintf(os.Stderr, "%s: took %v\n", what, d)
			os.Exit(5)
		}
	}
	// Damage can make a library that stays: DF_1_NODELETE or STB_GNU_UNIQUE.
	kept := slices.ContainsFunc(weld.Libraries(), func(l *weld.Library) bool { return strings.Contains(l.Path, "libmutated") })
	if leaks := mappingsOf("libmutated"); leaks > 0 && !kept {
		fmt.Fprintf(os.Stderr, "%d mappings are left\n", leaks)
		os.Exit(6)
	}
	fmt.Println(opened, refused)
}

func mappingsOf(name string) int {
	data, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return -1
	}
	return strings.Count(string(data), name)
}

// typed reports whether an error of opening is one of those that are documented.
func typed(err error) bool {
	var format *elf.FormatError
	var open *weld.OpenError
	var undefined *weld.UndefinedError
	var reloc *weld.RelocError
	return errors.As(err, &format) || errors.As(err, &open) || errors.As(err, &undefined) || errors.As(err, &reloc)
}

func TestDamagedFiles(t *testing.T) {
	d := testenv.NewDir(t)
	fixtures := []string{
		d.Shared("libtls.so", "tls.c", "-pthread", "-g0"),
		d.Shared("libversion.so", "version.c", "-DNEW", "-g0", "-Wl,--version-script,"+testdata(t, "version2.map"), "-Wl,-z,pack-relative-relocs"),
		d.Shared("libsysv.so", "relr.c", "which.c", "-DWHICH=1", "-g0", "-Wl,--hash-style=sysv"),
		d.Shared("libplus.so", "tls_destructor.cc", "-g0"),
	}
	mutations := 100_000
	if testing.Short() {
		mutations = 2000
	}
	type job struct {
		kind, path string
		from, to   int
	}
	var jobs []job
	for _, f := range fixtures {
		jobs = append(jobs, job{"prefix", f, 0, 1 << 30}, job{"edge", f, 0, 1 << 30})
		each := mutations / len(fixtures)
		for from := 0; from < each; from += 5000 {
			jobs = append(jobs, job{"mutation", f, from, min(from+5000, each)})
		}
	}
	work := make(chan job)
	var wg sync.WaitGroup
	var mu sync.Mutex
	opened, refused := 0, 0
	for range 2 {
		wg.Go(func() {
			for j := range work {
				o, r := runDamage(t, j.kind, j.path, j.from, j.to)
				mu.Lock()
				opened, refused = opened+o, refused+r
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		work <- j
	}
	close(work)
	wg.Wait()
	t.Logf("%d damaged files: %d opened all the same, %d refused", opened+refused, opened, refused)
	if opened+refused < mutations {
		t.Errorf("%d damaged files were tried, want at least %d", opened+refused, mutations)
	}
}

// runDamage goes on after a version that ends the process, a few times.
func runDamage(t *testing.T, kind, path string, from, to int) (opened, refused int) {
	t.Helper()
	progress, err := os.CreateTemp(t.TempDir(), "progress")
	if err != nil {
		t.Error(err)
		return
	}
	defer progress.Close()
	for range 5 {
		cmd := testenv.ChildCommand(t, "mutate", kind, path, strconv.Itoa(from), strconv.Itoa(to))
		cmd.ExtraFiles = []*os.File{progress}
		r := testenv.Run(t, cmd, 5*time.Minute)
		var o, f int
		if _, err := fmt.Sscan(string(r.Stdout), &o, &f); err == nil && r.Code == 0 {
			return opened + o, refused + f
		}
		var at [8]byte
		progress.ReadAt(at[:], 0)
		n := int(binary.LittleEndian.Uint64(at[:]))
		what := ""
		if good, err := os.ReadFile(path); err == nil {
			_, what, _ = damages[kind](good, n)
		}
		t.Errorf("%s %s %d (%s): %v\n%s%s", path, kind, n, what, r, r.Stdout, tail(r.Stderr, 30))
		if n < from {
			return
		}
		refused += n + 1 - from
		from = n + 1
	}
	return
}
