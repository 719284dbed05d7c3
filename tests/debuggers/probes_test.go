package debuggers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weld/debug"
	"weld/internal/testenv"
)

// probeScript has gdb print a line for each probe that is hit: its name, lmid, whether its r_debug is that of lmid, r_state
// and l_name of the first new link_map. The breakpoints are set before there is any probe.
func probeScript() string {
	var s strings.Builder
	s.WriteString("set language c\nset breakpoint pending on\nbreak main.marked\ncommands\nsilent\nprintf \"MARK\\n\"\ncontinue\nend\n")
	for _, name := range debug.Probes() {
		part := name == "map_complete" || name == "reloc_complete"
		argc := 2
		if part {
			argc = 3
		}
		fmt.Fprintf(&s, "break -probe-stap rtld:%s\ncommands\nsilent\nset $r = (long *) $_probe_arg1\n", name)
		fmt.Fprintf(&s, "printf \"PROBE %s %%d %%d state=%%d\", $_probe_argc == %d && (int) $r[0] > 0 && $r[2] != 0, $_probe_arg0, (int) $r[3]\n", name, argc)
		if part {
			s.WriteString("if $_probe_arg2\nset $l = (long *) $_probe_arg2\nprintf \" %s\", (char *) $l[1]\nend\n")
		}
		s.WriteString("printf \"\\n\"\ncontinue\nend\n")
	}
	s.WriteString("break main.end\nrun\nkill\n")
	return s.String()
}

// Each probe is hit as often, and in the order, that the interface says: once for a closure, where the list of a namespace
// begins to change and where it is consistent again.
func TestProbeOrder(t *testing.T) {
	d, lib := fixture(t)
	user := d.Shared("libuser.so", d.Write("user.c", "int user;\n"), "-Wl,--no-as-needed", "-lshapes", "-Wl,-rpath,"+d.Path)
	missing := d.Shared("libmissing.so", "missing.c")
	huge := d.Shared("libhuge.so", "huge.s", "-nostdlib")
	script := d.Write("probes.gdb", probeScript())
	opened := func(lmid int, name string) []string {
		return []string{fmt.Sprintf("map_start 1 %d state=1", lmid), fmt.Sprintf("map_complete 1 %d state=0 %s", lmid, name),
			fmt.Sprintf("reloc_start 1 %d state=0", lmid), fmt.Sprintf("reloc_complete 1 %d state=0 %s", lmid, name)}
	}
	closed := func(lmid int) []string {
		return []string{fmt.Sprintf("unmap_start 1 %d state=2", lmid), fmt.Sprintf("unmap_complete 1 %d state=0", lmid)}
	}
	steps := []struct {
		name string
		todo []string
		want []string
	}{
		{"open of a closure", []string{"open " + user}, opened(0, user)},
		{"open of what is loaded", []string{"open " + lib}, nil},
		{"of a missing file", []string{"open " + d.Join("nothing.so")}, nil},
		{"of what is no library", []string{"open " + script}, nil},
		{"of one that cannot be mapped", []string{"open " + huge}, []string{"map_start 1 0 state=1", "map_failed 1 0 state=0"}},
		{"of one that cannot be relocated", []string{"open " + missing}, append(opened(0, missing)[:3], closed(0)...)},
		{"close of what is still used", []string{"close libshapes.so"}, nil},
		{"in a namespace", []string{"ns one " + user}, opened(1, user)},
		{"again in it", []string{"ns one " + user}, nil},
		{"in another", []string{"ns two " + lib}, opened(2, lib)},
		{"close", []string{"close libshapes.so"}, closed(2)},
		{"close of a namespace", []string{"closens one"}, closed(1)},
	}
	for _, way := range []string{static, dynamic} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			// The C library comes with the first.
			todo := []string{"open " + lib}
			for _, s := range steps {
				todo = append(append(todo, "mark x"), s.todo...)
			}
			cmd := testenv.GDB(t, nil, append([]string{"-x", script, "--args", debuggee(t, way)}, todo...)...)
			// A thread that Go interrupts at a breakpoint may come to it twice.
			cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
			out := testenv.Tool(t, cmd)
			var got [][]string
			for l := range strings.Lines(out) {
				if l = strings.TrimSpace(l); l == "MARK" {
					got = append(got, nil)
				} else if p, ok := strings.CutPrefix(l, "PROBE "); ok && len(got) > 0 {
					got[len(got)-1] = append(got[len(got)-1], p)
				}
			}
			if len(got) != len(steps) {
				t.Fatalf("%d steps, want %d:\n%s", len(got), len(steps), out)
			}
			for i, s := range steps {
				if !slices.Equal(got[i], s.want) {
					t.Errorf("%s:\n%s\nwant\n%s", s.name, strings.Join(got[i], "\n"), strings.Join(s.want, "\n"))
				}
			}
			// The first, with which the probes themselves have come.
			testenv.Expect(t, out, `^PROBE map_start 1 0 state=1$`, `^PROBE map_complete 1 0 state=0 `, `^PROBE reloc_start 1 0 state=0$`, `^PROBE reloc_complete 1 0 state=0 `+lib+`$`, `^MARK$`)
		})
	}
}

