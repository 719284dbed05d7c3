package elf

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestReadAll reads sources that deliver what they say, and others.
func TestReadAll(t *testing.T) {
	small := fixture(t)
	large := append(bytes.Clone(small), make([]byte, 3*firstRead+17)...)
	for _, data := range [][]byte{small, large, large[:firstRead], large[:firstRead+1]} {
		b, err := ReadAll("x", bytes.NewReader(data), int64(len(data)))
		if err != nil || !bytes.Equal(b, data) {
			t.Errorf("%d bytes: %d %v", len(data), len(b), err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, c := range []struct {
		r    io.ReaderAt
		size int64
		kind error
	}{
		{bytes.NewReader(small), 1<<63 - 1, ErrTooLarge},
		{bytes.NewReader(small), -1, ErrTruncated},
		{bytes.NewReader(small), 0, ErrNotELF},
		{bytes.NewReader(large), 1<<31 - 1, ErrTruncated},
		{bytes.NewReader(large), int64(len(large)) + 1, ErrTruncated},
		{bytes.NewReader(make([]byte, 1<<20)), 1 << 20, ErrNotELF},
		{bytes.NewReader([]byte("GROUP ( a.so )")), 14, ErrLinkerScript},
		{lyingReader{large}, 1<<31 - 1, ErrTruncated},
		{lyingReader{large}, MaxFileSize + 1, ErrTooLarge},
		{idleReader{}, 100, io.ErrNoProgress},
		{brokenReader{}, 100, fs.ErrPermission},
	} {
		b, err := ReadAll("x", c.r, c.size)
		if b != nil || !errors.Is(err, c.kind) {
			t.Errorf("size %d: %d bytes, %v; wanted %v", c.size, len(b), err, c.kind)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("sizes that lie made %d bytes be allocated", n)
	}
}

// TestReadHead compares ReadHead with New, and has it refuse what New does.
func TestReadHead(t *testing.T) {
	data := fixture(t)
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(data)
		change(b)
		return b
	}
	f := mustNew(t, data)
	far := append(bytes.Clone(data), data[f.Phoff:][:len(f.Progs)*phdrSize]...)
	le.PutUint64(far[32:], uint64(len(data))) // the program headers come last
	for _, good := range [][]byte{data, far, fixture(t, "-Wl,--hash-style=sysv")} {
		want := mustNew(t, good)
		head, err := ReadHead("x", bytes.NewReader(good), int64(len(good)))
		if err != nil || head.Header != want.Header || !slices.Equal(head.Progs, want.Progs) || head.HasDynamic || *head.Stack != *want.Stack {
			t.Errorf("%+v %v, wanted %+v", head, err, want.Header)
		}
	}
	script := "/*" + strings.Repeat(" ", headRead) + "*/ GROUP ( a.so )"
	for name, c := range map[string]struct {
		data []byte
		kind error
	}{
		"empty":            {nil, ErrNotELF},
		"script":           {[]byte(script), ErrLinkerScript},
		"short":            {data[:40], ErrTruncated},
		"cut":              {data[:len(data)/2], ErrTruncated},
		"class":            {edit(func(b []byte) { b[4] = 1 }), ErrClass},
		"ident version":    {edit(func(b []byte) { b[6] = 2 }), nil},
		"far headers":      {edit(func(b []byte) { le.PutUint64(b[32:], 1<<62) }), ErrTruncated},
		"PN_XNUM":          {edit(func(b []byte) { le.PutUint16(b[56:], pnXnum) }), ErrTooLarge},
		"e_phentsize":      {edit(func(b []byte) { b[54]++ }), nil},
		"too many headers": {edit(func(b []byte) { le.PutUint16(b[56:], pnXnum-1) }), ErrTruncated},
	} {
		_, err := ReadHead("x", bytes.NewReader(c.data), int64(len(c.data)))
		var fe *FormatError
		if !errors.As(err, &fe) || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, wanted %v", name, err, c.kind)
		}
	}
	if _, err := ReadHead("x", brokenReader{}, 100); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

// lyingReader has a last byte wherever it is asked for one.
type lyingReader struct{ data []byte }

func (r lyingReader) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == 1 {
		return 1, nil
	}
	return bytes.NewReader(r.data).ReadAt(b, off)
}

type idleReader struct{}

func (idleReader) ReadAt([]byte, int64) (int, error) { return 0, nil }

type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, fs.ErrPermission }

// streamFS has files that are not io.ReaderAt.
type streamFS struct{ fs.FS }

func (s streamFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.File }{f}, nil
}

func TestReadFS(t *testing.T) {
	data := append(fixture(t), make([]byte, 2*firstRead)...)
	edge := data[:firstRead+1]
	fsys := fstest.MapFS{
		"lib/a.so": {Data: data},
		"lib/b.so": {Data: edge},
		"lib/c.so": {Data: []byte("INPUT(-la)")},
		"lib/d":    {Mode: fs.ModeNamedPipe},
	}
	for _, fsys := range []fs.FS{fsys, streamFS{fsys}} {
		for name, want := range map[string][]byte{"lib/a.so": data, "lib/b.so": edge} {
			if b, err := ReadFS(fsys, name); err != nil || !bytes.Equal(b, want) {
				t.Errorf("%s: %d bytes, %v", name, len(b), err)
			}
		}
		for name, kind := range map[string]error{"lib/c.so": ErrLinkerScript, "lib": ErrNotRegular, "lib/d": ErrNotRegular, "none": fs.ErrNotExist} {
			if _, err := ReadFS(fsys, name); !errors.Is(err, kind) {
				t.Errorf("%s: %v, wanted %v", name, err, kind)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := fixture(t)
	m, err := Open(write("lib.so", data))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Data, data) || m.Dynamic.Soname != "libfix.so.1" || m.Info.Size() != int64(len(data)) {
		t.Error("not the file")
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	for path, kind := range map[string]error{
		write("empty", nil):                      ErrNotELF,
		write("short", data[:100]):               ErrTruncated,
		write("script", []byte("GROUP ( a b )")): ErrLinkerScript,
		dir:                                      ErrNotRegular,
		os.DevNull:                               ErrNotRegular,
		filepath.Join(dir, "none"):               fs.ErrNotExist,
	} {
		if m, err := Open(path); m != nil || !errors.Is(err, kind) {
			t.Errorf("%s: %v, wanted %v", path, err, kind)
		}
	}
	// A file of 16 EB less a byte is sparse at most; one of 2 TB will do.
	huge := write("huge", data)
	if err := os.Truncate(huge, 2<<40); err == nil {
		if _, err := Open(huge); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	}
}
