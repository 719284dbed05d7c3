package native

//lint:file-ignore U1000 assembly uses it

func cpuid(leaf, sub uint32) (a, b, c, d uint32)
func xgetbv() uint32

// What assembly asks about the processor.
var (
	haveFSGSBASE bool   // RDFSBASE and WRFSBASE are there and the kernel allows them (AT_HWCAP2 bit 1)
	xsaveSize    uint64 // bytes that SAVEVECTOR takes
	xsaveMask    uint32 // components it saves; 0: FXSAVE
	goMXCSR      uint32 = 0x1f80
	goFPCW       uint16 = 0x37f // what the kernel starts threads with; Go does not use the x87 unit
)

// The state components that a function call may carry arguments in, or that a TLS descriptor call must keep: x87,
// SSE, AVX, the AVX-512 masks and registers (Intel SDM vol. 1, 13.1). Protection keys and AMX tiles are not touched by
// the gate or by Go.
const xsaveComponents = 1<<0 | 1<<1 | 1<<2 | 1<<5 | 1<<6 | 1<<7

func detectCPU(hwcap2 uint64) {
	haveFSGSBASE = hwcap2&2 != 0
	xsaveSize = 512
	if _, _, c, _ := cpuid(1, 0); c&(1<<27) == 0 { // OSXSAVE
		return
	}
	mask := xgetbv() & xsaveComponents
	size := uint64(512 + 64)
	for i := uint32(2); i < 8; i++ {
		if mask&(1<<i) != 0 {
			n, off, _, _ := cpuid(0xd, i)
			size = max(size, uint64(n)+uint64(off))
		}
	}
	xsaveMask, xsaveSize = mask, (size+63)&^63
}
