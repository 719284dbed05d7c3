package native

import (
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// TestForkOffsets compares what forked_amd64.h says with the Go types and the kernel's numbers.
func TestForkOffsets(t *testing.T) {
	data, err := os.ReadFile("forked_amd64.h")
	if err != nil {
		t.Fatal(err)
	}
	var ft forkTable
	var c ForkCopy
	want := map[string]uintptr{
		"T_reader": unsafe.Offsetof(ft.reader), "T_writer": unsafe.Offsetof(ft.writer), "T_n": unsafe.Offsetof(ft.n), "T_list": unsafe.Offsetof(ft.list),
		"C_addr": unsafe.Offsetof(c.Addr), "C_size": unsafe.Offsetof(c.Size), "C_prot": unsafe.Offsetof(c.Prot), "C_bytes": unsafe.Sizeof(c),
		"SYS_write": syscall.SYS_WRITE, "SYS_close": syscall.SYS_CLOSE, "SYS_mmap": syscall.SYS_MMAP, "SYS_mprotect": syscall.SYS_MPROTECT,
		"SYS_mremap": syscall.SYS_MREMAP, "PROT_READ": syscall.PROT_READ, "PROT_WRITE": syscall.PROT_WRITE,
		"MAP_PRIVATE": syscall.MAP_PRIVATE, "MAP_ANONYMOUS": syscall.MAP_ANON, "MAP_POPULATE": syscall.MAP_POPULATE, "MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2,
	}
	list := regexp.MustCompile(`(?m)^#define (\w+) (\d+)$`).FindAllSubmatch(data, -1)
	if len(list) != len(want) {
		t.Errorf("%d definitions, wanted %d", len(list), len(want))
	}
	for _, m := range list {
		if v, _ := strconv.Atoi(string(m[2])); uintptr(v) != want[string(m[1])] {
			t.Errorf("%s is %s, wanted %d", m[1], m[2], want[string(m[1])])
		}
	}
}
