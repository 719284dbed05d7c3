package link

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"weld/image/elf"
)

// maxInput bounds the size of an input.
const maxInput = 1 << 40

// A source is the content of an input.
type source struct {
	name  string // for messages
	path  string // "" if it is not from a file
	data  []byte
	unmap func()
}

func (s *source) close() {
	if s.unmap != nil {
		s.unmap()
		s.unmap = nil
	}
}

// open returns the content of a path, mapped where that can be.
func (l *linker) open(path string) (*source, error) {
	if l.opt.FS != nil {
		data, err := fs.ReadFile(l.opt.FS, strings.TrimPrefix(filepath.ToSlash(path), "/"))
		if err != nil {
			return nil, openErr(path, err)
		}
		return &source{name: path, path: path, data: data}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openErr(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, openErr(path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fileErr(ErrFormat, path, "", "not a regular file")
	case info.Size() > maxInput || info.Size() != int64(int(info.Size())):
		return nil, fileErr(ErrTooLarge, path, "", "%d bytes are too many", info.Size())
	case info.Size() == 0:
		return &source{name: path, path: path}, nil
	}
	data, unmap, err := mapInput(f, int(info.Size()))
	if err != nil {
		return nil, openErr(path, err)
	}
	return &source{name: path, path: path, data: data, unmap: unmap}, nil
}

func openErr(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &FileError{File: path, What: "no such file", Kind: err}
	}
	if pe := new(fs.PathError); errors.As(err, &pe) {
		err = pe.Err
	}
	return &FileError{File: path, What: err.Error(), Kind: err}
}

// exists reports whether path is a file that could be opened.
func (l *linker) exists(path string) bool {
	var info fs.FileInfo
	var err error
	if l.opt.FS != nil {
		info, err = fs.Stat(l.opt.FS, strings.TrimPrefix(filepath.ToSlash(path), "/"))
	} else {
		info, err = os.Stat(path)
	}
	return err == nil && !info.IsDir()
}

// readInput reads size bytes of r in steps, so that a size that r does not have takes no memory.
func readInput(name string, r io.ReaderAt, size int64) ([]byte, error) {
	if size < 0 || size > maxInput {
		return nil, fileErr(ErrTooLarge, name, "", "the size %d is negative or too large", size)
	}
	const step = 1 << 20
	data := make([]byte, 0, min(size, step))
	for int64(len(data)) < size {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := r.ReadAt(data[len(data):min(int64(cap(data)), size)], int64(len(data)))
		data = data[:len(data)+n]
		if int64(len(data)) == size {
			break
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if n == 0 {
			return nil, fileErr(ErrTruncated, name, "", "it ends after %d of %d bytes", len(data), size)
		}
	}
	return data, nil
}

// openLibrary finds and opens the library of -l name. Those for other processors are passed over.
func (l *linker) openLibrary(name string, static bool) (*source, error) {
	names := []string{"lib" + name + ".so", "lib" + name + ".a"}
	if static || l.opt.Static {
		names = names[1:]
	}
	if strings.HasPrefix(name, ":") {
		names = []string{name[1:]}
	}
	passed := ""
	for _, dir := range l.opt.LibraryPath {
		for _, n := range names {
			p := filepath.Join(l.sysroot(dir), n)
			if !l.exists(p) {
				continue
			}
			src, err := l.open(p)
			if err != nil {
				return nil, err
			}
			em, other := l.foreign(src.data)
			if !other {
				return src, nil
			}
			src.close()
			passed += fmt.Sprintf("; %s is for %s, wanted %s", p, em.Arch(), l.mi.em.Arch())
		}
	}
	// The names of the files are not said: Python's ctypes.util.find_library takes the first name in what -t prints, and this, for
	// that of the library.
	what := "no such library"
	switch {
	case strings.HasPrefix(name, ":"):
		what = "no " + names[0]
	case len(names) == 1:
		what = "no such static library"
	}
	return nil, fileErr(ErrNotFound, "-l"+name, "", "%s in the %d folders of the library path%s", what, len(l.opt.LibraryPath), passed)
}

// foreign reports whether a library, or the first object of an archive, is for another processor, and for which.
func (l *linker) foreign(data []byte) (elf.Machine, bool) {
	if l.mach == nil {
		return 0, false
	}
	if a, err := parseArchive("", data); err == nil && !a.thin && a.first < uint64(len(data)) {
		if m, _, err := a.member(a.first); err == nil {
			data = m.data
		}
	}
	h, err := elf.ParseHeader("", data)
	return h.Machine, err == nil && (h.Machine != l.mi.em || h.Class != l.class.id)
}

// sysroot returns path with a leading = or $SYSROOT replaced.
func (l *linker) sysroot(path string) string {
	if rest, ok := strings.CutPrefix(path, "="); ok {
		return l.opt.Sysroot + rest
	}
	if rest, ok := strings.CutPrefix(path, "$SYSROOT"); ok {
		return l.opt.Sysroot + rest
	}
	return path
}
