package rtld

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"weld/image/elf"
	"weld/internal/search"
	"weld/native"
)

// dlText says what dlerror says of a failed dlopen, in the words of the C library where it has some: there are programs
// that show them, and some that look into them.
func dlText(err error) string {
	musl := false
	if f, _, _ := native.Libc(); f == native.Musl {
		musl = true
	}
	var open *OpenError
	var undefined *UndefinedError
	var version *VersionError
	var format *elf.FormatError
	var errno syscall.Errno
	errors.As(err, &open)
	switch {
	case errors.As(err, &undefined) && musl:
		m := undefined.Symbols[0]
		return fmt.Sprintf("Error relocating %s: %s: symbol not found", m.Library, m.Name)
	case errors.As(err, &undefined):
		m := undefined.Symbols[0]
		text := fmt.Sprintf("%s: undefined symbol: %s", m.Library, m.Name)
		if m.Version != "" {
			text += ", version " + m.Version
		}
		return text
	case errors.As(err, &version) && !musl:
		m := version.Missing[0]
		return fmt.Sprintf("%s: version `%s' not found (required by %s)", m.Library, m.Version, m.NeededBy)
	case open == nil:
		return err.Error()
	case errors.As(err, new(*search.NotFoundError)) || errors.Is(err, fs.ErrNotExist):
		return cannotOpen(open, syscall.ENOENT, musl)
	case errors.As(err, &format) && musl:
		return fmt.Sprintf("Error loading shared library %s: %s", open.Name, "Exec format error")
	case errors.As(err, &format):
		file := open.Name
		if strings.Contains(format.File, "/") && !strings.Contains(open.Name, "/") {
			file = format.File
		}
		switch {
		case errors.Is(format, elf.ErrTruncated):
			return file + ": file too short"
		case errors.Is(format, elf.ErrNotELF):
			return file + ": invalid ELF header"
		}
	case errors.As(err, &errno):
		return cannotOpen(open, errno, musl)
	}
	return err.Error()
}

func cannotOpen(e *OpenError, errno syscall.Errno, musl bool) string {
	text := []rune(errno.Error()) // as strerror has it but for the first letter
	what := strings.ToUpper(string(text[:1])) + string(text[1:])
	if !musl {
		return fmt.Sprintf("%s: cannot open shared object file: %s", e.Name, what)
	}
	if e.NeededBy != "" {
		return fmt.Sprintf("Error loading shared library %s: %s (needed by %s)", e.Name, what, e.NeededBy)
	}
	return fmt.Sprintf("Error loading shared library %s: %s", e.Name, what)
}
