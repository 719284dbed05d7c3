package native

//lint:file-ignore U1000 assembly uses it

import (
	"runtime"
	"unsafe"

	"weld/native/abi"
)

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// What these functions are as compiled Go calls them: assembly that has Go's registers in order calls these and saves a
// change of convention.
var entersyscallPC, exitsyscallPC, lockPC, servePC, releasePC uintptr

func init() {
	enter, exit, lock, serve, release := entersyscall, exitsyscall, runtime.LockOSThread, serve, release
	entersyscallPC, exitsyscallPC = **(**uintptr)(unsafe.Pointer(&enter)), **(**uintptr)(unsafe.Pointer(&exit))
	lockPC = **(**uintptr)(unsafe.Pointer(&lock))
	servePC, releasePC = **(**uintptr)(unsafe.Pointer(&serve)), **(**uintptr)(unsafe.Pointer(&release))
}

// The entries, by the number of pointers among the words. Their parameters stand for the pointers they spill, see
// entry_amd64.s.

func leaf0()
func leaf1(p unsafe.Pointer)
func leaf2(p, p2 unsafe.Pointer)
func leaf3(p, p2, p3 unsafe.Pointer)
func leaf4(p, p2, p3, p4 unsafe.Pointer)
func leaf5(p, p2, p3, p4, p5 unsafe.Pointer)
func leaf6(p, p2, p3, p4, p5, p6 unsafe.Pointer)

func int0()
func int1(p unsafe.Pointer)
func int2(p, p2 unsafe.Pointer)
func int3(p, p2, p3 unsafe.Pointer)
func int4(p, p2, p3, p4 unsafe.Pointer)
func int5(p, p2, p3, p4, p5 unsafe.Pointer)
func int6(p, p2, p3, p4, p5, p6 unsafe.Pointer)

func float0()
func float1(p unsafe.Pointer)
func float2(p, p2 unsafe.Pointer)
func float3(p, p2, p3 unsafe.Pointer)
func float4(p, p2, p3, p4 unsafe.Pointer)
func float5(p, p2, p3, p4, p5 unsafe.Pointer)
func float6(p, p2, p3, p4, p5, p6 unsafe.Pointer)

func errno0()
func errno1(p unsafe.Pointer)
func errno2(p, p2 unsafe.Pointer)
func errno3(p, p2, p3 unsafe.Pointer)
func errno4(p, p2, p3, p4 unsafe.Pointer)
func errno5(p, p2, p3, p4, p5 unsafe.Pointer)
func errno6(p, p2, p3, p4, p5, p6 unsafe.Pointer)

func generalFew(stack uintptr)
func generalMany(stack uintptr)

// What the direct entries share.
func acquireRegs()
func finishCall()

// entryPC holds the addresses of the entries.
var entryPC struct {
	leaf, int, float, errno [7]uintptr
	few, many               uintptr
}

func entries(p *[30]uintptr)

func init() { entries((*[30]uintptr)(unsafe.Pointer(&entryPC))) }

// callGeneralFew and callGeneralMany run the calls of the general entries: g holds the arguments and gets the results,
// stack is the caller's area of stack-assigned ones, keep holds those of the arguments that are Go pointers. The result
// is the data of a string result, whose length is in g: the one result that is a new Go pointer.

func callGeneralFew(d *desc, g *abi.GoFrame, stack unsafe.Pointer, keep [keepFew]unsafe.Pointer) (text unsafe.Pointer) {
	text = d.call(g, stack)
	runtime.KeepAlive(keep)
	return text
}

func callGeneralMany(d *desc, g *abi.GoFrame, stack unsafe.Pointer, keep [keepMany]unsafe.Pointer) (text unsafe.Pointer) {
	text = d.call(g, stack)
	runtime.KeepAlive(keep)
	return text
}
