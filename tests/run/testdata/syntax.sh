# the language at large
declare -A map=([one]=1 [two]=2); for k in two one; do echo $k=${map[$k]}; done
a=(x "y z" {1..3}); echo "${#a[@]} ${a[@]:1:2} ${a[*]@Q}"
printf -v v '%03d|%s' 7 "${a[1]//z/Z}"; echo "$v"
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo ${BASH_REMATCH[2]} ${BASH_REMATCH[1]}
echo $((2**62)) $((16#ff)) $((-7/2)) $((7%-3))
case fig in a*|f?g) echo matched;; esac
mapfile -t lines < <(seq 3); echo "${lines[@]/#/n}"
s='a.b.c'; echo "${s%%.*} ${s##*.} ${s^^} ${s:(-1)}"
f() { local IFS=,; echo "$*"; }; f 1 2 3
exec 5>fd5; echo five >&5; exec 5>&-; cat fd5
read -r -t 0.05 x < <(exec sleep 20 2>/dev/null); echo "read timed out: $(( $? > 128 ))"
printf '%(%Y)T\n' 0
ulimit -n 200; ulimit -n
type -t cd echo ls if f
LC_ALL=C.UTF-8; u=größe; echo ${#u} ${u^^}
for ((i = 0; i < 200; i++)); do (exit $((i % 2))) && n=$((n + 1)); done; echo $n forks
x=$(yes | head -c 100000 | wc -c); echo $x
enable -f /nonexistent.so x 2>/dev/null || echo no such builtin
no_such_command; echo $?
