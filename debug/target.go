//go:build linux && amd64

package debug

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"weld/image/elf"
)

const sysProcessVMReadv = 310

// target is another process.
type target struct {
	pid   int
	exe   string
	entry uint64 // e_entry of the program's file
	aux   map[uint64]uint64
}

// Types of the auxiliary vector (<elf.h>).
const (
	atPhdr  = 3
	atPhnum = 5
	atBase  = 7
	atEntry = 9
)

// openTarget checks that the process can be observed. A thread stands for its process.
func openTarget(pid int) (*target, error) {
	t := &target{pid: pid}
	status, err := t.status("")
	if err != nil {
		return nil, t.failed(err)
	}
	if tgid, err := strconv.Atoi(status["Tgid"]); err == nil {
		t.pid = tgid
	}
	switch {
	case t.pid == os.Getpid():
		return nil, t.fail(ErrSelf, "it is the process that asks, which cannot observe itself")
	case status["State"] == "" || strings.ContainsAny(status["State"][:1], "ZX"):
		return nil, t.fail(ErrExited, "it has exited")
	case status["Kthread"] == "1" || status["Kthread"] == "" && status["VmSize"] == "":
		return nil, t.fail(ErrKernel, "it is a kernel thread, which loads nothing")
	}
	return t, t.reopen()
}

// reopen reads what changes when the process executes another program.
func (t *target) reopen() error {
	f, err := os.Open(t.proc("exe"))
	if err != nil {
		return t.failed(err)
	}
	defer f.Close()
	if t.exe, err = os.Readlink(t.proc("exe")); err != nil {
		return t.failed(err)
	}
	head := make([]byte, ehdrSize)
	n, err := io.ReadFull(f, head)
	if err != nil {
		return t.failed(fmt.Errorf("read of %s: %w", t.exe, err))
	}
	h, err := elf.ParseHeader(t.exe, head[:n])
	switch {
	case err != nil:
		return t.fail(ErrClass, "%v", err)
	case h.Class != elf.ELFCLASS64 || h.Machine != elf.EM_X86_64:
		return t.fail(ErrClass, "%s is %s for %s, and only 64-bit x86-64 processes can be observed", t.exe, h.Class, h.Machine.Arch())
	}
	t.entry = h.Entry
	aux, err := os.ReadFile(t.proc("auxv"))
	if err != nil {
		return t.failed(err)
	}
	t.aux = map[uint64]uint64{}
	for ; len(aux) >= 16; aux = aux[16:] {
		t.aux[binary.LittleEndian.Uint64(aux)] = binary.LittleEndian.Uint64(aux[8:])
	}
	if len(t.aux) == 0 {
		return t.ended()
	}
	if n, err := t.ReadAt(head[:1], int64(t.aux[atPhdr])); n == 0 && errors.Is(err, ErrPermission) {
		return err
	}
	return nil
}

func (t *target) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", t.pid, name) }

// status reads the fields of /proc/PID/status, or of a thread's.
func (t *target) status(thread string) (map[string]string, error) {
	data, err := os.ReadFile(t.proc(thread + "status"))
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			m[key] = strings.TrimSpace(value)
		}
	}
	return m, nil
}

func (t *target) fail(kind error, format string, args ...any) error {
	return &ProcessError{PID: t.pid, What: fmt.Sprintf(format, args...), Kind: kind}
}

// failed makes a *ProcessError of what the kernel has said.
func (t *target) failed(err error) error {
	switch e := new(ProcessError); {
	case errors.As(err, &e):
		if e.PID == 0 {
			e.PID = t.pid
		}
		if e.Kind == ErrCorrupt && !t.alive() {
			return t.ended()
		}
		return e
	case errors.Is(err, fs.ErrPermission):
		return t.denied("")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH), errors.Is(err, io.EOF):
		return t.ended()
	}
	return &ProcessError{PID: t.pid, What: err.Error(), Kind: err}
}

// ended says that the process is not there, or is not any more.
func (t *target) ended() error {
	if t.exe == "" && t.aux == nil {
		if _, err := os.Stat(t.proc("stat")); err != nil {
			return t.fail(ErrNoProcess, "there is no such process")
		}
	}
	return t.fail(ErrExited, "it has exited")
}

// denied says why a process cannot be attached to or read.
func (t *target) denied(what string) error {
	if s, err := t.status(""); err == nil {
		if tracer := s["TracerPid"]; what != "" && tracer != "0" && tracer != "" {
			comm, _ := os.ReadFile("/proc/" + tracer + "/comm")
			return t.fail(ErrTraced, "process %s (%s) traces it already", tracer, strings.TrimSpace(string(comm)))
		}
	}
	const yama = "kernel.yama.ptrace_scope"
	scope := "is not there in this kernel"
	if b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(yama, ".", "/")); err == nil {
		scope = "is " + strings.TrimSpace(string(b))
	}
	if what == "" {
		what = "read its memory"
	}
	return t.fail(ErrPermission, "no permission to %s: that takes the same user or CAP_SYS_PTRACE, and %s at 0, or at 1 for a descendant (it %s)",
		what, yama, scope)
}

// alive reports whether the process has memory.
func (t *target) alive() bool {
	s, err := t.status("")
	return err == nil && s["State"] != "" && !strings.ContainsAny(s["State"][:1], "ZX")
}

// remoteIovec is a struct iovec of another process.
type remoteIovec struct{ base, len uint64 }

// ReadAt makes it an io.ReaderAt: an offset is an address.
func (t *target) ReadAt(p []byte, addr int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	local := syscall.Iovec{Base: &p[0], Len: uint64(len(p))}
	remote := remoteIovec{uint64(addr), uint64(len(p))}
	n, _, e := syscall.Syscall6(sysProcessVMReadv, uintptr(t.pid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	switch {
	case e == syscall.EPERM:
		return 0, t.denied("")
	case e == syscall.ESRCH:
		return 0, t.ended()
	case e != 0:
		return 0, e
	case int(n) < len(p):
		return int(n), io.ErrUnexpectedEOF
	}
	return int(n), nil
}

// maps reads /proc/PID/maps; nil if that cannot be read.
func (t *target) maps() []mapping {
	data, err := os.ReadFile(t.proc("maps"))
	if err != nil {
		return nil
	}
	return parseMaps(string(data))
}

// readMany makes it a bulkReader: one system call for up to 1,000 addresses.
func (t *target) readMany(p []byte, size int, addrs []uint64) bool {
	if len(addrs) == 0 || len(addrs) > 1000 || len(p) < size*len(addrs) {
		return false
	}
	local := syscall.Iovec{Base: &p[0], Len: uint64(size * len(addrs))}
	remote := make([]remoteIovec, len(addrs))
	for i, a := range addrs {
		remote[i] = remoteIovec{a, uint64(size)}
	}
	n, _, e := syscall.Syscall6(sysProcessVMReadv, uintptr(t.pid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote[0])), uintptr(len(remote)), 0)
	return e == 0 && n == uintptr(size*len(addrs))
}
