package link_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// symbolOrder returns names of symbols of a file in the order of their addresses.
func symbolOrder(t testing.TB, path string, names ...string) string {
	t.Helper()
	var list []string
	for line := range strings.Lines(tool(t, "", "nm", "-n", path)) {
		f := strings.Fields(line)
		if len(f) == 3 && slices.Contains(names, f[2]) {
			list = append(list, f[2])
		}
	}
	return strings.Join(list, " ")
}

// TestOrder puts sections in order by every option that does.
func TestOrder(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("o.o", d.Write("o.c", `
int f1(void) { return 1; } int f2(void) { return 2; } int f3(void) { return 3; } static int local(void) { return 4; }
__attribute__((section(".text.unlikely.cold"))) int cold(void) { return 5; } __attribute__((section(".text.hot.hot"))) int hot(void) { return 6; }
int d1 = 1, d2 = 2; long long d3 __attribute__((aligned(64))) = 3;
int c1; char c2; int c3[64] __attribute__((aligned(128)));
int main(void) { return f1() + f2() + f3() + local() + cold() + hot(); }
int _start(void) { return main(); }
`), "-ffunction-sections", "-fdata-sections", "-fcommon", "-O1", "-fno-inline", "-fno-toplevel-reorder")
	d.Write("symbols", "f3\n# comment\nlocal\nmissing\nd2\nf1\n")
	d.Write("sections", ".text.f2\n.text.l*\n.data.d3\n")
	code := []string{"f1", "f2", "f3", "local", "cold", "hot"}
	data := []string{"d1", "d2", "d3"}
	commons := []string{"c1", "c2", "c3"}
	for _, c := range []struct {
		args  []string
		names []string
		want  string // "" for as lld or GNU ld
		peer  string
	}{
		{nil, code, "", "ld"},
		{nil, data, "d1 d2 d3", ""},
		{[]string{"--symbol-ordering-file=symbols"}, []string{"f1", "f2", "f3", "local"}, "", llvm(t, "ld.lld")},
		{[]string{"--symbol-ordering-file", "symbols"}, data, "", llvm(t, "ld.lld")},
		{[]string{"--section-ordering-file=sections"}, []string{"f1", "f2", "f3", "local"}, "f2 local f1 f3", ""},
		{[]string{"--section-ordering-file", "sections"}, data, "d3 d1 d2", ""},
		{[]string{"--sort-section=alignment"}, data, "", "ld"},
		{[]string{"--sort-section=name"}, []string{"main", "f1", "f2", "f3"}, "", "ld"},
		{[]string{"--sort-section=name", "--sort-section=none"}, []string{"main", "f1", "f2", "f3"}, "f1 f2 f3 main", ""},
		{[]string{"--sort-common"}, commons, "", "ld"},
		{[]string{"--sort-common=ascending"}, commons, "", "ld"},
		{nil, commons, "c1 c2 c3", ""},
		{[]string{"-z", "keep-text-section-prefix"}, code, "cold hot f1 f2 f3 local", ""},
	} {
		args := append([]string{"o.o", "-o", "out"}, c.args...)
		status, _, msg := command(t, d, args...)
		if status != 0 {
			t.Fatalf("%q: %s", c.args, msg)
		}
		want := c.want
		if c.peer != "" {
			tool(t, d.Path, c.peer, append(args, "-o", "peer", "--warn-common")...)
			want = symbolOrder(t, d.Join("peer"), c.names...)
		}
		if got := symbolOrder(t, d.Join("out"), c.names...); got != want {
			t.Errorf("%q: the order is %s, wanted %s", c.args, got, want)
		}
		if strings.Contains(fmt.Sprint(c.args), "symbol-ordering") != strings.Contains(msg, "missing") {
			t.Errorf("%q: %s", c.args, msg)
		}
	}
	command(t, d, "o.o", "-o", "out", "-z", "keep-text-section-prefix")
	if out := tool(t, d.Path, "readelf", "-SW", "out"); !strings.Contains(out, " .text.hot ") || !strings.Contains(out, " .text.unlikely ") {
		t.Errorf("the sections of code are not apart:\n%s", out)
	}
}

