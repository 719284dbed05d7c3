package run_test

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"weld/internal/testenv"
)

// plugins are the libraries that testdata/dl.c opens.
func plugins() []Build {
	var builds []Build
	for i := range 10 {
		builds = append(builds, plugin(fmt.Sprintf("libplugin%d.so", i)))
	}
	return append(builds, Build{"dl", words("dl.c -rdynamic -pthread")})
}

func plugin(out string) Build {
	return Build{out, words(`plugin.c -DNAME="` + strings.TrimPrefix(out, "lib") + `"`)}
}

// hugeArguments are many and long, hugeEnv the same in the environment.
var (
	hugeArguments = func() []string {
		argv := []string{"./arguments"}
		for i := range 5000 {
			argv = append(argv, fmt.Sprintf("%d-%s", i, strings.Repeat("x", i%97)))
		}
		return append(argv, strings.Repeat("y", 120_000), "")
	}()
	hugeEnv = func() []string {
		var env []string
		for i := range 1000 {
			env = append(env, fmt.Sprintf("BIG%d=%s", i, strings.Repeat("e", i)))
		}
		return env
	}()
)

func TestStartAndEnd(t *testing.T) {
	cases := []Case{
		{Name: "status-42", Build: program("status"), Argv: words("./status"), Status: 42, Want: "preinit\nconstructor 101\nconstructor 102 of ./status, 1, 1\nleft in the buffer on_exit"},
		{Name: "status-256", Build: program("status"), Argv: words("./status 256"), Want: "on_exit 256 arg"},
		{Name: "status-no-pie", Build: program("status", "-no-pie"), Argv: words("./status 1"), Status: 1, Want: "destructor 102\ndestructor 101\n"},
		{Name: "aux-pie", Build: program("aux"), Argv: words("./aux one two"), Env: words("CASE_1=x CASE_2="), Want: "phdr 1 phnum 1 phent 1 entry 1\n"},
		{Name: "aux-no-pie", Build: program("aux", "-no-pie"), Argv: []string{"./aux", "", "a b"}, Want: "phdr 1 phnum 1 phent 1 entry 1\n"},
		{Name: "aux-path", Build: program("aux"), Env: words("PATH=/usr/bin:{dir}"), Argv: words("aux x"), Want: "names aux aux"},
		{Name: "aux-user", User: true, Build: program("aux"), Argv: words("./aux"), Want: "secure 0 1 uid 1"},
		{Name: "aux-now", Build: program("aux", "-Wl,-z,now", "-Wl,-z,relro"), Argv: words("./aux x"), Want: "vector 3"},
		{Name: "aux-hash", Build: program("aux", "-Wl,--hash-style=sysv", "-Wl,-z,norelro", "-Wl,-z,separate-code"), Argv: words("./aux x"), Want: "vector 3"},
		{Name: "aux-relr", Build: program("aux", "-Wl,-z,pack-relative-relocs"), Argv: words("./aux x"), Want: "vector 3"},
		{Name: "aux-page-2m", Build: program("aux", "-Wl,-z,max-page-size=0x200000"), Argv: words("./aux x"), Want: "vector 3"},
		{Name: "copy-no-pie", Build: program("copy", "-no-pie", "-fno-pie"), Argv: words("./copy -a -b x --name=y -z --flag rest more"), Status: 5, Want: "environ 1 1\nzone EST EDT 18000 1\n12 into memory!"},
		{Name: "copy-pie", Build: program("copy"), Argv: words("./copy rest -b"), Status: 5, Want: "environ 1 1"},
		{Name: "iostream-no-pie", Build: []Build{{"iostream", words("iostream.cc -no-pie -fno-pie")}}, Argv: words("./iostream"), Stdin: "a line\nand another\n", Status: 3, Want: "gone static of main\ngone b\ngone a\n"},
		{Name: "iostream-pie", Build: []Build{{"iostream", words("iostream.cc")}}, Argv: words("./iostream"), Stdin: "a line\n", Status: 3, Want: "made b\n6 3.14 ff"},
		{Name: "arguments-huge", Build: program("arguments"), Argv: hugeArguments, Env: hugeEnv, Want: "5002 arguments"},
		{Name: "stdin-pipe", Build: program("arguments"), Argv: words("./arguments"), Stdin: large(4 << 20), Want: "4194"},
		{Name: "bss", Build: program("bss"), Argv: words("./bss"), Want: "0 5 heap 1 1\n2\n"},
		{Name: "bss-no-pie", Build: program("bss", "-no-pie"), Argv: words("./bss"), Want: "0 5 heap 1 1\n2\n"},
		{Name: "static", Build: program("plain", "-static", "-lm"), Argv: words("./plain x"), Stdin: "input\n", Status: 5, Want: "2001-09-09 01:46:40 3 1.4142135624 2 x\ninput\n"},
		{Name: "static-pie", Build: program("plain", "-static-pie", "-lm"), Argv: words("./plain x"), Stdin: "input\n", Status: 5, Want: "begin\n"},
		{Name: "static-aux", Build: program("aux", "-static"), Argv: words("./aux x"), Want: "phdr 1"},
		{Name: "static-threads", Build: program("threads", "-static"), Argv: words("./threads"), Want: "threads 1280"},
		{Name: "static-busybox", Needs: words("busybox"), Argv: []string{"busybox", "sh", "-c", "x=$(printf %s a); (exit 3); echo $x $?; kill -USR2 $$"}, Signal: syscall.SIGUSR2, Want: "a 3"},
		{Name: "musl", Needs: words("musl-gcc"), Build: []Build{{"plain", words("musl-gcc plain.c")}}, Argv: words("./plain x"), Stdin: "input\n", Status: 5, Want: "No such file or directory"},
		{Name: "musl-static", Build: []Build{{"plain", words("musl-gcc plain.c -static")}}, Argv: words("./plain x"), Stdin: "input\n", Status: 5, Want: "input"},
		{Name: "musl-threads", Build: []Build{{"tls", words("musl-gcc tls.c")}}, Argv: words("./tls"), Want: "destructor 20\nmain 1 after\n"},
		{Name: "musl-signals", Build: []Build{{"timers", words("musl-gcc timers.c")}}, Argv: words("./timers"), Want: "thread 1"},
		{Name: "musl-library", Build: []Build{{"libplugin.so", words("musl-gcc plugin.c -DNAME=\"plugin\"")}, {"needs", words("musl-gcc needs.c -lplugin")}}, Env: words("LD_LIBRARY_PATH={dir}"), Argv: words("./needs"), Want: "11 12 -5"},
		{Name: "die-sigpipe", Build: program("arguments"), Argv: []string{"bash", "-c", `{ sleep 0.1; "$@" </dev/null; echo $? >&2; } | true`, "bash", "{run}", "seq", "100000"}, Want: "141"},
	}
	for _, d := range []struct {
		how    string
		status int
		signal syscall.Signal
	}{
		{"abort", 0, syscall.SIGABRT}, {"segv", 0, syscall.SIGSEGV}, {"thread", 0, syscall.SIGSEGV}, {"text", 0, syscall.SIGSEGV},
		{"ill", 0, syscall.SIGILL}, {"fpe", 0, syscall.SIGFPE}, {"trap", 0, syscall.SIGTRAP}, {"assert", 0, syscall.SIGABRT},
		{"free", 0, syscall.SIGABRT}, {"stack", 0, syscall.SIGSEGV}, {"_exit", 9, 0}, {"return", 99, 0},
		{"raise 15", 0, syscall.SIGTERM}, {"raise 34", 0, 34}, {"raise 17", 99, 0}, {"raise 27", 0, syscall.SIGPROF}, {"raise 23", 99, 0},
		{"kill 9", 0, syscall.SIGKILL}, {"kill 1", 0, syscall.SIGHUP}, {"kill 10", 0, syscall.SIGUSR1}, {"kill 3", 0, syscall.SIGQUIT}, {"kill 64", 0, 64},
	} {
		cases = append(cases, Case{Name: "die-" + strings.ReplaceAll(d.how, " ", "-"), Build: program("die", "-w", "-fno-builtin"), Argv: words("./die " + d.how),
			Status: d.status, Signal: d.signal, Want: "flushed " + strings.Fields(d.how)[0], Normal: []normaliser{frames}})
	}
	runTable(t, cases)
}

