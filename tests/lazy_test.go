package tests

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

func TestLazyCalls(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libcallee.so", "lazy_callee.c")
	d.Shared("libcaller.so", "lazy.c", "-Wl,-z,lazy", "-lcallee")
	calls := `
dbl a call_doubles 1 2 3 4 5 6 7 8
int a call_longs 1 2 3 4 5 6
int a call_variadic
int a call_by_memory 5
dbl a call_by_two 1.25
dbl a call_extended 1.5
dbl a call_complex 3
`
	out := runScript(t, d, "open a libcaller.so lazy"+calls+calls)
	if !strings.Contains(out, "204.000000") {
		t.Errorf("the sum of the products of 1 to 8 is 204:\n%s", out)
	}
}

// registerFile is the layout that registers.s and registers_probe.s share.
type registerFile struct {
	general [8]uint64 // rax rcx rdx rsi rdi r8 r9 and one unused
	vector  [16][64]byte
	mask    [7]uint64
}

// The first call through a lazy binding keeps every register that can carry an
// argument: general ones, the whole width of the vector registers, the mask
// registers.
func TestLazyRegisters(t *testing.T) {
	if off := unsafe.Offsetof(registerFile{}.mask); off != 1088 {
		t.Fatalf("the masks are at %d, registers.s has them at 1088", off)
	}
	flags := cpuFlags(t)
	widths := []struct {
		flag string
		size int
	}{{"sse2", 16}, {"avx", 32}, {"avx512bw", 64}}
	for width, w := range widths {
		if !flags[w.flag] {
			t.Logf("this processor has no %s", w.flag)
			continue
		}
		t.Run(w.flag, func(t *testing.T) {
			d := testenv.NewDir(t)
			d.Shared("libprobe.so", "registers_probe.s")
			caller := d.Shared("libregisters.so", "registers.s", "-Wl,-z,lazy", "-lprobe", "-Wl,-rpath,$ORIGIN")
			lib := open(t, caller, weld.Lazy)
			probe := open(t, d.Join("libprobe.so"), weld.Lazy)
			bind[func(int64)](t, probe, "set_width")(int64(width))
			fill := bind[func(in *registerFile, width int64, out *registerFile)](t, lib, "fill_and_call")
			random := rand.New(rand.NewPCG(1, uint64(width)))
			for call := range 3 {
				var in, out registerFile
				for i := range in.general {
					in.general[i] = random.Uint64()
				}
				for i := range in.vector {
					for j := range in.vector[i] {
						in.vector[i][j] = byte(random.Uint32())
					}
				}
				for i := range in.mask {
					in.mask[i] = random.Uint64()
				}
				fill(&in, int64(width), &out)
				for i, name := range strings.Fields("rax rcx rdx rsi rdi r8 r9") {
					if in.general[i] != out.general[i] {
						t.Errorf("call %d: %s is %#x, was %#x", call, name, out.general[i], in.general[i])
					}
				}
				for i := range in.vector {
					if a, b := in.vector[i][:w.size], out.vector[i][:w.size]; string(a) != string(b) {
						t.Errorf("call %d: vector register %d is %x, was %x", call, i, b, a)
					}
				}
				if w.size == 64 && in.mask != out.mask {
					t.Errorf("call %d: mask registers are %x, were %x", call, out.mask, in.mask)
				}
			}
		})
	}
}

func cpuFlags(t *testing.T) map[string]bool {
	t.Helper()
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "flags" {
			for _, f := range strings.Fields(value) {
				flags[f] = true
			}
			break
		}
	}
	return flags
}
