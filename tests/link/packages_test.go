package link

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weld/internal/testenv"
)

// A debianPackage is built from its source with weld as the linker, and its own tests are run. gcc finds weld by
// COMPILER_PATH; the folder is that of the source.
type debianPackage struct {
	name  string
	build []string // shell commands
	// test is what has to succeed then.
	test []string
}

var packages = []debianPackage{
	{"zlib", []string{"./configure", "make -j2"}, []string{"make test"}},
	{"lua5.4", []string{"echo '#define DEB_HOST_MULTIARCH \"\"' >src/lua5.4-deb-multiarch.h", "cd src && gcc -O2 -DLUA_USE_POSIX -DLUA_USE_DLOPEN -DLUA_COMPAT_5_3 -Wl,-E -o lua $(ls l*.c | grep -v luac.c) -lm -ldl"},
		[]string{`src/lua -e 'local t = {} for i = 1, 1e5 do t[i] = i % 7 end table.sort(t) assert(t[1] == 0 and t[#t] == 6)
			assert(not pcall(error, "x")) assert(string.format("%5.2f", math.pi) == " 3.14") assert(load("return 1 + 1")() == 2)'`}},
	{"sqlite3", []string{"./configure --disable-tcl", "make -j2 sqlite3 fuzzcheck"}, []string{
		`test "$(./sqlite3 :memory: 'with recursive c(x) as (values(1) union all select x + 1 from c where x < 1000) select sum(x) from c;')" = 500500`,
		"./fuzzcheck test/fuzzdata1.db"}},
	{"bash", []string{"./configure", "make -j2"}, []string{
		"cd tests && for t in run-arith run-array run-braces run-case run-cond run-func run-heredoc run-ifs run-posix2 run-quote run-tilde; do PATH=$PWD:$PATH THIS_SH=../bash BASH_TSTOUT=$PWD/out BUILD_DIR=.. sh $t >log 2>&1 || exit 1; ! grep '^[<>]' log || exit 1; done"}},
	{"coreutils", []string{"FORCE_UNSAFE_CONFIGURE=1 ./configure", "make -j2"}, []string{
		"make check SUBDIRS=. TESTS='tests/misc/seq.pl tests/misc/sort.pl tests/misc/cut.pl tests/misc/wc.pl tests/misc/head.pl tests/misc/expr.pl tests/misc/date.pl tests/misc/tr.pl'"}},
	{"redis", []string{"make -j2 MALLOC=libc"}, []string{
		"./src/redis-server --port 0 --unixsocket $PWD/s --daemonize yes --save '' && sleep 1 && ./src/redis-cli -s $PWD/s set a 7 && test $(./src/redis-cli -s $PWD/s incr a) = 8 && ./src/redis-cli -s $PWD/s shutdown nosave",
		"./runtest --single unit/type/string --single unit/type/list --single unit/expire --clients 2"}},
	{"git", []string{"make -j2 NO_OPENSSL=1 NO_CURL=1 NO_EXPAT=1 NO_GETTEXT=1 NO_TCLTK=1"}, []string{
		"cd t && for t in t0000-basic t0001-init t1300-config t3200-branch t4013-diff-various t5300-pack-object; do ./$t.sh >log 2>&1 || { tail log; exit 1; }; done"}},
	{"pugixml", []string{"make -j2 test"}, []string{"make test"}},
	{"tinyxml2", []string{"make -j2 CXX=g++ xmltest"}, []string{"./xmltest | grep 'Fail 0'"}},
	{"python3.11", []string{"./configure", "make -j2"}, []string{
		"./python -m test test_int test_list test_dict test_ctypes test_threading test_importlib test_json test_ssl test_subprocess test_zlib test_hashlib"}},
}

// TestSoakPackages fetches sources from the mirrors that apt knows, so it needs the network.
func TestSoakPackages(t *testing.T) {
	if !testenv.Soak() {
		t.Skip("WELD_SOAK is not set")
	}
	d := testenv.NewDir(t)
	// The linker notes each link, so that it is known who has linked.
	log := d.Join("links")
	d.Write("bin/ld", "#!/bin/sh\necho \"$@\" >>"+log+"\nexec "+testenv.ChildScript(t, "ld", "ld")+"/ld \"$@\"\n")
	ld := d.Join("bin")
	if err := os.Chmod(d.Join("bin/ld"), 0o755); err != nil {
		t.Fatal(err)
	}
	apt := sources(t, d)
	for _, p := range packages {
		t.Run(p.name, func(t *testing.T) {
			dir := d.Join("src-" + p.name)
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			shell(t, dir, ld, "apt-get "+strings.Join(apt, " ")+" source "+p.name)
			found, err := filepath.Glob(filepath.Join(dir, "*", "."))
			found = slices.DeleteFunc(found, func(f string) bool { return !isDir(f) })
			if err != nil || len(found) != 1 {
				t.Fatalf("sources in %q, %v", found, err)
			}
			os.Remove(log)
			for _, c := range p.build {
				shell(t, found[0], ld, c)
			}
			if text, err := os.ReadFile(log); err != nil {
				t.Errorf("weld has linked nothing: %v", err)
			} else {
				t.Logf("%d links", strings.Count(string(text), "\n"))
			}
			for _, c := range p.test {
				shell(t, found[0], ld, c)
			}
		})
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// sources has apt read the lists of sources into a folder, and returns its options for that.
func sources(t *testing.T, d *testenv.Dir) []string {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SIGNED_BY)|$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian").Output()
	if err != nil {
		t.Fatalf("apt-get indextargets: %v", err)
	}
	var list []string
	for l := range strings.Lines(string(out)) {
		by, repo, _ := strings.Cut(strings.TrimSpace(l), "|")
		if strings.Contains(strings.Fields(repo)[1], "-") {
			continue // updates: they are in another place than their lists say
		}
		option := ""
		if filepath.IsAbs(by) {
			option = "[signed-by=" + by + "] "
		} else if keys, _ := filepath.Glob("/usr/share/keyrings/debian-archive-keyring.gpg"); len(keys) > 0 {
			option = "[signed-by=" + keys[0] + "] "
		}
		list = append(list, "deb-src "+option+repo)
	}
	slices.Sort(list)
	d.Write("apt/sources.list", strings.Join(slices.Compact(list), "\n")+"\n")
	for _, dir := range []string{"apt/lists/partial", "apt/cache/archives/partial"} {
		if err := os.MkdirAll(d.Join(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	opts := []string{"-q", "-o", "Dir::Etc::sourcelist=" + d.Join("apt/sources.list"), "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::State::lists=" + d.Join("apt/lists"),
		"-o", "Dir::Cache=" + d.Join("apt/cache"), "-o", "APT::Sandbox::User=root"}
	shell(t, d.Path, "", "apt-get "+strings.Join(opts, " ")+" update")
	return opts
}

// shell runs a command, in which gcc and g++ link with weld.
func shell(t *testing.T, dir, ld, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-ec", command)
	cmd.Dir = dir
	// This is where gcc looks for ld first.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "COMPILER_PATH="+ld)
	if out, err := cmd.CombinedOutput(); err != nil {
		const tail = 3000
		t.Fatalf("%s: %v\n%s", command, err, out[max(0, len(out)-tail):])
	}
}
