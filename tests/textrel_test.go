package tests

import (
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// textrelLibs compiles libtextrel.so, which has text relocations of most kinds.
func textrelLibs(d *testenv.Dir) string {
	d.Shared("libnear.so", "near.s")
	return d.Shared("libtextrel.so", "textrel.c", "-fno-pic", "-mcmodel=large", "-Wl,-z,notext", "-lnear", "-Wl,-rpath,$ORIGIN")
}

const useTextrel = `
int t call_own
int t call_near
int t sum
int t many
int t all
perm t own
perm t constants
perm t shared
close t
`

func TestTextRelocations(t *testing.T) {
	d := testenv.NewDir(t)
	path := textrelLibs(d)
	d.Shared("libother.so", d.Write("other.c", "int shared = 1000; int near(void) { return 90; }\n"))
	for _, mode := range []string{"now", "lazy"} {
		out := runScript(t, d, "open t libtextrel.so "+mode+useTextrel+"open t libtextrel.so "+mode+useTextrel)
		for _, want := range []string{"call_own: 43", "call_near: 10", "sum: 67586", "many: 15000", "all: 210000", "perm t own: r-xp", "perm t constants: r--p", "perm t shared: rw-p"} {
			if strings.Count(out, want+"\n") != 2 {
				t.Errorf("%s: %q is not in the output twice\n%s", mode, want, out)
			}
		}
	}
	out := runScript(t, d, "open o libother.so now,global\nopen t libtextrel.so now"+useTextrel)
	for _, want := range []string{"call_own: 1003", "call_near: 91"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("interposed: %q is not in the output\n%s", want, out)
		}
	}

	// Either of the two marks is enough, and one there must be.
	marks := func(name string, tag, flag bool) string {
		path := d.Shared(name, "textrel.c", "-fno-pic", "-mcmodel=large", "-Wl,-z,notext", "-lnear", "-Wl,-rpath,$ORIGIN")
		return edit(t, path, func(f *stdelf.File, data []byte) {
			found := 0
			dynamics(f, data, func(t, value []byte) {
				switch stdelf.DynTag(binary.LittleEndian.Uint64(t)) {
				case stdelf.DT_TEXTREL:
					found++
					if !tag {
						binary.LittleEndian.PutUint64(t, uint64(stdelf.DT_DEBUG))
					}
				case stdelf.DT_FLAGS:
					found++
					if !flag {
						value[0] &^= byte(stdelf.DF_TEXTREL)
					}
				}
			})
			if found != 2 {
				t.Fatalf("%d of DT_TEXTREL and DT_FLAGS in %s", found, path)
			}
		})
	}
	marks("libtag.so", true, false)
	marks("libflag.so", false, true)
	runScript(t, d, "open t libtag.so now"+useTextrel+"open t libflag.so lazy"+useTextrel)
	open(t, "libc.so.6")
	unmarked := marks("libunmarked.so", false, false)
	var reloc *weld.RelocError
	if err := refuse(t, unmarked, []string{unmarked, "R_X86_64_", "writable"}); !errors.As(err, &reloc) {
		t.Errorf("text relocations without DT_TEXTREL: %T %v", err, err)
	}

	// What is missing is found out before anything runs, and nothing is left.
	d.Shared("libnear.so", d.Write("far.c", "int far;\n"))
	if err := refuse(t, path, []string{"near"}); err != nil {
		checkError[*weld.UndefinedError](t, path, err, nil)
	}
}

// Resolvers run when the text is executable again; what they return goes into it.
func TestTextRelocationsIFunc(t *testing.T) {
	d := testenv.NewDir(t)
	retype(t, d.Shared("libifunc.so", "textrel_ifunc.s", "-Wl,-z,notext"))
	for _, mode := range []string{"now", "lazy"} {
		out := runScript(t, d, "open i libifunc.so "+mode+"\nint i pick\nint i pick_local\nint i call_chosen\nint i chosen\nperm i pick\nclose i\n")
		for _, want := range []string{"pick: 5", "pick_local: 6", "call_chosen: 5", "int i chosen: 5", "perm i pick: r-xp"} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("%s: %q is not in the output\n%s", mode, want, out)
			}
		}
	}
}

func init() { testenv.Child("protections", protectionsChild) }

