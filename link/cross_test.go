package link_test

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/link"
)

// A processor is one that is linked for and is not this machine's: qemu-user runs the programs.
type processor struct {
	toolchain
	name     string
	programs []program
}

func triple(name string, qemu string, cflags ...string) toolchain {
	return toolchain{prefix: name + "-", cflags: cflags, run: []string{qemu, "-L", "/usr/" + name}}
}

// The programs are few and each shows several things: tests of the machine that the processor's own code is not in are those of x86-64.
var processors = []processor{
	{triple("aarch64-linux-gnu", "qemu-aarch64"), "aarch64", []program{
		{name: "hello", sources: []string{"hello.c"}, flags: [][]string{{"-static-pie"}, {"-static", "-Wl,--gc-sections", "-s"}}},
		{name: "cxx", cc: "g++", sources: []string{"cxx.cc", "cxx_other.cc"}, cflags: []string{"-O2", "-mbranch-protection=standard"}, flags: [][]string{{"-Wl,-z,force-bti"}, {"-static", "-Wl,--gc-sections"}}},
		{name: "features", sources: []string{"features.c"}, cflags: []string{"-fcommon"}, lib: []string{"features_lib.c", "-Wl,--version-script,features.map"}, flags: [][]string{{}, {"-Wl,-z,now,-z,separate-code"}}},
		{name: "features-no-pie", sources: []string{"features.c"}, cflags: []string{"-fcommon", "-fno-pie", "-O2"}, lib: []string{"features_lib.c", "-O2", "-Wl,--version-script,features.map"}, flags: [][]string{{"-no-pie"}}},
		{name: "tls-desc", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2"}, lib: []string{"tls_other.c"}, flags: [][]string{{}, {"-no-pie"}}},
		{name: "tls-trad", sources: []string{"tls.c"}, cflags: []string{"-fpic", "-mtls-dialect=trad"}, lib: []string{"tls_other.c", "-mtls-dialect=trad"}, flags: [][]string{{}}},
		{name: "tls-ie", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-ftls-model=initial-exec"}, lib: []string{"tls_other.c", "-ftls-model=initial-exec"}, flags: [][]string{{}}},
		{name: "tls-static", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-fPIC", "-O1", "-mtls-dialect=trad"}, flags: [][]string{{"-static"}}},
		{name: "tbss", sources: []string{"tbss.c"}, flags: [][]string{{}, {"-static"}}},
	}},
	{triple("i686-linux-gnu", "qemu-i386"), "i386", []program{
		{name: "hello", sources: []string{"hello.c"}, flags: [][]string{{"-static-pie"}, {"-static", "-Wl,--gc-sections", "-s"}}},
		{name: "cxx", cc: "g++", sources: []string{"cxx.cc", "cxx_other.cc"}, cflags: []string{"-O2", "-g"}, flags: [][]string{{}, {"-static", "-Wl,--gc-sections"}}},
		{name: "features", sources: []string{"features.c"}, cflags: []string{"-fcommon", "-O2"}, lib: []string{"features_lib.c", "-O2", "-Wl,--version-script,features.map"}, flags: [][]string{{}, {"-Wl,-z,now"}}},
		{name: "features-no-pie", sources: []string{"features.c"}, cflags: []string{"-fcommon", "-fno-pie", "-O2"}, lib: []string{"features_lib.c", "-fno-plt", "-Wl,--version-script,features.map"}, flags: [][]string{{"-no-pie"}}},
		{name: "tls-gd", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2"}, lib: []string{"tls_other.c"}, flags: [][]string{{}, {"-no-pie"}}},
		{name: "tls-noplt", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2", "-fno-plt"}, lib: []string{"tls_other.c", "-fno-plt"}, flags: [][]string{{}}},
		{name: "tls-desc", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2", "-mtls-dialect=gnu2"}, lib: []string{"tls_other.c", "-mtls-dialect=gnu2"}, flags: [][]string{{}}},
		{name: "tls-ie", sources: []string{"tls.c"}, cflags: []string{"-fno-pie", "-ftls-model=initial-exec"}, lib: []string{"tls_other.c", "-ftls-model=initial-exec"}, flags: [][]string{{"-no-pie"}}},
		{name: "tls-static", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-fPIC", "-O1", "-mtls-dialect=gnu2"}, flags: [][]string{{"-static"}}},
		{name: "tbss", sources: []string{"tbss.c"}, flags: [][]string{{}, {"-static"}}},
	}},
	{triple("riscv64-linux-gnu", "qemu-riscv64"), "riscv64", []program{
		{name: "hello", sources: []string{"hello.c"}, flags: [][]string{{"-static", "-Wl,--gc-sections", "-s"}, {"-Wl,--no-relax"}}},
		{name: "cxx", cc: "g++", sources: []string{"cxx.cc", "cxx_other.cc"}, cflags: []string{"-O2", "-g"}, flags: [][]string{{}, {"-static", "-Wl,--gc-sections"}}},
		{name: "features", sources: []string{"features.c"}, cflags: []string{"-fcommon", "-O2"}, lib: []string{"features_lib.c", "-O2", "-Wl,--version-script,features.map"}, flags: [][]string{{}, {"-Wl,-z,now,-z,separate-code"}}},
		{name: "features-no-pie", sources: []string{"features.c"}, cflags: []string{"-fcommon", "-fno-pie", "-O2"}, lib: []string{"features_lib.c", "-Wl,--version-script,features.map"}, flags: [][]string{{"-no-pie"}}},
		{name: "tls-gd", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2"}, lib: []string{"tls_other.c"}, flags: [][]string{{}, {"-no-pie"}}},
		{name: "tls-ie", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-ftls-model=initial-exec"}, lib: []string{"tls_other.c", "-ftls-model=initial-exec"}, flags: [][]string{{}}},
		{name: "tls-static", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-O1", "-fno-pie"}, flags: [][]string{{"-static"}}},
		{name: "tbss", sources: []string{"tbss.c"}, flags: [][]string{{}, {"-static"}}},
	}},
}

// TestSoakProcessors has the programs of x86-64 for each processor, as far as their flags are not for that one only: eu-elflint knows
// packed relocations for that one only, and for aarch64 GNU ld fails on an indirect function with -Bsymbolic-functions.
func TestSoakProcessors(t *testing.T) {
	testenv.NeedSoak(t, "all programs for four processors, run by emulators, take minutes; TestProcessors has one of each kind")
	unfit := func(p *processor, flags []string) bool {
		return slices.ContainsFunc(flags, func(f string) bool {
			return strings.HasPrefix(f, "-mtls-dialect") || strings.Contains(f, "ibtplt") || f == "-fno-plt" && p.name == "riscv64" || f == "-static-pie" && p.name == "riscv64" ||
				strings.Contains(f, "relr") || strings.Contains(f, "pack-") || strings.Contains(f, "max-page-size")
		})
	}
	for _, p := range processors {
		for _, prog := range programs {
			if prog.name == "old" || p.name == "aarch64" && prog.name == "features-symbolic" || unfit(&p, prog.cflags) || unfit(&p, prog.lib) {
				continue
			}
			prog.flags = slices.DeleteFunc(slices.Clone(prog.flags), func(f []string) bool { return unfit(&p, f) })
			tc := p.toolchain
			tc.loose = true
			t.Run(p.name+"/"+prog.name, func(t *testing.T) {
				t.Parallel()
				prog.test(t, &tc)
			})
		}
	}
}

// TestVeneers calls over a distance that a branch of aarch64 cannot reach, in both directions, directly and through a stub.
func TestVeneers(t *testing.T) {
	d := testenv.NewDir(t)
	tc := &processors[0].toolchain
	d.Write("near.s", ".globl main, near\n\t.section .text.a,\"ax\"\nmain:\tstp x29, x30, [sp, #-16]!\n\tbl far\n\tbl near\n\tldp x29, x30, [sp], #16\n\tret\n"+
		"near:\tadd w0, w0, #2\n\tret\n\t.section .text.b,\"ax\",@nobits\n\t.skip 0x9000000\n")
	d.Write("far.s", ".globl far\nfar:\tstp x29, x30, [sp, #-16]!\n\tmov w0, #-40\n\tbl abs\n\tbl near\n\tb local\n\t.section .text.c,\"ax\"\nlocal:\tldp x29, x30, [sp], #16\n\tret\n")
	for _, flags := range [][]string{{}} {
		tool(t, d.Path, tc.prefix+"gcc", append([]string{"-B", weldDir(t), "near.s", "far.s", "-o", "far", "-Wl,--build-id=none"}, flags...)...)
		cmd := slices.Concat(tc.run, []string{d.Join("far")})
		if got := testenv.Run(t, exec.Command(cmd[0], cmd[1:]...), testenv.Patience); got.Code != 44 {
			t.Errorf("%q: %s, wanted exit status 44", flags, got)
		}
	}
}

func TestProcessors(t *testing.T) {
	for _, p := range processors {
		testenv.Need(t, p.prefix+"gcc", p.prefix+"g++", p.run[0])
		for _, prog := range p.programs {
			if testenv.Race && prog.name != "features" {
				continue // the linker's own work in parallel is that of all processors
			}
			t.Run(p.name+"/"+prog.name, func(t *testing.T) {
				t.Parallel()
				prog.test(t, &p.toolchain)
			})
		}
	}
}

// TestMixedObjects links objects of clang and gcc for each processor, with packed relative relocations, and after they are combined.
func TestMixedObjects(t *testing.T) {
	d := testenv.NewDir(t)
	clang := llvm(t, "clang")
	d.Write("gcc.c", `#include <stdio.h>
static int a[40], *p[20] = {a, a + 1, a + 2, a + 3}; int *q[30] = {a, a + 1}; __thread int t = 4; static __thread int u;
__attribute__((weak)) int missing(void); const char *name(int);
int main(void) { u = 2; printf("%d %d %d %s\n", (int)(p[3] - a), (int)(q[1] - a), t + u, missing ? "" : name(2)); return 0; }
`)
	d.Write("clang.c", `static const char *names[] = {"zero", "one", "two"}; extern __thread int t; extern int *q[];
const char *name(int n) { switch (n) { case 0: return names[0]; case 1: return "1"; case 2: return names[q[1] - q[0] + t - 3]; default: return 0; } }
`)
	for _, p := range processors {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cc, dir := p.prefix+"gcc", p.name+"-"
			target := strings.Replace(strings.TrimSuffix(p.prefix, "-"), "i686", "i386", 1)
			tool(t, d.Path, cc, "-O1", "-g", "-fPIE", "-c", "gcc.c", "-o", dir+"gcc.o")
			tool(t, d.Path, clang, "--target="+target, "-O1", "-g", "-fPIE", "-c", "clang.c", "-o", dir+"clang.o")
			tool(t, d.Path, cc, "-B", weldDir(t), "-r", dir+"gcc.o", dir+"clang.o", "-o", dir+"both.o")
			for name, args := range map[string][]string{
				"mixed":    {dir + "gcc.o", dir + "clang.o", "-Wl,-z,pack-relative-relocs,--gc-sections"},
				"combined": {dir + "both.o", "-static"},
			} {
				out := d.Join(dir + name)
				tool(t, d.Path, cc, append([]string{"-B", weldDir(t), "-o", out}, args...)...)
				if name == "mixed" && !strings.Contains(tool(t, d.Path, "readelf", "-SW", out), ".relr.dyn") {
					t.Errorf("%s has no packed relocations", name)
				}
				cmd := slices.Concat(p.run, []string{out})
				if got := testenv.Run(t, exec.Command(cmd[0], cmd[1:]...), testenv.Patience); got.Code != 0 || string(got.Stdout) != "3 1 6 two\n" {
					t.Errorf("%s: %s, output %q %q", name, got, got.Stdout, got.Stderr)
				}
			}
		})
	}
}

// outline is what two linkers should make alike: what libraries are needed, which dynamic symbols there are and how many of them are
// bound, how many other dynamic relocations there are of each type, and the segments.
func outline(t *testing.T, path string) map[string]int {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]int{"type " + f.Type.String(): 1, "machine " + f.Machine.String(): 1}
	libs, _ := f.ImportedLibraries()
	for i, l := range libs {
		out[fmt.Sprintf("needed %d %s", i, strings.NewReplacer("gnu", "X", "weld", "X").Replace(l))]++
	}
	bound := map[uint32]bool{}
	syms, _ := f.DynamicSymbols()
	for _, s := range syms {
		if s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_NOTYPE || s.Section == elf.SHN_ABS {
			continue // edges of sections, and names of versions: which linkers export them differs
		}
		if s.Section == elf.SHN_UNDEF {
			s.Info = 0 // references need have no type
		}
		if elf.ST_TYPE(s.Info) == elf.STT_SECTION {
			continue
		}
		out[fmt.Sprintf("symbol %s %s %t %s", s.Name, elf.SymType(s.Info&15), s.Section == elf.SHN_UNDEF, s.Version)]++
	}
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_LOAD:
			out["load "+p.Flags.String()] = 1
		case elf.PT_NOTE, elf.PT_PHDR:
		default:
			out[fmt.Sprintf("segment %s %s", p.Type, p.Flags)]++
		}
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type != elf.SHT_RELA && s.Type != elf.SHT_REL {
			continue
		}
		b, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		for ; len(b) > 0; b = b[s.Entsize:] {
			info := f.ByteOrder.Uint32(b[4:])
			typ, sym := info&0xff, info>>8
			if f.Class == elf.ELFCLASS64 {
				typ, sym = f.ByteOrder.Uint32(b[8:]), f.ByteOrder.Uint32(b[12:])
			}
			kind := relocKind(f.Machine, typ)
			if kind == "symbol" {
				if bound[sym] {
					continue
				}
				bound[sym] = true
			}
			out["relocation "+kind]++
		}
	}
	return out
}

// relocKind returns what kind of dynamic relocation a type is. An address of an indirect function is one of its resolver or of its
// stub, so those are counted together.
func relocKind(m elf.Machine, typ uint32) string {
	const relative, symbol = "relative", "symbol"
	kinds := map[elf.Machine]map[uint32]string{
		elf.EM_386:     {0: "", 1: symbol, 6: symbol, 7: symbol, 5: "copy", 8: relative, 42: relative, 35: "module", 36: "module offset", 14: "offset", 37: "offset", 41: "descriptor"},
		elf.EM_RISCV:   {0: "", 2: symbol, 3: relative, 4: "copy", 5: symbol, 58: relative, 7: "module", 9: "module offset", 11: "offset", 12: "descriptor"},
		elf.EM_AARCH64: {0: "", 257: symbol, 1024: "copy", 1025: symbol, 1026: symbol, 1027: relative, 1032: relative, 1028: "module", 1029: "module offset", 1030: "offset", 1031: "descriptor"},
	}
	if k, ok := kinds[m][typ]; ok {
		return k
	}
	return fmt.Sprint(typ)
}

// compareELF reports what differs between the outputs of GNU ld and weld.
func compareELF(t *testing.T, flags []string, gnu, weld string) {
	t.Helper()
	a, b := outline(t, gnu), outline(t, weld)
	keys := map[string]bool{}
	for _, m := range []map[string]int{a, b} {
		for k := range m {
			keys[k] = true
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(x, y string) int { return cmp.Compare(y, x) }) {
		switch {
		case k == "relocation ":
			// GNU ld leaves empty relocations.
		case k == "symbol missing STT_NOTYPE true " && a["machine EM_386"] > 0 && b[k] > a[k]:
			// GNU ld for i386 does not leave undefined weak symbols of a program of fixed address to the run-time linker.
			b["relocation symbol"]--
		case strings.Contains(k, "__tls_get_addr ") && b[k] < a[k]:
			// All calls of it have been rewritten.
			a["relocation symbol"]--
		case strings.HasPrefix(k, "segment PT_GNU_EH_FRAME "):
			// GNU ld leaves it out if there is nothing in it.
		case a["machine EM_RISCV"] > 0 && b[k] < a[k] && (strings.HasPrefix(k, "symbol ") && (strings.Contains(k, " false ") || strings.Contains(k, "_ITM_")) || k == "relocation module" || k == "relocation module offset" || k == "relocation offset"):
			// For RISC-V GNU ld exports what a program itself refers to through .got, and has it found at run time.
		case a[k] != b[k]:
			t.Errorf("%q: %s: %d, GNU ld has %d", flags, k, b[k], a[k])
		}
	}
}

// crossObjects returns small objects of each processor that is not this machine's, with thread-local variables, strings, an indirect
// function, a constructor and an exception.
func crossObjects(t testing.TB, d *testenv.Dir) map[string][][]byte {
	d.Write("cross.c", `__thread int t; static __thread int u; int x, *p = &x; const char *s = "string"; int g(void);
static int i(void) { return 1; } static void *r(void) { return i; } int g(void) __attribute__((ifunc("r")));
__attribute__((constructor)) static void c(void) { g(); } int f(int a) { switch (a) { case 1: return t; case 2: return u; case 3: return s[0]; case 4: return *p; case 5: return g(); } return f(a - 1); }
int _start(void) { return f(3); }`)
	d.Write("cross.cc", "int h(int v) { try { throw v; } catch (int w) { return w; } }")
	objs := map[string][][]byte{}
	for _, p := range processors {
		for i, args := range [][]string{{"gcc", "cross.c", "-fPIC", "-O1"}, {"gcc", "cross.c", "-fno-pie", "-O0", "-g"}, {"g++", "cross.cc", "-fPIE"}} {
			out := fmt.Sprintf("%s%d.o", p.name, i)
			tool(t, d.Path, p.prefix+args[0], slices.Concat(p.cflags, args[1:], []string{"-c", "-o", out})...)
			objs[p.name] = append(objs[p.name], read(t, d.Join(out)))
		}
	}
	return objs
}

// TestProcessorDamage changes words of objects of each processor, and cuts them off: the result is an error or an output.
func TestProcessorDamage(t *testing.T) {
	step := 4
	if testenv.Race || testing.Short() {
		step = 68
	}
	for name, objs := range crossObjects(t, testenv.NewDir(t)) {
		for k, obj := range objs {
			for off := 0; off+4 <= len(obj); off += step {
				data := bytes.Clone(obj)
				binary.LittleEndian.PutUint32(data[off:], []uint32{0, 0xffffffff, 0x80000000, 1}[off/4%4])
				mode := []link.Mode{link.Exec, link.PIE, link.Shared, link.Relocatable}[(off/16+k)%4]
				opt := link.Options{Inputs: []link.Input{{Data: data, Name: "damaged"}}, Mode: mode, Threads: 1, EhFrameHdr: true, GCSections: off%3 == 0, Unresolved: link.UnresolvedIgnore, MaxOutput: 1 << 22}
				if res, err := link.Link(t.Context(), opt); err == nil && res.Size == 0 {
					t.Fatalf("%s: offset %#x: neither an error nor an output", name, off)
				}
				if off%16 == 0 {
					opt.Inputs[0].Data = obj[:off:off]
					if _, err := link.Link(t.Context(), opt); err == nil {
						t.Errorf("%s: %#x of %#x bytes were linked", name, off, len(obj))
					}
				}
			}
		}
	}
}

// TestOtherProcessor mixes files for different processors.
func TestOtherProcessor(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("a.c", "int _start(void) { return 0; }\nint x;\n")
	d.Write("b.c", "int y;\n")
	for _, p := range processors {
		tool(t, d.Path, p.prefix+"gcc", "-c", "a.c", "-o", p.name+".o")
		tool(t, d.Path, p.prefix+"gcc", "-c", "b.c", "-o", p.name+"_b.o")
		tool(t, d.Path, p.prefix+"gcc", "-shared", "-nostdlib", "b.c", "-o", "libb"+p.name+".so")
		if err := os.Mkdir(d.Join(p.name), 0o777); err != nil {
			t.Fatal(err)
		}
		tool(t, d.Path, "ar", "rcs", p.name+"/liby.a", p.name+"_b.o")
	}
	tool(t, d.Path, "riscv64-linux-gnu-gcc", "-c", "b.c", "-march=rv64imac", "-mabi=lp64", "-o", "soft.o")
	d.Write("script", "OUTPUT_FORMAT(elf32-i386)\nINPUT(i386_b.o)\n")
	ld := weldDir(t) + "/ld"
	for _, c := range []struct {
		args, want string // what the error says; "" for none
	}{
		{"aarch64.o aarch64_b.o", ""},
		{"-m elf64lriscv riscv64.o", ""},
		{"-m elf_i386 i386.o script -pie", ""},
		{"script i386.o", ""},
		{"aarch64.o riscv64_b.o", "riscv64_b.o: it is for riscv (EM_RISCV), wanted aarch64 like aarch64.o"},
		{"-m elf_x86_64 i386.o", "i386.o: it is for i386 (EM_386), wanted x86-64 like -m elf_x86_64"},
		{"i386.o libbaarch64.so", "libbaarch64.so: it is for aarch64 (EM_AARCH64), wanted i386 like i386.o"},
		{"aarch64.o script", "script: line 1: OUTPUT_FORMAT(elf32-i386), wanted elf64-littleaarch64"},
		{"riscv64.o soft.o", "soft.o: ELF header: e_flags 0x1 (soft-float ABI) cannot be linked with 0x5 (double-float ABI) of riscv64.o"},
		{"riscv64.o -u y -L i386 -L aarch64 -L riscv64 -ly", ""},
		{"riscv64.o -u y -L i386 -L aarch64 -ly", "-ly: no such library in the 2 folders of the library path; i386/liby.a is for i386, wanted riscv; aarch64/liby.a is for aarch64, wanted riscv"},
		{"-r riscv64.o aarch64_b.o", "aarch64_b.o: it is for aarch64 (EM_AARCH64), wanted riscv like riscv64.o"},
		{"i386/liby.a", ""},
		{"-e 0 -L i386 -ly", ""},
	} {
		cmd := exec.Command(ld, append(strings.Fields(c.args), "-o", "out")...)
		cmd.Dir = d.Path
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.want == "") || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, output %q, wanted %q", c.args, err, out, c.want)
		}
	}
}

// TestWidenDamage changes words of a shared library of ELFCLASS32, which is widened to be read, and cuts it off.
func TestWidenDamage(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("lib.c", "int f(void) { return 1; } int v = 2; __thread int t;")
	d.Write("use.c", "int f(void); extern int v; int _start(void) { return f() + v; }")
	d.Write("map", "V1 { global: *; };")
	for _, style := range []string{"gnu", "sysv"} {
		tool(t, d.Path, "i686-linux-gnu-gcc", "-shared", "-nostdlib", "-g0", "-fPIC", "-Wl,--hash-style="+style, "-Wl,--version-script=map", "-Wl,--build-id=none", "lib.c", "-o", "lib.so")
		tool(t, d.Path, "i686-linux-gnu-gcc", "-c", "-fPIC", "use.c", "-o", "use.o")
		obj, lib := read(t, d.Join("use.o")), read(t, d.Join("lib.so"))
		run := func(data []byte) error {
			_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: obj, Name: "use.o"}, {Data: data, Name: "lib.so"}}, Mode: link.PIE, Threads: 1, MaxOutput: 1 << 22})
			return err
		}
		if err := run(lib); err != nil {
			t.Fatal(err)
		}
		// What is behind the dynamic section are sections that are not loaded and names of sections.
		step := 4
		if testenv.Race {
			step = 68
		}
		for off := 0; off+4 <= len(lib); off += step {
			word := binary.LittleEndian.Uint32(lib[off:])
			for _, v := range []uint32{word ^ 0xffffffff, word + 4} {
				if word == 0 && off > 0x200 {
					continue
				}
				data := bytes.Clone(lib)
				binary.LittleEndian.PutUint32(data[off:], v)
				run(data)
			}
		}
		for n := 0; n < 0x400; n += 3 {
			if err := run(lib[:n:n]); err == nil {
				t.Errorf("%#x of %#x bytes were read", n, len(lib))
			}
		}
	}
}
