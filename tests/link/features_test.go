package link

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"weld/internal/testenv"
)

// runLimit is how long a program may run.
const runLimit = testenv.Patience

func TestFeatures(t *testing.T) {
	testFeatures(t, false)
}

func TestSoakFeatures(t *testing.T) {
	testenv.NeedSoak(t, "all variants take six minutes; TestFeatures does a part")
	testFeatures(t, true)
}

// par calls f for each item, as many at a time as there are processors.
func par[T any](items []T, f func(T)) {
	var wg sync.WaitGroup
	work := make(chan T)
	for range runtime.GOMAXPROCS(0) + 1 {
		wg.Go(func() {
			for x := range work {
				f(x)
			}
		})
	}
	for _, x := range items {
		work <- x
	}
	close(work)
	wg.Wait()
}

// An output is what a linker made of a variant.
type output struct {
	prog, lib string
	result    testenv.Result
}

func testFeatures(t *testing.T, all bool) {
	d := testenv.NewDir(t)
	lines := lines(t, d)
	ld := linkers(t)
	var variants []*variant
	for _, f := range features(t) {
		variants = append(variants, f.variants(all)...)
	}
	if testing.Short() {
		for i := range variants {
			if i%4 == 0 {
				variants[i/4] = variants[i]
			}
		}
		variants = variants[:(len(variants)+3)/4]
	}
	type part struct {
		*variant
		name    string
		archive bool
	}
	var parts []part
	seen := map[string]bool{}
	add := func(v *variant, name string, archive bool) {
		if o := v.object(d.Path, name); !seen[o] {
			seen[o] = true
			parts = append(parts, part{v, name, archive})
		}
	}
	for _, v := range variants {
		for _, p := range v.parts {
			add(v, p, false)
		}
		for _, a := range v.archives {
			add(v, a, true)
		}
		if v.lib != "" {
			add(v, v.lib, false)
		}
	}
	par(parts, func(p part) {
		p.compile(t, d.Path, p.name)
		if p.archive {
			p.variant.archive(t, d.Path, p.name)
		}
	})
	if t.Failed() {
		return
	}
	outputs := make([]map[string]output, len(variants))
	index := make([]int, len(variants))
	for i := range index {
		index[i] = i
	}
	par(index, func(i int) {
		v := variants[i]
		outputs[i] = map[string]output{}
		for k := range ld {
			l := &ld[k]
			prog, lib, ok := v.link(t, l, lines, d.Path, d.Join(fmt.Sprintf("%d/%s", i, l.name)))
			if ok {
				outputs[i][l.name] = output{prog, lib, v.run(t, prog, lib)}
			}
		}
		if i%8 == 0 || all {
			threads(t, v, &ld[1], lines, d, outputs[i]["weld"], i)
		}
	})
	for i, v := range variants {
		v.compare(t, outputs[i])
	}
	lint(t, variants, outputs, all)
	t.Logf("%d features, %d variants, %d objects", len(features(t)), len(variants), len(parts))
}

// threads links once more with another number of threads: the output is the same.
func threads(t *testing.T, v *variant, l *linker, lines map[string]line, d *testenv.Dir, first output, i int) {
	if first.prog == "" {
		return
	}
	for _, n := range []string{"1", "7"} {
		other := *l
		other.args = []string{"--threads=" + n}
		prog, lib, ok := v.link(t, &other, lines, d.Path, d.Join(fmt.Sprintf("%d/threads%s/weld", i, n)))
		if !ok {
			return
		}
		for a, b := range map[string]string{first.prog: prog, first.lib: lib} {
			if a == "" {
				continue
			}
			x, err := os.ReadFile(a)
			if err != nil {
				t.Error(err)
			}
			if y, err := os.ReadFile(b); err != nil || !bytes.Equal(x, y) {
				t.Errorf("%s: %s differs with %s threads: %v", v, filepath.Base(a), n, err)
			}
		}
	}
}

// compare compares what the programs do, and what is in them.
func (v *variant) compare(t *testing.T, outputs map[string]output) {
	t.Helper()
	gnu, weld := outputs["gnu"], outputs["weld"]
	if gnu.prog == "" || weld.prog == "" {
		return // said when they were linked
	}
	for name, o := range outputs {
		if o.result.String() != gnu.result.String() || !bytes.Equal(o.result.Stdout, gnu.result.Stdout) {
			if name == "weld" {
				if v.explained("behaviour", gnu.result.String()+" "+string(gnu.result.Stdout), o.result.String()+" "+string(o.result.Stdout)) {
					continue
				}
				t.Errorf("%s: %s, output %q %q\nwith GNU ld %s, %q", v, o.result, o.result.Stdout, o.result.Stderr, gnu.result, gnu.result.Stdout)
			} else {
				t.Logf("%s: with %s %s, output %q, with GNU ld %s, %q", v, name, o.result, o.result.Stdout, gnu.result, gnu.result.Stdout)
			}
		}
	}
	for _, which := range []string{"program", "library"} {
		seen := map[string]map[string]string{}
		for name, o := range outputs {
			path := o.prog
			if which == "library" {
				path = o.lib
			}
			if path != "" {
				seen[name] = look(t, path)
			}
		}
		for key := range seen["gnu"] {
			v.compareOne(t, which, key, seen)
		}
		for key := range seen["weld"] {
			if _, ok := seen["gnu"][key]; !ok {
				v.compareOne(t, which, key, seen)
			}
		}
	}
}

