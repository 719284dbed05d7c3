package elf

import (
	"os"
	"testing"
	"unsafe"
)

// TestVDSO reads the vDSO, which the kernel has mapped into this process.
func TestVDSO(t *testing.T) {
	const atSysinfoEhdr = 33
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		t.Fatal(err)
	}
	var base uint64
	for i := 0; i+16 <= len(auxv); i += 16 {
		if le.Uint64(auxv[i:]) == atSysinfoEhdr {
			base = le.Uint64(auxv[i+8:])
		}
	}
	if base == 0 {
		t.Log("the kernel gives no vDSO")
		return
	}
	at := func(n int) []byte {
		p := *(*unsafe.Pointer)(unsafe.Pointer(&base))
		return unsafe.Slice((*byte)(p), n)
	}
	h, err := ParseHeader("vdso", at(ehdrSize))
	if err != nil {
		t.Fatal(err)
	}
	head := at(int(h.Phoff) + int(h.Phnum)*phdrSize)
	progs, err := parseProgs("vdso", head, &h)
	if err != nil {
		t.Fatal(err)
	}
	shape := &File{Progs: progs}
	lo, hi := shape.LoadSpan()
	f, err := NewLoaded("vdso", at(int(hi-lo)), progs, LoadedOptions{Start: lo, Bias: base - lo})
	if err != nil {
		t.Fatal(err)
	}
	name := Hash("__vdso_clock_gettime")
	_, s, ok := f.Lookup(&name, NewVersion("LINUX_2.6"))
	if f.Machine == EM_X86_64 && (!ok || s.Type() != STT_FUNC) {
		t.Errorf("__vdso_clock_gettime: %+v %v", s, ok)
	}
	if _, _, ok := f.Lookup(&name, NewVersion("LINUX_2.7")); ok {
		t.Error("a version that is not there is found")
	}
}
