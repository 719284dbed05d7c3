// Command bench measures weld beside its peers in one run: cgo and purego for calls and callbacks, glibc's own loader
// for opening, alone and under a debugger, lookup, lazy binding, memory and the start of programs, GNU ld, lld and mold for links.
//
// Weld wants a static binary, cgo and purego want other builds, and an open library changes the next open; so the
// measuring is done by worker programs, built at the start, that answer one request at a time. In a round every request
// is made to weld and to its peers, one right after the other, then once more in reverse; of two answers the smaller
// counts, and a ratio is that of the answers of one round. The first round does not count: it fills the page cache.
//
// What is compared:
//
//   - call, callback: the functions of testdata/calls.c, called from a loop. For weld and purego they are in a shared
//     object, for cgo they are linked into the program. The strings are Go strings; cgo takes C.CString and C.free, as
//     its users do. A leaf call is compared with the ordinary call of cgo.
//   - open: the call of weld.Open with weld.Now and that of dlopen with RTLD_NOW, initialisers included, in a fresh
//     process in which the C library is up. The library alone: what it needs was opened before. With all it needs:
//     nothing but the C library was. The wall-clock time is compared; the processor time of the whole process,
//     in all its threads, stands beside it. Then Close and dlclose.
//   - debugger: the call of weld.Open with weld.Now and Close, or dlopen with RTLD_NOW and dlclose, which unloads the
//     library, again and again in a process that has done so for a while: with nothing attached, with gdb attached and
//     going on, and with weld watch attached, which writes to a file. What the library needs stays open. That the debugger
//     does see the opens shows in the processor time it takes, and the process must go on when it has gone.
//   - start: a program from fork to the end of wait, run by the kernel and by weld run, its standard streams on
//     /dev/null, its files in the page cache. A sample is the median of -starts starts. Weld run binds all functions
//     before the program starts; so it is compared with LD_BIND_NOW too.
//   - link: weld link and other linkers with what gcc passes, without the plugin, from fork to the end of wait, inputs in
//     the page cache: wall-clock time, processor time, and the most memory that was resident. mold does not fork. Debug info is
//     that of made C++ sources; Debian's archives have none.
//   - lookup: Lookup and dlsym of exported names in random order, each once, then each five times again. Both must
//     find the same addresses.
//   - lazy: a thousand first calls through the PLT of a library opened with weld.Lazy or RTLD_LAZY, less the same calls
//     when bound.
//   - live: functions that are made at run time. Bound in a live object and committed in batches; made known to gdb by its JIT
//     interface, an object each; written as a shared object each, a copy of one with another name in it, and opened by dlopen.
//     libdlbind is not built: its column is what was measured of it once (bench/cmd/weldworker/live.go). What is measured has been done with 1,000
//     others in the process before, for its memory with none. Then they are found by name
//     and by address in random order, each once, and taken away; the same with gdb attached and going on; and how long gdb takes to attach
//     to a process with so many, to name one, and to go. Where a peer takes time by the square of the number it
//     makes fewer, as the row says; values are for each function.
//   - types: weld.Func with the Go type compared with the library's debugging information, 10 MB of it in one unit, and with
//     weld.IgnoreTypes; the same of the library without debugging information. The right types of all exports of the C library, whose
//     debugging information is in libc6-dbg, and of the libraries that -typed names, by weld info --types, and a Go package of them by weld gen, beside
//     abidw, which reads them to compare; each from fork to the end of wait.
//   - memory: by how much the resident set of the process grows with the open of the library alone, weld's growth less
//     glibc's, as a share of the size of the file. A file under 1 MiB has no target: a twentieth of it is fewer pages than
//     a Go program touches by itself meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"weld/bench/internal/report"
)

type options struct {
	source   string
	rounds   int
	time     time.Duration
	starts   int
	run      *regexp.Regexp
	json     string
	markdown bool
	noise    bool
	strict   bool
	typed    []string
}

func main() {
	var o options
	flag.StringVar(&o.source, "C", ".", "`folder` of the module weld/bench")
	flag.IntVar(&o.rounds, "rounds", 15, "how many rounds count")
	flag.DurationVar(&o.time, "time", 40*time.Millisecond, "how long a sample of calls takes")
	flag.IntVar(&o.starts, "starts", 15, "how many `times` a sample of starts starts the program")
	flag.Func("run", "measure only what `regexp` matches, of \"group: name\"", func(s string) (err error) {
		o.run, err = regexp.Compile(s)
		return err
	})
	flag.StringVar(&o.json, "json", "", "write the report with all samples to `file`; - for standard output, in place of the table")
	flag.BoolVar(&o.markdown, "markdown", false, "print the table in Markdown")
	flag.BoolVar(&o.noise, "noise", false, "measure each first peer beside itself: how far from 1 noise takes the ratios")
	flag.Func("typed", "measure the types of the exports of the library at `path` too, which has debugging information", func(s string) error {
		path, err := filepath.Abs(s)
		o.typed = append(o.typed, path)
		return err
	})
	flag.BoolVar(&o.strict, "strict", false, "exit with status 1 when a target is missed or a library or program is not installed")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 || o.time <= 0 || o.starts < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options, out, log io.Writer) error {
	r, err := measure(ctx, o, log)
	if err != nil {
		return err
	}
	if err := write(r, o, out); err != nil {
		return err
	}
	failed, missed := len(r.Failed()), len(r.Missed())
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d rows failed", failed, len(r.Rows))
	case o.strict && missed > 0:
		return fmt.Errorf("%d targets missed", missed)
	case o.strict && len(r.NotMeasured) > 0:
		return fmt.Errorf("%d libraries and programs not installed", len(r.NotMeasured))
	}
	return nil
}

func write(r *report.Report, o options, out io.Writer) error {
	switch {
	case o.json == "-":
		return r.JSON(out)
	case o.json != "":
		f, err := os.Create(o.json)
		if err != nil {
			return err
		}
		if err := errors.Join(r.JSON(f), f.Close()); err != nil {
			return err
		}
	}
	if o.markdown {
		return r.Markdown(out)
	}
	return r.Text(out)
}
