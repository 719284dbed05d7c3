package prepare

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// LinkSlot is a place in the measures for a link.
type LinkSlot struct {
	Name string
	// Targets says that there are targets: the link is large enough.
	Targets bool
	// args returns what the compiler driver gets. Objects are those of testdata and made ones.
	args func(l *linkInputs) []string
}

// LinkSlots are the links, small ones first.
var LinkSlots = []LinkSlot{
	{"hello world", false, func(*linkInputs) []string { return []string{"gcc", "hello.o"} }},
	{"hello world, static", false, func(*linkInputs) []string { return []string{"gcc", "-static", "hello.o"} }},
	{"CPython", true, func(l *linkInputs) []string {
		return []string{"gcc", "-no-pie", "-rdynamic", "python.o", "-Wl,--whole-archive", l.python, "-Wl,--no-whole-archive", "-lexpat", "-lz", "-lm"}
	}},
	{"a code generator from LLVM's archives", true, func(l *linkInputs) []string {
		return append(append([]string{"g++", "codegen.o", "-Wl,--start-group"}, l.llvm...), "-Wl,--end-group", "-lz", "-ltinfo", "-lm")
	}},
	{"programs with debug info", true, func(l *linkInputs) []string { return append([]string{"g++", "hello.o"}, l.debug...) }},
	{"all of LLVM", true, func(l *linkInputs) []string {
		return append([]string{"g++", "-shared", "hello.o"}, l.wholeLLVM()...)
	}},
	{"all of LLVM and debug info", true, func(l *linkInputs) []string {
		return append(append([]string{"g++", "-shared", "hello.o"}, l.debug...), l.wholeLLVM()...)
	}},
	{"all of LLVM, --gc-sections", true, func(l *linkInputs) []string {
		return append([]string{"g++", "codegen.o", "-Wl,--gc-sections", "-Wl,--unresolved-symbols=ignore-all"}, l.wholeLLVM()...)
	}},
}

// A Link is a link that can be made.
type Link struct {
	LinkSlot
	Args []string // for the linker
	Size int64    // of the objects and archives in bytes
}

// linkInputs are what links are made of.
type linkInputs struct {
	dir    string
	python string
	llvm   []string
	debug  []string
}

func (l *linkInputs) wholeLLVM() []string {
	return append(append([]string{"-Wl,--whole-archive"}, l.llvm...), "-Wl,--no-whole-archive", "-lz", "-ltinfo", "-lm")
}

// debugSources is how many sources with debug info are compiled.
const debugSources = 32

// debugSource is one of them: templates of the C++ library, many of them in every object.
const debugSource = `#include <algorithm>
#include <deque>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
namespace n%[1]d {
struct item { std::string name; std::vector<int> values; std::map<std::string, std::shared_ptr<item>> children; };
template <int N> struct table { std::unordered_map<std::string, std::deque<item>> rows; std::array<item, N> fixed; };
int run(const std::string &text) {
	table<%[1]d + 1> t;
	std::regex word("[a-z]+%[1]d");
	for (std::sregex_iterator i(text.begin(), text.end(), word), end; i != end; ++i) t.rows[i->str()].push_back(item{i->str(), {}, {}});
	std::function<int(const item &)> size = [](const item &x) { return int(x.values.size()); };
	int sum = 0;
	for (auto &r : t.rows) for (auto &x : r.second) { sum += size(x); std::cout << x.name; }
	return sum;
}
}
`

