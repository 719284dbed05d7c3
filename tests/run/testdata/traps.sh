# traps of several kinds, in the shell and in subshells
trap 'echo exit $?' EXIT
trap 'echo err at $LINENO' ERR
trap 'echo usr1' USR1
trap 'echo hup; hup=1' HUP
kill -USR1 $$
false
(trap 'echo usr1 of the subshell' USR1; kill -USR1 $BASHPID; exit 3)
echo subshell $?
sleep 20 & s=$!; (until grep -q State:.S /proc/$$/status; do sleep 0.02; done; sleep 0.3; kill -USR1 $$) & wait $s || echo interrupted $?
disown $s; kill $s
(sleep 0.1; kill -HUP $$) &
while [ -z "$hup" ]; do sleep 0.02; done
trap '' TERM
kill -TERM $$
bash -c 'kill -TERM $$; echo TERM is ignored by the child too'
trap - TERM
trap -p | sort
f() { trap 'echo return of f' RETURN; set -o functrace; echo in f; }
f
set +o functrace
exit 7
