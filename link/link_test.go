package link_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/link/ldcmd"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// The test binary is the linker that gcc starts.
func init() {
	testenv.Child("ld", func(args []string) { os.Exit(ldcmd.Main(context.Background(), "ld", args, os.Stdout, os.Stderr)) })
}

// weldDir returns a folder for gcc -B: a program ld in it is weld link.
func weldDir(t testing.TB) string {
	t.Helper()
	return testenv.ChildScript(t, "ld", "ld")
}

// tool runs a program that has to succeed and returns what it says.
func tool(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	testenv.Need(t, name)
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// complaints returns what readelf, and eu-elflint where it is installed, say against a file.
func complaints(t testing.TB, path string) []string {
	t.Helper()
	var list []string
	for _, line := range strings.Split(tool(t, "", "readelf", "-aW", path), "\n") {
		if strings.Contains(line, "Warning:") || strings.Contains(line, "Error:") || strings.Contains(line, "<corrupt") {
			list = append(list, "readelf: "+line)
		}
	}
	if lint, err := exec.LookPath("eu-elflint"); err == nil {
		msg, _ := exec.Command(lint, "--gnu-ld", path).CombinedOutput()
		for _, line := range strings.Split(string(msg), "\n") {
			if line != "" && line != "No errors" && !strings.HasSuffix(line, ": unknown type") {
				list = append(list, "eu-elflint: "+line)
			}
		}
	}
	return list
}

var (
	numbers      = regexp.MustCompile(` *[0-9]+`)
	relocSection = regexp.MustCompile(`section \[\] '\.rela?\.[a-z]+': relocation`)
)

// general takes out of a complaint what differs between outputs of two linkers that are complained about alike.
func general(complaint string) string {
	return relocSection.ReplaceAllString(numbers.ReplaceAllString(complaint, ""), "relocation")
}

// checkELF reports what is said against weld's output and not against GNU ld's of the same inputs: eu-elflint does not know
// unique symbols, some notes, and indirect functions.
func checkELF(t testing.TB, gnu, weld string) {
	t.Helper()
	known := map[string]bool{}
	for _, c := range complaints(t, gnu) {
		known[general(c)] = true
	}
	for _, c := range complaints(t, weld) {
		if !known[general(c)] {
			t.Errorf("%s: %s", filepath.Base(weld), c)
		}
	}
}

// A program is linked by GNU ld and by weld, and does the same.
type program struct {
	name    string
	cc      string     // gcc if it is ""
	sources []string   // in testdata
	cflags  []string   // of the compiler
	lib     []string   // source and flags of a library it is linked with
	flags   [][]string // of the linker: one link each
}

var programs = []program{
	{name: "hello", sources: []string{"hello.c"}, flags: [][]string{
		{}, {"-pie"}, {"-no-pie"}, {"-static"}, {"-static-pie"}, {"-Wl,-z,now"}, {"-Wl,-z,norelro"}, {"-Wl,-z,noseparate-code"},
		{"-static", "-Wl,-z,noseparate-code"}, {"-s"}, {"-Wl,--hash-style=sysv"}, {"-Wl,--hash-style=both"}, {"-Wl,--build-id=md5"},
		{"-Wl,--build-id=none"}, {"-Wl,-z,max-page-size=0x200000"}, {"-rdynamic"}, {"-static", "-Wl,--gc-sections"}, {"-Wl,-S"}, {"-Wl,-z,pack-relative-relocs"}, {"-static-pie", "-Wl,-z,pack-relative-relocs"},
	}},
	{name: "cxx", cc: "g++", sources: []string{"cxx.cc", "cxx_other.cc"}, cflags: []string{"-g"}, flags: [][]string{
		{}, {"-no-pie"}, {"-static"}, {"-static-pie"}, {"-Wl,--gc-sections"}, {"-Wl,-z,now", "-Wl,-z,ibtplt"}, {"-Wl,--no-relax"},
	}},
	{name: "cxx-no-pie", cc: "g++", sources: []string{"cxx.cc", "cxx_other.cc"}, cflags: []string{"-O2", "-fno-pie", "-ffunction-sections", "-fdata-sections"}, flags: [][]string{
		{"-no-pie"}, {"-static"}, {"-no-pie", "-Wl,--gc-sections"},
	}},
	{name: "features", sources: []string{"features.c"}, cflags: []string{"-fcommon"}, lib: []string{"features_lib.c", "-Wl,--version-script,features.map", "-Wl,-z,pack-relative-relocs"}, flags: [][]string{
		{}, {"-Wl,-z,pack-relative-relocs"}, {"-Wl,-z,now"}, {"-rdynamic"}, {"-Wl,-z,ibtplt"}, {"-Wl,--gc-sections"}, {"-Wl,--no-relax"},
	}},
	{name: "features-no-pie", sources: []string{"features.c"}, cflags: []string{"-fcommon", "-fno-pie", "-O2"}, lib: []string{"features_lib.c", "-O2", "-mtls-dialect=gnu2", "-Wl,--version-script,features.map"}, flags: [][]string{
		{"-no-pie"}, {"-no-pie", "-Wl,-z,now"}, {"-no-pie", "-Wl,-z,ibtplt"}, {"-no-pie", "-Wl,-z,norelro"},
	}},
	{name: "features-symbolic", sources: []string{"features.c"}, cflags: []string{"-fPIC"}, lib: []string{"features_lib.c", "-fno-plt", "-Wl,-Bsymbolic-functions", "-Wl,-z,now", "-Wl,--version-script,features.map"}, flags: [][]string{{}}},
	{name: "tls-gd", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-ftls-model=global-dynamic"}, lib: []string{"tls_other.c"}, flags: [][]string{{}, {"-no-pie"}}},
	{name: "tls-desc", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2", "-mtls-dialect=gnu2"}, lib: []string{"tls_other.c", "-mtls-dialect=gnu2"}, flags: [][]string{{}, {"-no-pie"}}},
	{name: "tls-ie", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-ftls-model=initial-exec"}, lib: []string{"tls_other.c", "-ftls-model=initial-exec"}, flags: [][]string{{}, {"-no-pie"}}},
	{name: "tls-noplt", sources: []string{"tls.c"}, cflags: []string{"-fPIC", "-O2", "-fno-plt"}, lib: []string{"tls_other.c", "-fno-plt"}, flags: [][]string{{}, {"-no-pie"}}},
	{name: "tls-static-gd", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-fPIC", "-O1"}, flags: [][]string{{}, {"-static"}, {"-static-pie"}, {"-no-pie"}}},
	{name: "tls-static-desc", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-fPIC", "-O1", "-mtls-dialect=gnu2"}, flags: [][]string{{}, {"-static"}, {"-no-pie"}}},
	{name: "tls-static-noplt", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-fPIC", "-O1", "-fno-plt"}, flags: [][]string{{}, {"-static"}}},
	{name: "tls-le", sources: []string{"tls.c", "tls_other.c"}, cflags: []string{"-fno-pie"}, flags: [][]string{{"-no-pie"}, {"-static"}}},
	{name: "gc", sources: []string{"gc.c"}, cflags: []string{"-ffunction-sections", "-fdata-sections"}, flags: [][]string{{"-Wl,--gc-sections"}, {"-static", "-Wl,--gc-sections"}, {}}},
	{name: "strings", sources: []string{"strings.c", "strings_other.c"}, cflags: []string{"-O2"}, flags: [][]string{{}, {"-static"}}},
	{name: "old", sources: []string{"old.S"}, flags: [][]string{{}, {"-no-pie"}, {"-static"}}},
	{name: "wrap", sources: []string{"wrap.c", "answer.c"}, flags: [][]string{
		{"-Wl,--wrap=answer", "-Wl,--defsym=defined_here=0x1234", "-Wl,--defsym=aliased=same", "-no-pie"},
		{"-Wl,--wrap,answer", "-Wl,--defsym,defined_here=0x1234", "-Wl,--defsym,aliased=same+0", "-static"},
	}},
	{name: "symbols", sources: []string{"symbols.c", "symbols_weak.c", "symbols_strong.c"}, cflags: []string{"-fcommon", "-fPIC"}, lib: []string{"symbols_lib.c", "-fcommon"}, flags: [][]string{{}, {"-no-pie"}, {"-rdynamic"}}},
	{name: "symbols-no-pie", sources: []string{"symbols_strong.c", "symbols_weak.c", "symbols.c"}, cflags: []string{"-fcommon", "-fno-pie"}, lib: []string{"symbols_lib.c", "-fcommon"}, flags: [][]string{{"-no-pie"}}},
	{name: "tbss", sources: []string{"tbss.c"}, flags: [][]string{{}, {"-no-pie"}, {"-static"}, {"-static-pie"}, {"-s", "-Wl,-z,noseparate-code"}}},
	{name: "tbss-shared", sources: []string{"tbss.c", "tls_other.c"}, cflags: []string{"-fPIC"}, lib: []string{"tls_other.c"}, flags: [][]string{{"-Wl,-z,norelro"}}},
	{name: "copy", sources: []string{"copy_alias.c"}, cflags: []string{"-fno-pie"}, flags: [][]string{{"-no-pie"}}},
}

func TestPrograms(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, &toolchain{})
		})
	}
}

// A toolchain compiles for a processor and runs what has been made.
type toolchain struct {
	prefix string   // of gcc and g++
	cflags []string // of every call of the compiler
	run    []string // what runs a program, if it is not the system
	loose  bool     // only what programs do is compared
}

func (p *program) test(t *testing.T, tc *toolchain) {
	gcc := func(name string, args ...string) []string {
		return slices.Concat([]string{tc.prefix + name}, tc.cflags, args)
	}
	cc := p.cc
	if cc == "" {
		cc = "gcc"
	}
	d := testenv.NewDir(t)
	weld := weldDir(t)
	src, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var objs []string
	for _, s := range p.sources {
		obj := strings.TrimSuffix(s, filepath.Ext(s)) + ".o"
		line := gcc(cc, append([]string{"-c", filepath.Join(src, s), "-o", obj, "-w"}, p.cflags...)...)
		tool(t, d.Path, line[0], line[1:]...)
		objs = append(objs, obj)
	}
	linkers := []struct {
		name string
		args []string
	}{{"gnu", nil}, {"weld", []string{"-B", weld}}}
	// The library of each linker with the program of each.
	libs := []string{""}
	if p.lib != nil {
		libs = nil
		tool(t, d.Path, "cp", filepath.Join(src, "features.map"), ".")
		for _, l := range linkers {
			lib := "lib" + l.name + ".so"
			args := append([]string{filepath.Join(src, p.lib[0]), "-shared", "-fPIC", "-w", "-o", lib, "-Wl,-soname," + lib}, p.lib[1:]...)
			line := gcc("gcc", append(args, l.args...)...)
			tool(t, d.Path, line[0], line[1:]...)
			libs = append(libs, lib)
		}
		checkELF(t, d.Join("libgnu.so"), d.Join("libweld.so"))
		if tc.run != nil && !tc.loose {
			compareELF(t, p.lib, d.Join("libgnu.so"), d.Join("libweld.so"))
		}
	}
	for _, flags := range p.flags {
		var want *testenv.Result
		for _, lib := range libs {
			for _, l := range linkers {
				prog := d.Join("prog-" + l.name)
				args := append(append([]string{"-o", prog}, objs...), flags...)
				if lib != "" {
					args = append(args, lib, "-Wl,-rpath,"+d.Path)
				}
				line := gcc(cc, append(args, l.args...)...)
				tool(t, d.Path, line[0], line[1:]...)
				if l.name == "weld" {
					checkELF(t, d.Join("prog-gnu"), prog)
				}
				if l.name == "weld" && tc.run != nil && !tc.loose {
					compareELF(t, flags, d.Join("prog-gnu"), prog)
				}
				cmd := slices.Concat(tc.run, []string{prog})
				got := testenv.Run(t, exec.Command(cmd[0], cmd[1:]...), testenv.Patience)
				switch {
				case want == nil:
					want = &got
				case got.String() != want.String() || !bytes.Equal(got.Stdout, want.Stdout):
					t.Errorf("%v, linked by %s with %q: %s, output\n%s\n%s\nwanted as GNU ld's: %s\n%s", flags, l.name, lib, got, got.Stdout, got.Stderr, want, want.Stdout)
				}
			}
		}
	}
}