// alignTLS asks for another alignment of tlsplace's thread-local storage than the linker has placed it for.
const alignTLS = `
import struct
f = open("tlsplace", "r+b")
b = bytearray(f.read())
for i in range(struct.unpack_from("<H", b, 56)[0]):
    at = struct.unpack_from("<Q", b, 32)[0] + 56 * i
    if struct.unpack_from("<I", b, at)[0] == 7:
        struct.pack_into("<Q", b, at + 48, 4096)
f.seek(0)
f.write(b)
`

func TestProcess(t *testing.T) {
	runTable(t, []Case{
		{Name: "tls", Build: program("tls"), Argv: words("./tls"), Want: "destructor 20\nmain 1 after\n"},
		{Name: "tls-no-pie", Build: program("tls", "-no-pie"), Argv: words("./tls"), Want: "main 1 after\n"},
		{Name: "malloc", Build: program("malloc"), Argv: words("./malloc"), Want: "text 42: strdup 1 getline 1 asprintf 1 calls 1 frees 1\nsetenv 1\n"},
		{Name: "malloc-no-pie", Build: program("malloc", "-no-pie"), Argv: words("./malloc"), Want: "getline 1"},
		{Name: "signals", Build: program("signals"), Argv: words("./signals"), Want: "sigwait in a thread 1\nsignalfd 1 from me 1\npthread_kill on its thread 1\n"},
		{Name: "timers", Build: program("timers"), Argv: words("./timers"), Want: "signal 1 interval 5000000\nthread 1\nprocessor time 1\n"},
		{Name: "altstack", Build: program("altstack"), Argv: words("./altstack"), Want: strings.Repeat("signal 11 on its stack 1 near the stack pointer 1\n", 3)},
		{Name: "altstack-small", Build: program("smallstack"), Argv: words("./smallstack"), Want: "found\nfound\nend\n"},
		{Name: "initialisers", Build: []Build{{"libinitialisers.so", words("initialisers.c")}, {"initialised", words("initialised.c -linitialisers")}}, Env: words("LD_LIBRARY_PATH={dir}"), Argv: words("./initialised"), Want: "1: ignored 1, blocked 0 1, stack 1\n"},
		{Name: "tls-place", Build: program("tlsplace"), Argv: words("./tlsplace"), Want: "24 below, there\n24 below, there\n"},
		{Name: "tls-place-skewed", Build: program("tlsplace"), Needs: words("python3"), Setup: "python3 -c '" + alignTLS + "'", Argv: words("./tlsplace"), Want: " below, elsewhere\n"},
		{Name: "threads", Build: program("threads"), Argv: words("./threads"), Want: "main leaves\ncleanup never\n"},
		{Name: "jumps", Build: program("jumps", "-rdynamic", "-fno-omit-frame-pointer"), Argv: words("./jumps"), Want: "backtrace 15 frames 1\nbacktrace 15 frames 1\n"},
		{Name: "spawn", Build: program("spawn"), Argv: words("./spawn"), Status: 21, Normal: []normaliser{sorted}, Want: "executed with an argument, SIGUSR1 ignored\n"},
		{Name: "throw", Build: []Build{{"throw", words("throw.cc")}}, Argv: words("./throw"), Want: "caught 2000"},
		{Name: "throw-static-runtime", Build: []Build{{"throw", words("throw.cc -static-libgcc -static-libstdc++")}}, Argv: words("./throw"), Want: "caught 2000"},
		{Name: "throw-uncaught", Build: []Build{{"throw", words("throw.cc")}}, Argv: words("./throw x"), Signal: syscall.SIGABRT, Want: "terminate called after throwing an instance of 'std::runtime_error'"},
		{Name: "dl", Build: plugins(), Argv: words("./dl"), Normal: []normaliser{absolute, sorted}, Want: "threads 8\n"},
		{Name: "dl-no-pie", Build: append(plugins(), Build{"dl", words("dl.c -rdynamic -pthread -no-pie")}), Argv: words("./dl"), Normal: []normaliser{absolute, sorted}, Want: "after fork 7\n"},
	})
}

