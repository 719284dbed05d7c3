package link

import (
	"testing"

	"weld/internal/testenv"
)

// A debianPackage is built from its source with weld as the linker, and its own tests are run: see builder.
type debianPackage struct {
	name string
	// here is whether there is no source package: what also fetches is built, in an empty folder
	here bool
	// also are shell commands that fetch what the package needs beside its own source, into the folder $ALSO. $APT are options
	// of apt-get.
	also []string
	// build are shell commands in the folder of the source. They are run again, with GNU ld, if a test fails, after what was linked is
	// removed, and a third time, with weld, if it does not fail then.
	build []string
	// test are shell commands that write "ok NAME" or "not ok NAME" for each case of the package's tests. The exit status is a case too.
	test []string
}

// Builds are with -O1: they test the linker, and take half the time.
var packages = []debianPackage{
	{name: "zlib", build: []string{"./configure", "make -j2"}, test: []string{`make test | sed -n 's/^\t*\*\*\* \(zlib.*\) OK.*/ok \1/p; s/^\t*\*\*\* \(zlib.*\) FAILED.*/not ok \1/p'`}},
	{name: "lua5.4",
		build: []string{"echo '#define DEB_HOST_MULTIARCH \"\"' >src/lua5.4-deb-multiarch.h", "cd src && gcc -O1 -DLUA_USE_POSIX -DLUA_USE_DLOPEN -DLUA_COMPAT_5_3 -Wl,-E -o lua $(ls l*.c | grep -v luac.c) -lm -ldl"},
		test: []string{`src/lua -e 'local t = {} for i = 1, 1e5 do t[i] = i % 7 end table.sort(t) assert(t[1] == 0 and t[#t] == 6)
			assert(not pcall(error, "x")) assert(string.format("%5.2f", math.pi) == " 3.14") assert(load("return 1 + 1")() == 2) print("ok lua")'`}},
	{name: "pugixml", build: []string{"make -j2 test"}, test: []string{"make test | sed -n 's/^Success: /ok /p; s/^FAILURE: /not ok /p'"}},
	{name: "tinyxml2", build: []string{"make -j2 CXX=g++ xmltest"}, test: []string{"./xmltest | sed -n 's/^\\[pass\\] /ok /p; s/^\\[fail\\] /not ok /p'"}},
	// All of C++: templates, exceptions, thread-local variables, locales. Each program is linked with a library and statically.
	{name: "fmtlib",
		also: []string{"apt-get $APT source googletest"},
		build: []string{`GTEST=$(echo $ALSO/googletest-*/)
			CXX="g++ -std=c++20 -O1 -w -I../include -I../test -I$GTEST/googletest/include -I$GTEST/googletest -I$GTEST/googlemock/include -I$GTEST/googlemock"
			mkdir -p o && cd o
			test -f libtest.a || {
				ls ../src/format.cc ../src/os.cc $GTEST/googletest/src/gtest-all.cc $GTEST/googlemock/src/gmock-all.cc ../test/{test-main,gtest-extra,util,ranges-odr-test}.cc ` + fmtTests("../test/", "-test.cc") + ` | xargs -n1 -P2 $CXX -fPIC -c
				ar rcs libtest.a gtest-all.o gmock-all.o test-main.o gtest-extra.o util.o; }
			g++ -shared -o libfmt.so format.o os.o
			for t in ` + fmtTests("", "") + `; do
				x=; test $t != ranges || x=ranges-odr-test.o
				g++ -o $t-test $t-test.o $x libtest.a -L. -lfmt -Wl,-rpath,'$ORIGIN' -pthread
				g++ -static -Wl,--gc-sections -o $t-static $t-test.o $x libtest.a format.o os.o
			done`},
		test: []string{"cd o; for t in *-test *-static; do ./$t | sed -n \"s/^\\[       OK \\] /ok $t /p; s/^\\[  FAILED  \\] /not ok $t /p\" || echo not ok $t ends with a failure; done"}},
	{name: "re2",
		also: []string{"apt-get $APT download unicode-data && dpkg -x unicode-data*.deb ."},
		build: []string{`sed -i "s,\"/usr/share/unicode,\"$ALSO/usr/share/unicode," re2/unicode.py`,
			"make -j2 REBUILD_TABLES=1 CXXFLAGS=-O1 LDFLAGS= shared-test static-test TESTS= obj/libre2.a obj/so/libre2.so $(ls re2/testing/*_test.cc | sed '/exhaustive\\|random\\|dfa/d; s,re2/testing/\\(.*\\).cc,obj/test/\\1 obj/so/test/\\1,')"},
		test: []string{"export LD_LIBRARY_PATH=obj/so; for t in obj/test/*_test obj/so/test/*_test; do if ./$t >log 2>&1; then echo ok $t; else echo not ok $t; fi; done"}},
	// Rust's own linker driver, from Debian's packages as they are: they need not be installed. Tests of crates are linked with the
	// library of Rust as archive, statically, and as shared library, as is one of the crates.
	{name: "rust", here: true,
		also: []string{"apt-get $APT download rustc libstd-rust-dev libstd-rust-1.63 libllvm14 librust-smallvec-dev librust-itoa-dev librust-crossbeam-utils-dev librust-cfg-if-dev && for f in *.deb; do dpkg -x $f .; done && rm *.deb"},
		build: []string{`export LD_LIBRARY_PATH=$ALSO/usr/lib/x86_64-linux-gnu
			R="$ALSO/usr/bin/rustc -C linker=gcc --edition 2018 --cap-lints allow" C=$ALSO/usr/share/cargo/registry
			$R -g --test --crate-name smallvec $C/smallvec-*/src/lib.rs -o smallvec
			$R -O --crate-type rlib --crate-name itoa $C/itoa-*/src/lib.rs
			$R -C prefer-dynamic --test $C/itoa-*/tests/test.rs --extern itoa=libitoa.rlib -o itoa
			$R -C target-feature=+crt-static --test $C/itoa-*/tests/test.rs --extern itoa=libitoa.rlib -o itoa-static
			$R -O --crate-type rlib --crate-name cfg_if $C/cfg-if-*/src/lib.rs -o libcfg_if.rlib
			$R -O --crate-type dylib -C prefer-dynamic --cfg 'feature="std"' --crate-name crossbeam_utils --extern cfg_if=libcfg_if.rlib $C/crossbeam-utils-*/src/lib.rs -L.
			for t in thread parker wait_group cache_padded; do
				$R --test $C/crossbeam-utils-*/tests/$t.rs --extern crossbeam_utils=libcrossbeam_utils.so -C prefer-dynamic -L. -o crossbeam-$t
			done`},
		test: []string{"export LD_LIBRARY_PATH=.:$ALSO/usr/lib/x86_64-linux-gnu; for t in smallvec itoa itoa-static crossbeam-*; do ./$t | sed -n \"s/^test \\(.*\\) \\.\\.\\. ok/ok $t \\1/p; s/^test \\(.*\\) \\.\\.\\. FAILED/not ok $t \\1/p\" || echo not ok $t ends with a failure; done"}},
	// LLVM's own tools from its static archives as Debian has them: linked once with what they need of those, and once with a shared
	// library of all that is in them.
	{name: "llvm", here: true,
		also: []string{"apt-get $APT download llvm-14-dev libpolly-14-dev && for f in *.deb; do dpkg -x $f .; done && rm *.deb",
			"apt-get $APT --download-only source llvm-toolchain-14",
			`tar -xJf llvm-toolchain-14_*.orig.tar.xz --strip-components=2 --wildcards '*/llvm/'{tools/{` + llvmTools + `}/,utils/{FileCheck,not,count,lit}/,test/{` + llvmTests + `}/}
			rm *.tar.xz`},
		build: []string{`L=$ALSO/usr/lib/llvm-14 && mkdir -p archives shared o && cd o
			all=$(ls $L/lib/lib{LLVM*,Polly,PollyISL}.a | grep -Ev 'Exegesis|LineEditor|Interpreter|WindowsManifest|Debuginfod|TableGen') libs="-lz -l:libtinfo.so.6 -l:libz3.so.4"
			ls $ALSO/tools/*/*.cpp $ALSO/utils/{FileCheck,not,count}/*.c* | while read f; do
				o=$(basename $(dirname $f))--$(basename $f).o; test -f $o || echo -c -o $o $f; done |
				xargs -r -L1 -P2 g++ -std=c++14 -O1 -w -fno-exceptions -fPIC -D_GNU_SOURCE -D__STDC_{CONSTANT,FORMAT,LIMIT}_MACROS -I$ALSO/usr/include/llvm{,-c}-14
			g++ -shared -Wl,-z,defs -o ../shared/libLLVM.so -Wl,--whole-archive $all -Wl,--no-whole-archive $libs
			for t in $(ls | sed 's/--.*//' | uniq); do
				g++ -rdynamic -Wl,--gc-sections -o ../archives/$t $t--*.o -Wl,--start-group $all -Wl,--end-group $libs
				g++ -o ../shared/$t $t--*.o -L../shared -lLLVM -Wl,-rpath,'$ORIGIN'
			done`},
		test: []string{`printf %s\\n >$ALSO/test/lit.cfg "import lit.formats, os" "config.name = os.environ['KIND']" "config.test_format = lit.formats.ShTest(False)" \
				"config.suffixes = ['.ll']" "config.excludes = ['Inputs']" "config.targets = frozenset(['X86'])" "config.available_features.update(['x86-registered-target', 'default_triple'])" \
				"config.test_exec_root = os.getcwd() + '/out-' + config.name" "config.environment['PATH'] = os.getcwd() + '/' + config.name + ':' + os.environ['PATH']"
			for KIND in archives shared; do export KIND
				python3 $ALSO/utils/lit/lit.py -j2 $ALSO/test/{` + llvmTests + `} | sed -n 's/^PASS: \(.*\) (.*/ok \1/p; s/^\(FAIL\|UNRESOLVED\|TIMEOUT\|XPASS\): \(.*\) (.*/not ok \2/p'
			done`}},
	{name: "sqlite3",
		build: []string{"test -f Makefile || ./configure CFLAGS='-O1 -DSQLITE_ENABLE_DBPAGE_VTAB'", "make -j2 sqlite3 testfixture fuzzcheck"},
		test: []string{"./fuzzcheck test/fuzzdata1.db && echo ok fuzzcheck", `quick() { r=$(timeout 300 ./testfixture $1 2>&1 | grep '^[0-9]* errors out of' || true); case $r in 0*) echo ok $1 $r;; *) echo not ok $1 $r;; esac; }
			for t in test/[a-z]*.test; do
				case $t in *malloc*|*ioerr*|*fault*|*bigfile*|*_err*|*corrupt*|*soak*|*async*|*all.test|*quick.test|*full.test|*permutations.test|*crash*|*thread*|*lock[0-9_]*|*big*|*stress*|*fuzz*|*memsubsys*) ;;
				*) quick $t;; esac; done`}},
	{name: "redis", build: []string{"make -j2 MALLOC=libc OPTIMIZATION=-O1"},
		test: []string{`./runtest --single unit/type/string --single unit/type/list --single unit/type/hash --single unit/type/zset --single unit/expire --single unit/scripting \
				--single unit/sort --single unit/bitops --single unit/dump --single unit/protocol --clients 2 |
			sed -n 's/\x1b\[[0-9;]*m//g; s/^\[ok\]: \(.*\) ([0-9]* ms)/ok \1/p; s/^\[\(err\|exception\)\]: /not ok /p'`}},
	{name: "bash", build: []string{"test -f Makefile || ./configure CFLAGS=-O1", "make -j2 bash recho zecho printenv xcase && cp recho zecho printenv xcase tests"},
		test: []string{`cd tests && export PATH=$PWD:$PATH THIS_SH=$(cd .. && pwd)/bash BASH_TSTOUT=$PWD/out BUILD_DIR=$(cd .. && pwd)
			for t in run-[a-z]*; do case $t in run-all|run-minimal|run-gprof) continue;; esac
				n=$(sh $t </dev/null 2>&1 | grep -c '^[<>]' || true); test $n = 0 && echo ok $t || echo not ok $t: $n lines differ; done`}},
	{name: "coreutils", build: []string{"test -f Makefile || ./configure CFLAGS=-O1", "make -j2"},
		test: []string{"make -k -j2 check SUBDIRS=. 2>&1 | sed -n 's/^PASS: /ok /p; s/^\\(FAIL\\|ERROR\\): /not ok /p'"}},
	// "# TODO" is how git's tests mark, after TAP, what is known to fail with any linker: such lines are neither.
	{name: "git", build: []string{"make -j2 CFLAGS=-O1 NO_OPENSSL=1 NO_CURL=1 NO_EXPAT=1 NO_GETTEXT=1 NO_TCLTK=1"},
		test: []string{`cd t && ls t00*.sh t1[0-4]*.sh t3[02]*.sh t5[0-3]*.sh | xargs -P2 -I{} bash -o pipefail -c 'n={}; n=${n%.sh}
			sh {} 2>&1 | sed -n "/# TODO/d; s/^ok [0-9]*/ok $n/p; s/^not ok [0-9]*/not ok $n/p" >$n.said || echo not ok {} ends with a failure >>$n.said'; cat *.said`}},
	// Debian builds pyexpat otherwise, and leaves ensurepip out, which test_cppext, test_venv and test_ensurepip want. The other tests
	// that are left out take many minutes or are those of tools.
	{name: "python3.11", build: []string{"grep -q '^#define Py_BUILD_CORE_MODULE' Modules/pyexpat.c || sed -i '1i #define Py_BUILD_CORE_MODULE 1' Modules/pyexpat.c", "test -f Makefile || ./configure CFLAGS=-O1 --with-system-expat", "make -j2"},
		test: []string{`./python -m test -j2 --timeout 900 -x test_gdb test_tools test_concurrent_futures test_multiprocessing_spawn test_multiprocessing_fork \
				test_multiprocessing_forkserver test_asyncio test_lib2to3 test_distutils test_peg_generator test_venv test_ensurepip test_cppext |
			sed -n 's/ -- running.*//; s/ ([0-9.]* \(min\|sec\).*//; s/.*\] \(test_[^ ]*\) passed.*/ok \1/p; s/.*\] \(test_[^ ]* \(failed\|crashed\|timed out\|process\).*\)/not ok \1/p' || true`}},
}

// llvmTools are the tools that llvmTests want, beside those that are for tests only.
const (
	llvmTools = "opt,llc,llvm-as,llvm-dis,llvm-extract,llvm-link,split-file,verify-uselistorder"
	llvmTests = "Assembler,Linker,Verifier,Transforms/InstCombine"
)

// fmtTests lists the tests of fmt.
func fmtTests(before, after string) string {
	return before + "{args,assert,chrono,color,core,gtest-extra,format,ostream,compile,printf,ranges,scan,std,unicode,xchar}" + after
}

// TestSoakPackages fetches sources from the mirrors that apt knows, so it needs the network. What fails when linked by GNU ld, or in one
// run of two, is no failure of weld's: bash's tests want locales, a terminal and a user with a name, sqlite's a bigger default page
// size, and so on.
func TestSoakPackages(t *testing.T) {
	testenv.NeedSoak(t, "fetches and builds packages: hours, and the network")
	b := newBuilder(t)
	list := packages
	if testenv.Race {
		list = packages[:5] // the rest is much the same to the linker
	}
	for _, p := range list {
		t.Run(p.name, func(t *testing.T) { b.check(t, &p) })
	}
}
