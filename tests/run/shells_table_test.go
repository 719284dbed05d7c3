package run_test

import (
	"syscall"
	"testing"
)

func TestShells(t *testing.T) {
	runTable(t, []Case{
		{Name: "bash-traps", Copy: words("traps.sh"), Argv: words("bash traps.sh"), Status: 7, Want: "usr1 of the subshell"},
		{Name: "bash-jobs", Copy: words("jobs.sh"), Argv: words("bash jobs.sh"), Normal: []normaliser{sub(`^\[[0-9]+\]`, "[N]")}, Want: "lastpipe last"},
		{Name: "bash-syntax", Copy: words("syntax.sh"), Argv: words("bash syntax.sh"), Want: "command not found"},
		{Name: "bash-of-weld", Copy: words("syntax.sh"), Argv: []string{"{run}", "bash", "-c", `a=$($RUN bash -c 'echo in; kill -USR1 $$'); echo "$a $?"; $RUN sort <<<$'b\na' | $RUN tr a-z A-Z; exec $RUN cat /dev/null syntax.sh`}, Env: words("RUN={run}"), Want: "in 138\nA\nB\n# the language"},
		{Name: "bash-exit", Argv: []string{"bash", "-c", "trap 'echo bye' EXIT; exit 42"}, Status: 42, Want: "bye"},
		{Name: "bash-status", Argv: []string{"bash", "-c", "exit 300"}, Status: 44},
		{Name: "bash-kill-term", Argv: []string{"bash", "-c", "kill -TERM $$; echo not reached"}, Signal: syscall.SIGTERM},
		{Name: "bash-kill-kill", Argv: []string{"bash", "-c", "kill -KILL $$"}, Signal: syscall.SIGKILL},
		{Name: "bash-kill-real-time", Argv: []string{"bash", "-c", "kill -RTMIN+3 $$"}, Signal: 37},
		{Name: "bash-child-killed", Argv: []string{"bash", "-c", "bash -c 'kill -SEGV $$'; echo $?"}, Normal: []normaliser{pidOfShell}, Want: "Segmentation fault"},
		{Name: "bash-exec", Argv: []string{"bash", "-c", "exec -a other sh -c 'echo $0'"}, Want: "other"},
		{Name: "bash-exec-fails", Argv: []string{"bash", "-c", "exec /no/such/file"}, Status: 127, Want: "/no/such/file: No such file"},
		{Name: "bash-stdin", Argv: words("bash -s arg"), Stdin: "echo $1 from stdin\nread -r l\nthis is data\necho \"$l\"\n", Want: "this is data\n"},
		{Name: "bash-errexit", Argv: []string{"bash", "-euo", "pipefail", "-c", "false | cat; echo no"}, Status: 1},
		{Name: "bash-xtrace", Argv: []string{"bash", "-xc", "for i in a b; do echo $i | cat; done"}, Normal: []normaliser{sorted}, Want: "+ echo b"},
		{Name: "bash-nested-subshells", Argv: []string{"bash", "-c", "f() { [ $1 = 0 ] && { echo bottom; exit 9; }; (f $(($1-1))); }; f 30; echo $?"}, Want: "bottom\n9\n"},
		{Name: "dash", Needs: words("dash"), Argv: []string{"dash", "-c", `trap 'echo trapped' USR1; kill -USR1 $$; (exit 3); echo $?; set -- a b c; shift; echo $# $1; x=$(echo sub | tr a-z A-Z); cat <<X
here $x
X
sleep 0.1 & wait $!; echo waited; kill -PIPE $$`}, Signal: syscall.SIGPIPE, Want: "here SUB\nwaited\n"},
		{Name: "script-sh", Files: map[string]string{"script": "#!/bin/sh -e\necho $0 \"$@\"\nfalse\necho no\n"}, Argv: words("./script a b"), Status: 1, Want: "./script a b\n"},
		{Name: "script-env-python", Files: map[string]string{"script": "#!/usr/bin/env python3\nimport sys\nprint(sys.argv)\n"}, Argv: words("./script a b"), Want: "['./script', 'a', 'b']"},
		{Name: "script-of-script", Files: map[string]string{"inner": "#!/bin/sh\necho inner \"$@\"\n", "outer": "#!{dir}/inner one two\n"}, Argv: words("./outer x"), Want: "inner one two ./outer x\n"},
		{Name: "script-in-path", Files: map[string]string{"bin/tool": "#!/bin/sh\necho tool $1\n"}, Env: words("PATH={dir}/bin:/usr/bin:/bin"), Argv: words("tool one"), Want: "tool one"},
		{Name: "many-processes", Argv: []string{"sh", "-c", `i=0; while [ $i -lt 60 ]; do "$@" $i & i=$((i+1)); done | sort -n | tail -n 1; wait`, "sh", "{run}", "/bin/echo"}, Want: "59\n"},
	})
}
