package ctype

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// soakLibraries are built from Debian's sources with -g, by $CC, with $EXTRA; the last line of each makes lib.so.
var soakLibraries = []struct {
	source, build string
	known         int // of 1000 symbols: the rest is in assembly
	// edit changes the source; broken are the functions whose callers break, as abidiff says too.
	edit   string
	broken []string
}{
	{source: "zlib", known: 1000, build: `$CC -g -O2 -w -fPIC -shared -DHAVE_UNISTD_H *.c -o lib.so`,
		edit:   `sed -i 's/uInt     avail_in;/uLong    avail_in;/' zlib.h; sed -i 's/z_size_t len1, z_size_t len2/int len1, z_size_t len2/' adler32.c`,
		broken: []string{"deflate", "inflate", "deflateEnd"}},
	{source: "sqlite3", known: 1000, build: `[ -f bld/sqlite3.c ] || (mkdir bld; cd bld; ../configure --disable-tcl; make sqlite3.c)
		$CC -g -O1 -w -fPIC -shared bld/sqlite3.c -o lib.so -lm`,
		edit:   `sed -i 's/int sqlite3_busy_timeout(sqlite3 \*db, int ms)/int sqlite3_busy_timeout(sqlite3 *db, long ms)/; s/int sqlite3_busy_timeout(sqlite3\*, int ms)/int sqlite3_busy_timeout(sqlite3*, long ms)/' bld/sqlite3.c`,
		broken: []string{"sqlite3_busy_timeout"}},
	{source: "libxml2", known: 1000, build: `[ -f config.h ] || ./configure --without-python --without-lzma
		$CC -g -O1 -w -fPIC -shared -I. -Iinclude -DHAVE_CONFIG_H -D_REENTRANT -DLIBXML_THREAD_ENABLED SAX.c entities.c encoding.c error.c parserInternals.c parser.c tree.c hash.c \
			list.c xmlIO.c xmlmemory.c uri.c valid.c xlink.c HTMLparser.c HTMLtree.c debugXML.c xpath.c xpointer.c xinclude.c nanohttp.c nanoftp.c catalog.c globals.c \
			threads.c c14n.c xmlstring.c buf.c xmlregexp.c xmlschemas.c xmlschemastypes.c xmlunicode.c xmlreader.c relaxng.c dict.c SAX2.c xmlwriter.c legacy.c \
			chvalid.c pattern.c xmlsave.c xmlmodule.c schematron.c -o lib.so -lz -lm`},
	{source: "openssl", known: 990, build: `./Configure linux-x86_64 shared no-tests CC=$CC -g -w; make -s clean || true; make -s -j2 build_generated libcrypto.so.3; cp libcrypto.so.3 lib.so`},
}

// TestSoakLibraries takes every function of real libraries, built by gcc and by clang, and compares these with each other and with what is edited. It
// fetches sources, so it needs the network.
func TestSoakLibraries(t *testing.T) {
	testenv.NeedSoak(t, "fetches and builds four libraries twice: an hour, and the network")
	d := testenv.NewDir(t)
	d.Write("apt/sources.list", strings.Join(testenv.DebianSources(t), "\n")+"\n")
	for _, dir := range []string{"apt/lists/partial", "apt/cache/archives/partial"} {
		if err := os.MkdirAll(d.Join(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	shell := func(dir, command string, env ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "nice", "-n", "10", "bash", "-ec", command)
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out[max(0, len(out)-2000):])
		}
	}
	apt := "apt-get -q -o Dir::Etc::sourcelist=" + d.Join("apt/sources.list") + " -o Dir::Etc::sourceparts=- -o Dir::State::lists=" + d.Join("apt/lists") +
		" -o Dir::Cache=" + d.Join("apt/cache") + " -o APT::Sandbox::User=root "
	shell(d.Path, apt+"update")
	for _, x := range soakLibraries {
		t.Run(x.source, func(t *testing.T) {
			dir := d.Join(x.source)
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			shell(dir, apt+"source "+x.source+"; mv */ src")
			src := filepath.Join(dir, "src")
			infos := map[string]*Info{}
			for _, cc := range []string{"gcc", "clang-19"} {
				shell(src, x.build, "CC="+cc)
				lib := filepath.Join(dir, cc+".so")
				if err := os.Rename(filepath.Join(src, "lib.so"), lib); err != nil {
					t.Fatal(err)
				}
				infos[cc] = openInfo(t, lib, nil)
				list := exports(t, lib)
				known, tried := checkLibrary(t, infos[cc], list)
				t.Logf("%s by %s: %d symbols, %d known, %d tried", x.source, cc, len(list), known, tried)
				if known*1000 < len(list)*x.known {
					t.Errorf("%s by %s: only %d of %d symbols are known", x.source, cc, known, len(list))
				}
			}
			for _, pair := range [][2]string{{"gcc", "clang-19"}, {"clang-19", "gcc"}} {
				c, err := Compare(infos[pair[0]], infos[pair[1]])
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range c.Symbols {
					if !s.Gone && !s.Added && s.Effect() != Harmless { // one may export what the other has inlined
						t.Errorf("from %s to %s %s differs: %v", pair[0], pair[1], s.Name, s.Changes)
					}
				}
			}
			if x.broken == nil {
				return
			}
			shell(src, x.edit+"\n"+x.build, "CC=gcc")
			edited := filepath.Join(src, "lib.so")
			c, err := Compare(infos["gcc"], openInfo(t, edited, nil))
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, s := range c.Symbols {
				if s.Effect() == Breaks {
					told = append(told, s.Name)
				}
			}
			out, err := exec.Command("abidiff", "--no-show-locs", filepath.Join(dir, "gcc.so"), edited).Output()
			if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode()&3 != 0) {
				t.Fatalf("abidiff: %v", err)
			}
			for _, name := range x.broken {
				if !slices.Contains(told, name) {
					t.Errorf("nothing is said of %s: %v", name, told)
				}
				if !strings.Contains(string(out), " "+name+"(") {
					t.Logf("abidiff says nothing of %s itself", name) // it leaves out what another function has shown
				}
			}
			for line := range strings.Lines(string(out)) {
				if _, rest, ok := strings.Cut(line, "[C] 'function "); ok {
					decl, _, _ := strings.Cut(rest, "(")
					name := strings.TrimLeft(decl[strings.LastIndexByte(decl, ' ')+1:], "*")
					if !slices.Contains(told, name) {
						t.Errorf("abidiff alone tells of %s: %s", name, line)
					}
				}
			}
		})
	}
}
