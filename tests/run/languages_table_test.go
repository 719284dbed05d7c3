package run_test

import (
	"syscall"
	"testing"
)

func TestPython(t *testing.T) {
	script := words("processes.py")
	runTable(t, []Case{
		{Name: "version", Needs: words("python3"), Argv: words("python3 -V"), Want: "Python 3."},
		{Name: "json", Argv: []string{"python3", "-c", "import json,sys; print(json.dumps(json.load(sys.stdin), indent=1, sort_keys=True))"}, Stdin: `{"b": [1, 2.5, null], "a": "\u00e9"}`, Want: `"a": "\u00e9"`},
		{Name: "ssl", Argv: []string{"python3", "-c", `import ssl, hashlib, hmac
print(ssl.OPENSSL_VERSION, ssl.HAS_TLSv1_3)
c = ssl.create_default_context(); print(len(c.get_ciphers()) > 5, c.minimum_version)
print(hashlib.new("sha512", b"x").hexdigest(), hashlib.blake2b(b"x").hexdigest()[:8], hmac.new(b"k", b"m", "sha256").hexdigest())
a, b = ssl.MemoryBIO(), ssl.MemoryBIO(); s = c.wrap_bio(a, b, server_hostname="x")
try: s.do_handshake()
except ssl.SSLWantReadError as e: print(type(e).__name__, b.pending > 100)`}, Want: "SSLWantReadError True"},
		{Name: "sqlite3", Argv: []string{"python3", "-c", `import sqlite3
d = sqlite3.connect("x.db"); d.create_function("twice", 1, lambda x: 2 * x)
d.execute("create table t(a, b)"); d.executemany("insert into t values(?, ?)", [(i, str(i) * i) for i in range(50)]); d.commit()
print(d.execute("select sum(twice(a)), max(length(b)) from t").fetchone())
try: d.execute("select nothing")
except sqlite3.OperationalError as e: print(e)`}, Want: "(2450, 98)"},
		{Name: "ctypes", Copy: words("ctypes_calls.py"), Argv: words("python3 ctypes_calls.py"), Want: "0xcbf43926"},
		{Name: "modules", Copy: words("modules.py"), Argv: words("python3 modules.py"), Want: "True True True True True"},
		{Name: "fork", Copy: script, Argv: words("python3 processes.py fork"), Want: "b'from the child'"},
		{Name: "spawn", Copy: script, Argv: words("python3 processes.py spawn"), Want: "forkserver (7", Ignore: words("__pycache__/")},
		{Name: "threads", Copy: script, Argv: words("python3 processes.py threads"), Want: "threads 160000"},
		{Name: "signals", Copy: script, Argv: words("python3 processes.py signals"), Want: "terminated -15"},
		{Name: "subprocess", Copy: script, Argv: words("python3 processes.py sub"), Want: "popen"},
		{Name: "sockets", Copy: script, Argv: words("python3 processes.py sockets"), Want: "mmap b'child'"},
		{Name: "asyncio", Copy: script, Argv: words("python3 processes.py asyncio"), Want: "through cat"},
		{Name: "exit-status", Argv: []string{"python3", "-c", "import sys, atexit; atexit.register(print, 'at exit'); sys.exit(17)"}, Status: 17, Want: "at exit"},
		{Name: "exception", Argv: []string{"python3", "-c", "{}['missing']"}, Status: 1, Want: "KeyError: 'missing'"},
		{Name: "faulthandler", Argv: []string{"python3", "-X", "faulthandler", "-c", "import ctypes; ctypes.string_at(0)"}, Signal: syscall.SIGSEGV, Want: "Fatal Python error: Segmentation fault", Normal: []normaliser{hexes}},
		{Name: "keyboard-interrupt", Argv: []string{"python3", "-c", "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"}, Signal: syscall.SIGINT, Want: "KeyboardInterrupt"},
		{Name: "deep-recursion", Argv: []string{"python3", "-c", "import sys; sys.setrecursionlimit(3000)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(2500))\ntry: f(10**6)\nexcept RecursionError as e: print(e)"}, Want: "2500\nmaximum recursion depth"},
		{Name: "big-memory", Argv: []string{"python3", "-c", "b = bytearray(200 << 20); b[::4096] = b'x' * len(b[::4096]); print(b.count(b'x'), 3**20000 % 1000003)"}, Want: "51200"},
		{Name: "sigpipe", Argv: []string{"python3", "-c", "import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); r, w = os.pipe(); os.close(r); os.write(w, b'x')"}, Signal: syscall.SIGPIPE},
		{Name: "stdin-program", Argv: words("python3 - one"), Stdin: "import sys, datetime, random\nrandom.seed(4); print(sys.argv, random.random(), datetime.date(2020, 1, 1))\n", Want: "2020-01-01"},
	})
}

func TestLanguages(t *testing.T) {
	runTable(t, []Case{
		{Name: "perl", Needs: words("perl"), Argv: []string{"perl", "-lne", `$n{length $_}++; END { print "$_:$n{$_}" for sort { $a <=> $b } keys %n }`}, Stdin: large(30 << 10), Want: "10:"},
		{Name: "perl-xs", Copy: words("xs.pl"), Argv: words("perl xs.pl"), Status: 9, Want: "reaped 5"},
		{Name: "perl-die", Argv: []string{"perl", "-e", "$! = 13; die qq(gone\\n)"}, Status: 13, Want: "gone"},
		{Name: "perl-in-place", Files: map[string]string{"x": wordList}, Argv: words("perl -pi.orig -e s/pear/plum/g x"), Leaves: "x.orig"},
		{Name: "lua", Needs: words("lua5.4"), Copy: words("all.lua"), Files: map[string]string{"m.lua": "return {f = function(x) return x * 2 end}"}, Argv: words("lua5.4 all.lua arg"), Status: 4, Normal: []normaliser{hexes}, Want: "popen"},
		{Name: "ruby", Needs: words("ruby"), Copy: words("all.rb"), Argv: words("ruby all.rb"), Env: words("LC_ALL=C.UTF-8"), Status: 1, Want: "SystemStackError"},
		{Name: "ruby-killed", Argv: []string{"ruby", "-e", `Process.kill "TERM", $$; sleep 5`}, Signal: syscall.SIGTERM},
		{Name: "node", Needs: words("node"), Copy: words("all.js"), Argv: words("node all.js"), Status: 12, Want: "worker 42"},
		{Name: "node-throws", Argv: []string{"node", "-e", "JSON.parse('{')"}, Status: 1, Want: "SyntaxError"},
		{Name: "node-wasm", Argv: []string{"node", "-e", `const b = new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]);
WebAssembly.instantiate(b).then(r => console.log(r.instance.exports.add(40, 2)))`}, Want: "42"},
		{Name: "tclsh", Needs: words("tclsh"), Argv: words("tclsh"), Stdin: `puts [expr {2**100}] ; puts [clock format 0 -gmt 1 -format %Y] ; puts [lsort -integer {3 10 2}]
puts [regsub -all {o} "foo" 0] ; puts [exec echo child | tr a-z A-Z] ; after 20 {set done 1} ; vwait done
set fd [open "|cat" r+] ; puts $fd line ; flush $fd ; puts [gets $fd] ; close $fd
if {[catch {exec sh -c "exit 3"} m o]} {puts "$m [lindex [dict get $o -errorcode] 2]"}
puts [encoding convertto utf-8 x] ; exit 6
`, Status: 6, Want: "CHILD"},
	})
}