func (v *variant) compareOne(t *testing.T, which, key string, seen map[string]map[string]string) {
	t.Helper()
	gnu, weld := seen["gnu"][key], seen["weld"][key]
	if gnu == weld || v.explained(key, gnu, weld) {
		return
	}
	t.Errorf("%s: %s of the %s:\nweld: %s\nGNU:  %s\nlld:  %s\nmold: %s", v, key, which, weld, gnu, seen["lld"][key], seen["mold"][key])
}

var digits = regexp.MustCompile(`[0-9]+`)

// lint has readelf, objdump, eu-elflint and gdb look at what weld made: they have nothing to say that they do not say of GNU ld's.
func lint(t *testing.T, variants []*variant, outputs []map[string]output, all bool) {
	type file struct{ gnu, weld, name string }
	var files []file
	for i, o := range outputs {
		g, w := o["gnu"], o["weld"]
		if g.prog == "" || w.prog == "" {
			continue
		}
		files = append(files, file{g.prog, w.prog, variants[i].String()})
		if w.lib != "" {
			files = append(files, file{g.lib, w.lib, variants[i].String() + " (library)"})
		}
	}
	// gdb takes some time for each file.
	var few []string
	for i, f := range files {
		if all || i%8 == 0 {
			few = append(few, f.gnu, f.weld)
		}
	}
	gdb := debuggerComplaints(t, few)
	par(files, func(f file) {
		known := map[string]bool{}
		weld := append(complaints(t, f.weld), gdb[f.weld]...)
		if len(weld) == 0 {
			return
		}
		for _, c := range append(complaints(t, f.gnu), gdb[f.gnu]...) {
			known[digits.ReplaceAllString(c, "")] = true
		}
		for _, c := range weld {
			if !known[digits.ReplaceAllString(c, "")] {
				t.Errorf("%s: %s", f.name, c)
			}
		}
	})
}

// debuggerComplaints returns what gdb says against files when it reads all their symbols, by file.
func debuggerComplaints(t testing.TB, paths []string) map[string][]string {
	t.Helper()
	testenv.Need(t, "gdb")
	cmd := exec.Command("gdb", "-nx", "-batch", "-ex", "set complaints 100", "-ex", "set debuginfod enabled off")
	for _, p := range paths {
		cmd.Args = append(cmd.Args, "-ex", "echo file "+p+"\\n", "-ex", "file "+p, "-ex", "maint expand-symtabs", "-ex", "info address main", "-ex", "info sharedlibrary")
	}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil || len(paths) > 0 && !strings.Contains(string(out), "file "+paths[len(paths)-1]) {
		t.Errorf("gdb: %v\n%s", err, out[max(0, len(out)-2000):])
	}
	list := map[string][]string{}
	path := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if p, ok := strings.CutPrefix(line, "file "); ok {
			path = p
			continue
		}
		for _, word := range []string{"warning:", "During symbol reading", "rror:", "rror in", "BFD", "not in executable format", "file format not recognized", "corrupt"} {
			if strings.Contains(line, word) {
				list[path] = append(list[path], "gdb: "+strings.ReplaceAll(line, path, ""))
				break
			}
		}
	}
	return list
}

// complaints returns what the tools say against a file.
func complaints(t testing.TB, path string) []string {
	var list []string
	for _, tool := range [][]string{{"readelf", "-aW"}, {"objdump", "-pw"}, {"eu-elflint", "--gnu-ld"}} {
		testenv.Need(t, tool[0])
		out, _ := exec.Command(tool[0], append(tool[1:], path)...).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			line = strings.TrimSpace(strings.ReplaceAll(line, path, ""))
			switch {
			case tool[0] == "eu-elflint" && strings.HasSuffix(line, ": unknown type"):
				// It does not know unique symbols and indirect functions; GNU ld makes functions of those that are local.
			case tool[0] == "eu-elflint" && line != "" && line != "No errors",
				strings.Contains(line, "Warning:"), strings.Contains(line, "Error:"), strings.Contains(line, "<corrupt"), strings.HasPrefix(line, "objdump:"):
				list = append(list, tool[0]+": "+line)
			}
		}
	}
	return list
}