// The tracers list the probes of the object's file, and hit them where the kernel has uprobes and lets them.
func TestTracers(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "bpftrace")
	testenv.Need(t, "nsenter")
	d, lib := fixture(t)
	// As root in a mount namespace of its own: tracefs may not be mounted.
	const mount = "mount -t tracefs tracefs /sys/kernel/tracing && test -w /sys/kernel/tracing/uprobe_events"
	cmd := exec.Command(debuggee(t, static), "open "+lib)
	uprobes := false
	if os.Getuid() == 0 {
		out, err := exec.Command("unshare", "-m", "sh", "-c", mount).CombinedOutput()
		if uprobes = err == nil; uprobes {
			cmd = exec.Command("unshare", append([]string{"-m", "sh", "-c", mount + ` && exec "$@"`, "sh"}, cmd.Args...)...)
		} else {
			t.Logf("no uprobes here: %v %s", err, out)
		}
	}
	p := launch(t, cmd)
	data, err := os.ReadFile(probesOf(t, p.pid()))
	if err != nil {
		t.Fatal(err)
	}
	object := d.Write("weld-probes.so", string(data))
	names := debug.Probes()
	slices.Sort(names)

	testenv.Tool(t, perf(t, d, "buildid-cache", "--add", object))
	out := testenv.Tool(t, perf(t, d, "list", "sdt"))
	for _, name := range names {
		testenv.Expect(t, out, `^ +sdt_rtld:`+name+` +\[SDT event\]$`)
	}
	if os.Getuid() != 0 {
		testenv.Expect(t, testenv.Tool(t, exec.Command("bpftrace", "-l", "usdt:"+object+":*")), `only supports running as the root user`)
		watchProbes(t, p, lib)
		return
	}
	var want []string
	for _, name := range names {
		want = append(want, `^usdt:.*:rtld:`+name+`$`)
	}
	testenv.Expect(t, testenv.Tool(t, exec.Command("bpftrace", "-l", "usdt:"+object+":*")), want...)
	testenv.Expect(t, testenv.Tool(t, exec.Command("bpftrace", "-l", "usdt:*", "-p", fmt.Sprint(p.pid()))), want...)

	if !uprobes {
		watchProbes(t, p, lib)
		return
	}
	traced := func(script string, args ...string) *exec.Cmd {
		return exec.Command("nsenter", append([]string{"-m", "-t", fmt.Sprint(p.pid()), "sh", "-c", "cd " + d.Path + "\n" + script, "sh"}, args...)...)
	}

	// bpftrace on the process, a probe and a function.
	program := fmt.Sprintf(`usdt:%s:rtld:map_complete { printf("map_complete lmid=%%d %%d %%d\n", arg0, arg1 != 0, arg2 != 0); } uprobe:%s:twice { printf("twice %%d\n", arg0); }`,
		probesOf(t, p.pid()), lib)
	bpf := traced(`exec bpftrace -B none -p "$1" -e "$2"`, fmt.Sprint(p.pid()), program)
	lines, stop := follow(t, bpf)
	for end := time.Now().Add(testenv.Patience); !lines(`^map_complete lmid=[1-9]\d* 1 1$`) || !lines(`^twice 7$`); {
		p.send("ns traced %s", lib)
		p.send("call libshapes.so twice 7")
		p.until("result ")
		p.send("closens traced")
		p.until("closed")
		if time.Now().After(end) {
			t.Fatalf("bpftrace sees nothing:\n%s", stop())
		}
	}
	stop()

	// perf on a function of a library in a new process. The group of events is this test's own.
	group := fmt.Sprintf("weld%d", os.Getpid())
	events := "/sys/kernel/tracing/uprobe_events"
	out = testenv.Tool(t, traced(`perf="perf --no-pager --buildid-dir $PWD/buildid"
trap 'echo "-:$3/twice" >>`+events+`' EXIT
$perf probe -x "$2" "$3:twice=twice n"
$perf record -e "$3:*" -o perf.data "$1" "open $2" 'call libshapes.so twice 3'
$perf script -i perf.data`, debuggee(t, static), lib, group))
	testenv.Expect(t, out, `^result 6$`, group+`:twice: \(\w+\) n=3$`)

	// And on a probe of the process. perf probe itself wants a file that has a path: the kernel is told directly.
	site := uint64(0)
	for _, n := range notes(t, object) {
		if n.name == "map_complete" {
			site = n.location
		}
	}
	testenv.Tool(t, traced(`echo "p:$1/map_complete $2:$3 lmid=%di:u64 first=%dx:u64" >>`+events, group, probesOf(t, p.pid()), fmt.Sprintf("%#x", site)))
	defer func() { testenv.Tool(t, traced(`echo "-:$1/map_complete" >>`+events, group)) }()
	re := group + `:map_complete: \(\w+\) lmid=[1-9]\d* first=[1-9]\d+$`
	for seconds := 1; ; seconds *= 2 {
		record := make(chan string)
		go func() {
			record <- testenv.Tool(t, traced(`perf record -e "$1:*" -p $2 -o perf.data -- sleep $3; perf --no-pager script -i perf.data`, group, fmt.Sprint(p.pid()), fmt.Sprint(seconds)))
		}()
		for done := false; !done; {
			p.send("ns perf %s", lib)
			p.until("open ")
			p.send("closens perf")
			p.until("closed")
			select {
			case out = <-record:
				done = true
			default:
				pause()
			}
		}
		if matches(out, re) {
			break
		} else if seconds > 8 {
			t.Fatalf("perf sees nothing:\n%s", out)
		}
	}
	watchProbes(t, p, lib)
}