// TestSectionStart puts sections at addresses, as GNU ld does, and has programs run there.
func TestSectionStart(t *testing.T) {
	d := testenv.NewDir(t)
	assemble(t, d, "start", freestanding)
	assemble(t, d, "status", "\t.data\n\t.globl status\nstatus:\t.long 42\n\t.bss\n\t.skip 64\n\t.section .more,\"a\"\n\t.long 1\n\t.section .note.GNU-stack,\"\",@progbits\n")
	for _, args := range [][]string{
		{"-Ttext=0x500000"}, {"-Ttext", "100000"}, {"-Ttext=0x500123000", "-Tdata=0x500223000"}, {"--section-start=.more=0x10000000"},
		{"--section-start", ".data=0x700010"}, {"-Tbss=0x900000"}, {"-Ttext=0x500000", "-pie"}, {"-Ttext-segment=0x800000"}, {"-Ttext=0x500000", "-z", "max-page-size=0x200000"},
	} {
		line := append([]string{"start.o", "status.o"}, args...)
		if status, _, msg := command(t, d, append(line, "-o", "out")...); status != 0 {
			t.Errorf("%q: %s", args, msg)
			continue
		}
		tool(t, d.Path, "ld", append(line, "-o", "gnu", "--no-dynamic-linker")...)
		checkELF(t, d.Join("gnu"), d.Join("out"))
		addrs := func(path string) map[string]uint64 {
			m := map[string]uint64{}
			secs, err := openELF(t, d.Join(path)).Sections()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secs {
				m[s.Name] = s.Addr
			}
			return m
		}
		got, want := addrs("out"), addrs("gnu")
		for _, name := range []string{".text", ".data", ".bss", ".more"} {
			if strings.Contains(strings.Join(args, " "), name[1:]+"=") && got[name] != want[name] {
				t.Errorf("%q: %s is at %#x, GNU ld has it at %#x", args, name, got[name], want[name])
			}
		}
		if slices.Contains(args, "-pie") {
			continue // there is no run-time linker in it
		}
		if r := testenv.Run(t, exec.Command(d.Join("out")), testenv.Patience); r.Code != 42 {
			t.Errorf("%q: %s, wanted exit status 42", args, r)
		}
	}
	for _, args := range [][]string{{"-Tdata=0x100000", "-Ttext=0x200000"}, {"-Ttext=0x10"}, {"--section-start=.data"}, {"--section-start=.data=xyz"}} {
		if status, _, msg := command(t, d, append([]string{"start.o", "status.o", "-o", "bad"}, args...)...); status != 2 {
			t.Errorf("%q: status %d, wanted 2\n%s", args, status, msg)
		}
	}
}