// TestForks is not compared: natively a child waits for ever for a lock of ld.so that another thread had.
func TestForks(t *testing.T) {
	needWeld(t)
	argv := append(weldPrefix(t), testenv.NewDir(t).Program("forks", "forks.c"))
	r := testenv.Run(t, exec.Command(argv[0], argv[1:]...), testenv.Patience)
	if r.Code != 0 || string(r.Stdout) != "children 40\n" {
		t.Errorf("%v\n%s%s", r, r.Stdout, clip(string(r.Stderr)))
	}
}

func TestEnvironment(t *testing.T) {
	needs := []Build{plugin("libplugin.so"), {"needs", words("needs.c -rdynamic -lplugin")}}
	other := []Build{plugin("libplugin.so"), {"needs", words("needs.c -rdynamic -lplugin -Wl,-z,lazy")}, {"sub/libplugin.so", []string{"plugin.c", `-DNAME="other"`}}, {"libpreload.so", words("preload.c")}}
	runTable(t, []Case{
		{Name: "library-path", Build: needs, Env: words("LD_LIBRARY_PATH={dir}"), Argv: words("./needs"), Want: "plugin.so\n"},
		{Name: "library-path-order", Build: other, Env: words("LD_LIBRARY_PATH=/nowhere:sub:{dir}"), Argv: words("./needs"), Want: "other\n"},
		{Name: "run-path-origin", Build: []Build{{"lib/libplugin.so", []string{"plugin.c", `-DNAME="origin"`}}, {"bin/needs", []string{"needs.c", "-rdynamic", "-Llib", "-lplugin", "-Wl,-rpath,$ORIGIN/../lib"}}}, Argv: words("bin/needs"), Want: "origin\n"},
		{Name: "bind-now", Build: other, Env: words("LD_LIBRARY_PATH={dir} LD_BIND_NOW=1"), Argv: words("./needs"), Want: "11 12 -5"},
		{Name: "preload", Build: other, Env: words("LD_LIBRARY_PATH={dir} LD_PRELOAD={dir}/libpreload.so"), Argv: words("./needs"), Want: "preloaded:"},
		{Name: "preload-system", Build: other, Env: words("LD_PRELOAD={dir}/libpreload.so"), Argv: words("whoami"), Status: 1, Want: "4242"},
		{Name: "preload-two", Build: other, Env: []string{"LD_LIBRARY_PATH={dir}", "LD_PRELOAD=libpreload.so:{dir}/sub/libplugin.so"}, Argv: words("./needs"), Want: "other"},
		{Name: "preload-inherited", Build: other, Env: words("LD_PRELOAD={dir}/libpreload.so"), Argv: []string{"bash", "-c", "id -u; LD_PRELOAD= id -u | wc -l"}, Want: "4242"},
	})
}