type note struct {
	name     string
	location uint64
}

// notes returns what readelf says of the probes of a file.
func notes(t testing.TB, file string) (list []note) {
	t.Helper()
	testenv.Need(t, "readelf")
	out := testenv.Tool(t, exec.Command("readelf", "-n", file))
	for _, m := range regexp.MustCompile(`Provider: rtld\n +Name: (\w+)\n +Location: (0x\w+)`).FindAllStringSubmatch(out, -1) {
		at, err := strconv.ParseUint(m[2], 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, note{m[1], at})
	}
	if len(list) != len(debug.Probes()) {
		t.Fatalf("%d probes, want %d:\n%s", len(list), len(debug.Probes()), out)
	}
	return list
}

// follow starts a command. The first function reports whether a regular expression has matched in what it has written, or
// does within a moment; the other ends it and returns all that it has written.
func follow(t testing.TB, cmd *exec.Cmd) (has func(re string) bool, stop func() string) {
	t.Helper()
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	cmd.Env = testenv.ToolEnv(cmd.Env)
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	var out strings.Builder
	read := func(d time.Duration) {
		for timeout := time.After(d); ; {
			select {
			case l, ok := <-lines:
				if !ok {
					return
				}
				out.WriteString(l + "\n")
			case <-timeout:
				return
			}
		}
	}
	ended := false
	stop = func() string {
		if !ended {
			ended = true
			cmd.Process.Signal(os.Interrupt)
			time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
			cmd.Wait()
			w.Close()
			read(time.Second)
		}
		return out.String()
	}
	t.Cleanup(func() { stop() })
	return func(re string) bool {
		read(50 * time.Millisecond)
		return matches(out.String(), re)
	}, stop
}

// watchProbes reads the probes without uprobes: by breakpoints in debug registers.
func watchProbes(t *testing.T, p *program, lib string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	var seen []string
	err := debug.Watch(ctx, p.pid(), debug.WatchOptions{}, func(e debug.Event) {
		switch e.Kind {
		case debug.EventAttached:
			seen = append(seen, strings.Join(e.By, ", "))
			p.send("ns watched %s", lib)
			p.send("closens watched")
		case debug.EventRelocation, debug.EventLoad, debug.EventUnload:
			seen = append(seen, fmt.Sprintf("%s %s %v", e.Kind, e.Objects[len(e.Objects)-1].Path, e.Duration > 0))
			if e.Kind == debug.EventUnload {
				cancel()
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	testenv.Expect(t, strings.Join(seen, "\n"), `probe reloc_complete 0x\w+`, `^load `+lib+` true`, `^relocation `+lib+` true`, `^unload `+lib+` true`)
}
