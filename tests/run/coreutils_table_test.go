package run_test

import "testing"

// wordList is unsorted, with a line twice and with lines that differ in case only.
const wordList = "pear 10\napple 9\nfig 100\nApple 9\nquince 2\npear 10\nbanana 33\n"

// threeFiles is a small tree.
var threeFiles = map[string]string{
	"a.txt":     wordList,
	"sub/b.txt": "one\ntwo\nthree\n",
	"sub/c.sh":  "#!/bin/sh\necho c\n",
}

const linkSetup = "ln -s sub/b.txt link; ln a.txt hard; mkfifo pipe; chmod 600 a.txt; mkdir empty"

func TestCoreutils(t *testing.T) {
	runTable(t, []Case{
		{Name: "ls-long", Files: threeFiles, Setup: linkSetup, Want: "b.txt",
			Argv: words("ls -lR --time-style=full-iso"), Normal: []normaliser{without("pipe|link"), blanks}},
		{Name: "ls-missing", Argv: words("ls no-such-file"), Status: 2, Want: "ls: cannot access 'no-such-file'"},
		{Name: "ls-locale", Files: map[string]string{"b": "", "A": "", "ä": ""}, Argv: words("ls"), Env: words("LC_ALL=C.UTF-8"), Want: "ä"},
		{Name: "cat", Files: threeFiles, Argv: words("cat -A a.txt - sub/b.txt"), Stdin: "from\tstdin\n", Want: "from^Istdin$"},
		{Name: "cat-large-pipe", Argv: words("cat"), Stdin: large(1 << 20), Want: "line 20000\n"},
		{Name: "sort-numeric", Files: threeFiles, Argv: words("sort -k2,2n -k1,1f -u a.txt"), Want: "fig 100"},
		{Name: "sort-threads", Argv: words("sort --parallel=2 -S 4M -T {dir} -r"), Stdin: large(3 << 20), Want: "line 99999\n"},
		{Name: "cp-archive", Files: threeFiles, Setup: linkSetup, Argv: words("cp -av sub copy"), Normal: []normaliser{sorted}, Want: "'sub/c.sh' -> 'copy/c.sh'"},
		{Name: "mv", Files: threeFiles, Argv: words("mv -v a.txt sub/moved.txt"), Want: "renamed 'a.txt' -> 'sub/moved.txt'"},
		{Name: "rm", Files: threeFiles, Argv: words("rm -rv sub"), Normal: []normaliser{sorted}, Want: "removed directory 'sub'"},
		{Name: "install", Files: threeFiles, Argv: words("install -v -D -m 751 a.txt x/y/z"), Want: "'a.txt' -> 'x/y/z'"},
		{Name: "ln-readlink", Files: threeFiles, Setup: linkSetup, Argv: words("readlink -f link"), Want: "/sub/b.txt"},
		{Name: "date", Argv: []string{"date", "-u", "-d", "1999-12-31 23:59:59 UTC 2 days", "+%A %d %B %Y %T %s"}, Want: "Sunday 02 January 2000"},
		{Name: "date-zone", Argv: words("date -d @1000000000"), Env: words("TZ=Europe/Berlin"), Want: "2001"},
		{Name: "stat", Files: threeFiles, Argv: []string{"stat", "-c", "%n %s %a %F %y %h", "a.txt", "sub/c.sh", "/dev/null"}, Want: "2001-09-09"},
		{Name: "touch", Files: threeFiles, Argv: words("touch -d 2020-02-02T02:02:02 new a.txt"), Leaves: "new"},
		{Name: "tee", Argv: words("tee one two"), Stdin: wordList, Want: "banana 33"},
		{Name: "timeout-kills", Argv: words("timeout 0.2 sleep 20"), Status: 124},
		{Name: "timeout-of-weld", Argv: words("{run} timeout -s INT 0.4 {run} sleep 20"), Status: 124},
		{Name: "env", Argv: words("env -i A=1 B=2 env"), Want: "A=1\nB=2\n"},
		{Name: "env-inherited", Argv: words("{run} env -u TERM C=3 {run} env"), Env: []string{"D=with space", "E=", "é=ü"}, Want: "D=with space\n"},
		{Name: "nohup", Argv: words("nohup sh -c"), Status: 2, Want: "sh: 0: -c requires an argument"},
		{Name: "nohup-hup", Argv: words("{run} nohup {run} bash -c"), Status: 2, Want: "bash: -c: option requires an argument"},
		{Name: "split", Argv: words("split -l 1000 -d -a 3 - part."), Stdin: large(100 << 10), Leaves: "part.000"},
		{Name: "split-filter", Argv: []string{"split", "-n", "r/3", "--filter", "wc -l >$FILE", "-"}, Stdin: large(10 << 10), Leaves: "xaa"},
		{Name: "csplit", Files: threeFiles, Argv: words("csplit a.txt /fig/ {1}"), Status: 1, Want: "csplit: '/fig/': match not found on repetition 1"},
		{Name: "sha256sum", Files: threeFiles, Argv: words("sha256sum a.txt sub/b.txt"), Want: "  sub/b.txt"},
		{Name: "sha256sum-check", Files: threeFiles, Setup: "sha256sum a.txt >sums; echo x >>sums", Argv: words("sha256sum -c sums"), Want: "a.txt: OK"},
		{Name: "md5-b2-cksum", Files: threeFiles, Argv: words("b2sum a.txt"), Want: "a.txt"},
		{Name: "dd", Argv: words("dd bs=1000 count=3 skip=1 iflag=fullblock of=out"), Stdin: large(10 << 10), Want: "3+0 records out",
			Normal: []normaliser{sub(`copied, .*`, "copied")}},
		{Name: "tail-follow", Files: threeFiles, Argv: []string{"bash", "-c", `$RUN sleep 0.3 & $RUN tail -n 2 -s 0.1 --pid=$! -f a.txt`}, Env: words("RUN={run}"), Want: "banana 33"},
		{Name: "wc", Files: threeFiles, Argv: words("wc a.txt sub/b.txt"), Want: "total"},
		{Name: "cut", Argv: words("cut -d : -f 1,3"), Stdin: "a:b:c\nd:e:f\n", Want: "a:c\nd:f\n"},
		{Name: "tr", Argv: words("tr a-z A-Z"), Stdin: wordList, Want: "QUINCE 2"},
		{Name: "uniq", Argv: words("uniq -c -i"), Stdin: "a\nA\nb\n", Want: "2 a\n"},
		{Name: "join", Files: map[string]string{"1": "a 1\nb 2\n", "2": "a x\nc y\n"}, Argv: words("join -a 1 -a 2 1 2"), Want: "a 1 x\nb 2\nc y\n"},
		{Name: "paste", Files: threeFiles, Argv: words("paste a.txt sub/b.txt"), Want: "fig 100\tthree"},
		{Name: "od", Argv: words("od -A x -t x1z -v"), Stdin: "0123456789abcdef\x00\xff", Want: ">0123456789abcdef<"},
		{Name: "base64", Argv: words("base64 -w 20"), Stdin: wordList, Want: "="},
		{Name: "seq", Argv: words("seq -f %.3f 1 0.25 2"), Want: "1.250"},
		{Name: "factor", Argv: words("factor 18446744073709551615 1000000007"), Want: "1000000007: 1000000007"},
		{Name: "printf", Argv: []string{"printf", `%s|%5.2f|%x|%b\n`, "text", "3.14159", "255", `tab\there`}, Want: "text| 3.14|ff|tab\there"},
		{Name: "expr", Argv: words("expr abcdef : abc.*"), Want: "6"},
		{Name: "expr-false", Argv: words("expr 1 = 2"), Status: 1, Want: "0"},
		{Name: "numfmt", Argv: words("numfmt --to=iec 1048576 1500"), Want: "1.0M"},
		{Name: "tac-nl", Argv: words("nl -ba -w3"), Stdin: wordList, Want: "  7\tbanana 33"},
		{Name: "fmt", Argv: words("fmt -w 20"), Stdin: "a paragraph of some words that has to be broken into lines\n", Want: "a paragraph of"},
		{Name: "shuf", Files: threeFiles, Argv: words("shuf --random-source=a.txt sub/b.txt"), Want: "two"},
		{Name: "tsort", Argv: words("tsort"), Stdin: "a b\nb c\nd c\n", Want: "c\n"},
		{Name: "id", Argv: words("id"), Want: "uid="},
		{Name: "id-user", User: true, Argv: words("id -un"), Want: "nobody"},
		{Name: "uname", Argv: words("uname -sm"), Want: "Linux"},
		{Name: "nice", Argv: words("{run} nice -n 19 {run} nice"), Want: "19"},
		{Name: "stdbuf-preload", Argv: words("{run} stdbuf -oL {run} cut -c 1-3"), Stdin: "abcdef\n", Want: "abc"},
		{Name: "yes-sigpipe", Argv: []string{"bash", "-c", `"$@" | head -n 2; echo "${PIPESTATUS[0]}"`, "bash", "{run}", "yes"}, Want: "y\ny\n141\n"},
		{Name: "full-device", Argv: []string{"sh", "-c", `"$@" >/dev/full`, "sh", "{run}", "/bin/echo", "text"}, Status: 1, Want: "No space left on device"},
		{Name: "closed-stdout", Argv: []string{"sh", "-c", `"$@" >&-`, "sh", "{run}", "ls", "-d", "."}, Status: 2, Want: "Bad file descriptor"},
		{Name: "chmod-denied", User: true, Argv: words("chmod 777 /etc/passwd"), Status: 1, Want: "Operation not permitted"},
	})
}
