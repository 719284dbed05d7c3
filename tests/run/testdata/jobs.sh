# job control in a script: process groups, stopping and going on
set -m
mkfifo end
cat end &
a=$!
[ "$(ps -o pgid= -p $a | tr -d ' ')" = "$a" ] && echo own process group
kill -STOP $a
until [ -n "$(jobs -s)" ]; do sleep 0.02; done
jobs | sed 's/  */ /g'
kill -CONT $a
: >end
while wait $a; s=$?; [ $s = 147 ]; do :; done; echo waited $s   # 147 while the shell still takes it for stopped
(exit 5) & wait $!; echo status $?
sleep 20 & kill -INT $!; wait $!; echo killed $?
for i in 1 2 3; do (sleep 0.0$i; exit $i) & pids[i]=$!; done
for i in 3 1 2; do wait ${pids[i]}; echo job $i: $?; done
sleep 0.1 & sleep 0.02 & wait -n; echo first $?; wait; echo all $?
coproc UP { while read -r l; do echo "${l^^}"; done; }
echo hello >&${UP[1]}; read -r answer <&${UP[0]}; echo "$answer"
exec {UP[1]}>&-; wait $UP_PID; echo coproc $?
diff <(printf '1\n2\n') <(printf '1\n3\n')
echo to tee | tee >(cat >copy) >/dev/null; until [ -s copy ]; do sleep 0.01; done; cat copy
cat <<EOF | { read -r x; echo "here $x"; }
document $((6*7))
EOF
echo done | while read -r w; do echo "$w in a pipeline"; done
shopt -s lastpipe; set +m
echo last | read -r last; echo "lastpipe $last"