func TestTerminal(t *testing.T) {
	const (
		prompt = `\$ $`
		typed  = "\\r\\n"
	)
	bash := words("bash --norc --noprofile --noediting -i")
	runTable(t, []Case{
		{Name: "ctrl-c", Build: program("terminal"), Argv: words("./terminal"), Dialog: []exchange{{"ready" + typed, "\x03"}}, Normal: echoes, Signal: syscall.SIGINT, Want: "terminal 1 1 1, 80 by 24, foreground 1 leader 1"},
		{Name: "ctrl-backslash", Build: program("terminal"), Argv: words("./terminal"), Dialog: []exchange{{"ready" + typed, "\x1c"}}, Normal: echoes, Signal: syscall.SIGQUIT, Want: "ready"},
		{Name: "handlers-and-raw", Build: program("terminal"), Argv: words("./terminal x"), Dialog: []exchange{{"ready" + typed, "\x03"}, {"handled 02", "\x1c"}, {"handled 03(?s:.*)raw" + typed, "k"}, {"line" + typed, "a line\n"}, {"read a line", "\x04"}}, Normal: echoes, Want: "end 1"},
		{Name: "hang-up", Argv: words("cat"), Dialog: []exchange{{"", "echo\n"}, {"echo" + typed + "echo" + typed, "\x04"}}, Want: "echo\necho\n"},
		{Name: "bash-job-control", Argv: bash, Env: []string{"PS1=$ "}, Dialog: []exchange{
			{prompt, "cat\n"}, {"cat" + typed, "one\n"}, {"one" + typed + "one" + typed, "\x1a"}, {"Stopped" + `(?s:.*)` + prompt, "jobs %1 | cat\n"}, {"Stopped" + `(?s:.*)` + prompt, "fg\n"}, {"fg" + typed + "cat" + typed, "two\n"}, {"two" + typed + "two" + typed, "\x03"}, {prompt, "echo status $?\n"},
			{"status 130" + `(?s:.*)` + prompt, "cat\n"}, {"cat" + typed, "typed\n"}, {"typed" + typed + "typed" + typed, "\x04"}, {prompt, "exit 23\n"}}, Normal: echoes, Status: 23, Want: "status 130"},
		{Name: "bash-jobs-of-weld", Argv: bash, Env: []string{"PS1=$ ", "RUN={run}"}, Dialog: []exchange{
			{prompt, "$RUN cat\n"}, {"cat" + typed, "one\n"}, {"one" + typed + "one" + typed, "\x1a"}, {"Stopped" + `(?s:.*)` + prompt, "fg\n"}, {"fg" + typed + ".*cat" + typed, "two\n"}, {"two" + typed + "two" + typed, "\x03"}, {prompt, "echo status $?\n"}, {"status 130" + `(?s:.*)` + prompt, "exit\n"}}, Normal: echoes, Want: "two\ntwo\n"},
		{Name: "python-interactive", Argv: words("python3 -q"), Env: words("PYTHON_BASIC_REPL=1 INPUTRC=/dev/null"), Dialog: []exchange{{">>> $", "6*7\n"}, {"42" + `(?s:.*)` + ">>> $", "import time; [time.sleep(.1) or n == 2 and print('rea' + 'dy') for n in range(300)]\n"}, {"ready" + typed, "\x03"}, {"KeyboardInterrupt" + `(?s:.*)` + ">>> $", "exit(3)\n"}}, Normal: echoes, Status: 3, Want: "42"},
		{Name: "less", Files: map[string]string{"x": large(2000)}, Argv: words("less -X x"), Env: words("TERM=vt100"), Dialog: []exchange{{`x\x1b\[m`, "G"}, {"END", "q"}}, Want: "END"},
		{Name: "vim", Files: map[string]string{"x": wordList}, Argv: words("vim -u NONE -i NONE -N -n x"), Env: words("TERM=vt100"), Dialog: []exchange{{"banana", ":%s/pear/plum/g\r"}, {"plum", "ZZ"}}, Want: "plum", Leaves: "x"},
		{Name: "stty", Argv: words("stty -a"), Dialog: []exchange{{"speed", ""}}, Want: "columns 80"},
	})
}