// TestOutputOptions looks for what further options do to the output; without the option it is not so.
func TestOutputOptions(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("a.o", d.Write("a.c", `
extern char __start_part[], __stop_part[]; extern int weakly __attribute__((weak));
static int local_name; int kept_name = 1, data_name = 2; int *p = &local_name;
__attribute__((section("part"))) int in_part = 1; __attribute__((section(".odd"))) int odd = 2;
static int unused(void) { return 3; }
int func_name(void) { return __stop_part - __start_part + data_name; }
int start_bounds(void) { return &weakly ? weakly : *p; }
void *operator_new(void) __asm__("_Znwm"); void *operator_new(void) { return 0; }
`), "-fPIC", "-ffunction-sections", "-fdata-sections", "-w")
	d.Object("plain.o", d.Write("plain.c", "int plain(void) { return 1; }\n"), "-fPIC", "-fcf-protection=none")
	d.Object("gone.o", d.Write("gone.c", "static int inner(void) { return 1; }\nint gone(void) { return inner(); }\nint kept(void) { return 2; }\n"), "-fPIC", "-ffunction-sections", "-O0")
	assemble(t, d, "stack", "\t.globl stack\nstack:\tret\n\t.section .note.GNU-stack,\"x\",@progbits\n")
	assemble(t, d, "rwx", "\t.section .rwx,\"awx\"\n\t.globl rwx\nrwx:\tret\n\t.section .note.GNU-stack,\"\",@progbits\n")
	d.Write("retain", "kept_name\n")
	d.Write("v.map", "V { global: func_name; not_there; local: *; };\n")
	d.Write("list", "{ nothing; };\n")
	for _, c := range []struct {
		args  []string // with -shared -o out
		tool  []string // with out
		want  string   // what is said with the last option, or with all if all is set, and not without
		stays bool     // the message is the linker's
	}{
		{[]string{"a.o", "--package-metadata={\"type\":\"deb\"}"}, []string{"readelf", "-nW"}, `{"type":"deb"}`, false},
		{[]string{"a.o", "--retain-symbols-file=retain"}, []string{"sh", "-c", "nm out | grep -c name | sed s/1/only-one/"}, "only-one", false},
		{[]string{"a.o", "-z", "start-stop-visibility=internal"}, []string{"readelf", "-sW"}, "INTERNAL", false},
		{[]string{"a.o", "-z", "rodynamic"}, []string{"sh", "-c", "readelf -SW out | grep ' .dynamic ' | grep ' A '"}, ".dynamic", false},
		{[]string{"a.o", "-z", "x86-64-v3"}, []string{"readelf", "-nW"}, "x86-64-v3", false},
		{[]string{"a.o", "-z", "lam-u48"}, []string{"readelf", "-nW"}, "LAM_U48", false},
		{[]string{"a.o", "-z", "nognustack"}, []string{"sh", "-c", "readelf -lW out | grep -q GNU_STACK || echo no-stack"}, "no-stack", false},
		{[]string{"a.o", "-z", "separate-loadable-segments"}, []string{"sh", "-c", "readelf -lW out | grep LOAD | awk '{print substr($2, length($2)-2)}' | sort -u | wc -l | sed s/^1$/all-aligned/"}, "all-aligned", false},
		{[]string{"gone.o", "-z", "dead-reloc-in-nonalloc=.debug_info=0x7777"}, []string{"sh", "-c", "ld --version >/dev/null; readelf --debug-dump=info out"}, "7777", false},
		{[]string{"a.o", "plain.o", "-z", "cet-report=warning"}, nil, "plain.o: it is not marked for IBT and SHSTK", true},
		{[]string{"a.o", "plain.o", "-z", "cet-report=error"}, nil, "error: plain.o: it is not marked", true},
		{[]string{"a.o", "--orphan-handling=warn"}, nil, "section .odd is an orphan", true},
		{[]string{"a.o", "--orphan-handling=error"}, nil, "error: a.o: section .odd: an orphan", true},
		{[]string{"a.o", "--orphan-handling=discard"}, []string{"sh", "-c", "readelf -SW out | grep -q ' .odd ' || echo no-odd"}, "no-odd", false},
		{[]string{"a.o", "--version-script=v.map", "--no-undefined-version"}, nil, "not_there, which is not defined", true},
		{[]string{"stack.o", "--error-execstack"}, nil, "error: stack.o", true},
		{[]string{"rwx.o", "--warn-rwx-segments"}, nil, "", true},
		{[]string{"a.o", "-Bsymbolic", "--dynamic-list-data"}, []string{"readelf", "-rW"}, "data_name", false},
		{[]string{"a.o", "-Bsymbolic-functions", "--dynamic-list=list", "--dynamic-list-cpp-new"}, nil, "", true},
	} {
		line := append([]string{"-shared", "-o", "out"}, c.args...)
		if strings.Contains(strings.Join(c.args, " "), "dead-reloc") {
			line = append(line, "--gc-sections", "--version-script=v2.map")
			d.Write("v2.map", "{ global: kept; local: *; };\n")
		}
		said := func(line []string) string {
			status, out, msg := command(t, d, line...)
			if c.tool == nil || status != 0 {
				return out + msg
			}
			args := c.tool[1:]
			if c.tool[0] != "sh" {
				args = append(slices.Clone(args), "out")
			}
			cmd := exec.Command(c.tool[0], args...)
			cmd.Dir = d.Path
			b, _ := cmd.CombinedOutput()
			return string(b)
		}
		if got := said(line); !strings.Contains(got, c.want) {
			t.Errorf("%q: not said: %q\n%s", c.args, c.want, got)
		}
		without := slices.DeleteFunc(slices.Clone(line), func(a string) bool { return a == c.args[len(c.args)-1] || a == "-z" })
		if got := said(without); c.want != "" && strings.Contains(got, c.want) {
			t.Errorf("without %s it is also said: %q\n%s", c.args[len(c.args)-1], c.want, got)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"stack.o"}, "requires an executable stack"}, {[]string{"stack.o", "--no-warn-execstack"}, ""},
		{[]string{"rwx.o"}, "writable and executable"}, {[]string{"rwx.o", "--no-warn-rwx-segments"}, ""},
	} {
		if _, _, msg := command(t, d, append(c.args, "-shared", "-o", "out")...); !strings.Contains(msg, c.want) || c.want == "" && msg != "" {
			t.Errorf("%q: %s", c.args, msg)
		}
	}
	// Sections that only __start_ symbols lead to.
	d.Object("bounds.o", d.Write("bounds.c", "extern char __start_part[] __attribute__((weak)); __attribute__((section(\"part\"))) int in_part = 1; char *_start(void) { return __start_part; }\n"), "-fPIC", "-w")
	for _, gc := range []string{"nostart-stop-gc", "start-stop-gc"} {
		command(t, d, "bounds.o", "-o", "out", "--gc-sections", "-z", gc)
		if has := bytes.Contains(read(t, d.Join("out")), []byte("\x00part\x00")); has != (gc == "nostart-stop-gc") {
			t.Errorf("-z %s: the section is there: %t", gc, has)
		}
	}
	// An undefined weak symbol of a dynamic program.
	d.Object("weak.o", d.Write("weak.c", "extern int weakly __attribute__((weak)); int _start(void) { return weakly; }\n"), "-fPIC")
	for _, args := range [][]string{{}, {"-z", "nodynamic-undefined-weak"}} {
		command(t, d, append([]string{"weak.o", "-pie", "-o", "out"}, args...)...)
		f := openELF(t, d.Join("out"))
		found := false
		for _, s := range f.DynSymbols().All() {
			found = found || f.SymName(s) == "weakly"
		}
		if found != (len(args) == 0) {
			t.Errorf("%q: the undefined weak symbol is dynamic: %t", args, found)
		}
	}
}