// Links compiles what the links need into dir and returns those that match; of the others it says why they are left out.
func Links(ctx context.Context, source, dir string, match func(name string) bool) (links []*Link, missing []string, err error) {
	slots := slices.DeleteFunc(slices.Clone(LinkSlots), func(s LinkSlot) bool { return !match(s.Name) })
	if len(slots) == 0 {
		return nil, nil, nil
	}
	l := &linkInputs{dir: dir}
	if found, _ := filepath.Glob("/usr/lib/python3*/config-3*/libpython3.[0-9]*[0-9].a"); len(found) > 0 {
		l.python = found[len(found)-1]
	}
	if found, _ := filepath.Glob("/usr/lib/llvm-*/lib/libLLVMCore.a"); len(found) > 0 {
		all, _ := filepath.Glob(filepath.Join(filepath.Dir(found[len(found)-1]), "libLLVM*.a"))
		// The benchmark tool needs a library that is not there.
		l.llvm = slices.DeleteFunc(all, func(f string) bool { return strings.Contains(f, "Exegesis") })
	}
	if err := l.compile(ctx, source, slices.ContainsFunc(slots, func(s LinkSlot) bool { return strings.Contains(s.Name, "debug") })); err != nil {
		return nil, nil, err
	}
	for i, s := range slots {
		switch {
		case s.Name == "CPython" && l.python == "":
			missing = append(missing, s.Name+": libpython3.so's static archive is not installed (Debian: apt-get install libpython3-dev)")
			continue
		case strings.Contains(s.Name, "LLVM") && len(l.llvm) == 0:
			missing = append(missing, s.Name+": LLVM's static archives are not installed (Debian: apt-get install llvm-dev)")
			continue
		}
		link := &Link{LinkSlot: s}
		if link.Args, err = l.line(ctx, s.args(l), filepath.Join(dir, fmt.Sprintf("link%d", i))); err != nil {
			return nil, nil, err
		}
		for _, a := range link.Args {
			if info, err := os.Stat(a); err == nil && info.Mode().IsRegular() {
				link.Size += info.Size()
			}
		}
		links = append(links, link)
	}
	return links, missing, nil
}

func (l *linkInputs) compile(ctx context.Context, source string, debug bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for out, src := range map[string]string{"hello.o": "hello.c", "python.o": "python.c", "codegen.o": "codegen.c"} {
		g.Go(func() error {
			return run(ctx, l.dir, nil, "gcc", "-O2", "-c", filepath.Join(source, "testdata", "link", src), "-o", out)
		})
	}
	if debug {
		for i := range debugSources {
			name := fmt.Sprintf("debug%d", i)
			l.debug = append(l.debug, name+".o")
			g.Go(func() error {
				if err := os.WriteFile(filepath.Join(l.dir, name+".cc"), fmt.Appendf(nil, debugSource, i), 0o666); err != nil {
					return err
				}
				return run(ctx, l.dir, nil, "g++", "-g", "-O0", "-fPIC", "-ffunction-sections", "-c", name+".cc", "-o", name+".o")
			})
		}
	}
	return g.Wait()
}

// line returns what the compiler driver passes to the linker, without its plugin, which not all linkers load.
func (l *linkInputs) line(ctx context.Context, driver []string, output string) ([]string, error) {
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >args\n"
	if err := os.WriteFile(filepath.Join(l.dir, "ld"), []byte(script), 0o755); err != nil {
		return nil, err
	}
	if err := run(ctx, l.dir, nil, driver[0], append(driver[1:len(driver):len(driver)], "-B"+l.dir, "-o", output)...); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(l.dir, "args"))
	if err != nil {
		return nil, err
	}
	var args []string
	for a := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		if a == "-plugin" || strings.HasSuffix(a, "liblto_plugin.so") || strings.HasPrefix(a, "-plugin-opt") {
			continue
		}
		if strings.HasSuffix(a, ".o") && !filepath.IsAbs(a) {
			a = filepath.Join(l.dir, a)
		}
		args = append(args, a)
	}
	return args, nil
}

// FindLinker returns the path of a linker, the newest if there are several versions.
func FindLinker(names ...string) (string, error) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
		var found []string
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			f, _ := filepath.Glob(filepath.Join(dir, n+"-[0-9]*"))
			found = append(found, f...)
		}
		if len(found) > 0 {
			return slices.Max(found), nil
		}
	}
	return "", fmt.Errorf("%s is not installed", strings.Join(names, " or "))
}