// No page is ever writable and executable at once: the kernel ends a process
// that asks for one, and opening, relocating, binding, calling and calling back
// go through nevertheless.
func TestNeverWritableAndExecutable(t *testing.T) {
	d := testenv.NewDir(t)
	textrelLibs(d)
	retype(t, d.Shared("libifunc.so", "textrel_ifunc.s", "-Wl,-z,notext"))
	retype(t, d.Shared("libplaces.so", "places.s", "-Wl,-z,notext", "-lnear", "-Wl,-rpath,$ORIGIN"))
	d.Shared("libcallee.so", "lazy_callee.c")
	d.Shared("liblazy.so", "lazy.c", "-lcallee", "-Wl,-z,lazy", "-Wl,-rpath,$ORIGIN")
	d.Shared("libtls.so", "tls.c", "-pthread")
	d.Shared("libpacked.so", "which.c", "-DWHICH=8", "-Wl,-z,noseparate-code")

	r := testenv.Run(t, testenv.ChildCommand(t, "protections", d.Path, "break"), testenv.Patience)
	if r.Signal != syscall.SIGSYS {
		t.Fatalf("a page that is writable and executable is not noticed: %v\n%s", r, tail(r.Stderr, 20))
	}
	runChild(t, "protections", d.Path)
}

func protectionsChild(args []string) {
	runtime.LockOSThread()
	must(forbidWriteExec())
	const rwx = syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC
	if len(args) > 1 {
		syscall.Mmap(-1, 0, os.Getpagesize(), rwx, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		return
	}
	for _, c := range []struct {
		library, function string
		want              int64
	}{
		{"libpacked.so", "call_which", 8},
		{"libtextrel.so", "call_own", 43},
		{"libtextrel.so", "sum", 67586},
		{"libtextrel.so", "many", 15000},
		{"libtextrel.so", "all", 210000},
		{"libplaces.so", "call_own", 7},
		{"liblazy.so", "", 0},
		{"libtls.so", "", 0},
		{"libifunc.so", "pick", 5},
	} {
		for _, mode := range []weld.Option{weld.Now, weld.Lazy} {
			fmt.Fprintln(os.Stderr, c.library, c.function)
			lib, err := weld.Open(args[0]+"/"+c.library, mode)
			must(err)
			switch c.library {
			case "liblazy.so":
				f, err := weld.Func[func(a, b, c, d, e, f, g, h float64) float64](lib, "call_doubles")
				must(err)
				expect(f(1, 2, 3, 4, 5, 6, 7, 8) == 204, "call_doubles gives something else")
			case "libtls.so":
				f, err := weld.Func[func() int64](lib, "in_thread")
				must(err)
				expect(f()/10000 == 515, "in_thread gives something else")
			default:
				f, err := weld.Func[func() int64](lib, c.function, weld.IgnoreTypes) // int or long: all are positive
				must(err)
				got := f()
				expect(got == c.want, "%s gives %d, want %d", c.function, got, c.want)
			}
			must(lib.Close())
		}
	}
	libc, err := weld.Open("libc.so.6")
	must(err)
	sort, err := weld.Func[func(v []int32, n, size uint64, compare uintptr)](libc, "qsort")
	must(err)
	cb, err := weld.NewCallback(func(a, b *int32) int32 { return *a - *b })
	must(err)
	v := []int32{3, 1, 2}
	sort(v, 3, 4, cb.Addr())
	expect(v[0] == 1 && v[1] == 2 && v[2] == 3, "sorted: %v", v)
	must(cb.Close())
	z, err := weld.Open("libz.so.1")
	must(err)
	must(z.Close())
	fmt.Println("ok")
}

// forbidWriteExec has the kernel end this process at an mmap(2), mprotect(2) or
// pkey_mprotect(2) with PROT_WRITE and PROT_EXEC, in every thread (seccomp(2)).
func forbidWriteExec() error {
	const (
		load, equal, and, ret       = 0x20, 0x15, 0x54, 0x06 // BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_ALU|AND|K, BPF_RET|K
		nr, arch, prot              = 0, 4, 16 + 2*8         // offsets in struct seccomp_data
		archX86_64                  = 0xc000003e
		pkeyMprotect, seccomp       = 329, 317
		writeExec                   = syscall.PROT_WRITE | syscall.PROT_EXEC
		kill, allow                 = 0x80000000, 0x7fff0000 // SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW
		setNoNewPrivs               = 38                     // PR_SET_NO_NEW_PRIVS
		setModeFilter, flagAllTasks = 1, 1                   // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
	)
	filter := []syscall.SockFilter{
		{Code: load, K: arch},
		{Code: equal, Jf: 8, K: archX86_64},
		{Code: load, K: nr},
		{Code: equal, Jt: 2, K: syscall.SYS_MMAP},
		{Code: equal, Jt: 1, K: syscall.SYS_MPROTECT},
		{Code: equal, Jf: 4, K: pkeyMprotect},
		{Code: load, K: prot},
		{Code: and, K: writeExec},
		{Code: equal, Jf: 1, K: writeExec},
		{Code: ret, K: kill},
		{Code: ret, K: allow},
	}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", e)
	}
	prog := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if r, _, e := syscall.RawSyscall(seccomp, setModeFilter, flagAllTasks, uintptr(unsafe.Pointer(&prog))); e != 0 || r != 0 {
		return fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): thread %d: %w", r, e)
	}
	runtime.KeepAlive(filter)
	return nil
}
