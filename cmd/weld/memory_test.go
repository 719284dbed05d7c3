package main

import (
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

func TestMemoryReader(t *testing.T) {
	m, err := newMemoryReader()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text := []byte(strings.Repeat("0123456789", 5000))
	got := make([]byte, len(text))
	if n := m.read(uintptr(unsafe.Pointer(&text[0])), got); n != len(text) || string(got) != string(text) {
		t.Errorf("%d bytes of %d", n, len(text))
	}
	if n := m.read(16, got); n != 0 {
		t.Errorf("%d bytes of the first page, which cannot be read", n)
	}
	// The memory ends after a page; what is before its end is given.
	page := mapTwoPages(t)
	if n := m.read(page+4090, got[:100]); n != 6 {
		t.Errorf("%d bytes before the end of the memory, want 6", n)
	}
}

// mapTwoPages maps a page that can be read and one behind it that cannot.
func mapTwoPages(t *testing.T) uintptr {
	mem, err := syscall.Mmap(-1, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	if err := syscall.Mprotect(mem[4096:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return uintptr(unsafe.Pointer(&mem[0]))
}
