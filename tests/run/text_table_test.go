package run_test

import (
	"fmt"
	"strings"
	"testing"
)

// large is text of numbered lines of at least n bytes.
func large(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d\n", i*7919%100003)
	}
	return b.String()
}

// program text that the tools below work on
var sources = map[string]string{
	"src/main.c":   "#include <stdio.h>\n\nint main(void)\n{\n\tputs(\"old\");\n\treturn 0;\n}\n",
	"src/util.c":   "int twice(int x)\n{\n\treturn 2 * x;\n}\n",
	"src/util.h":   "int twice(int x);\n",
	"doc/README":   "An old program.\n",
	"new/main.c":   "#include <stdio.h>\n\nint main(void)\n{\n\tputs(\"new\");\n\treturn 0;\n}\n",
	"new/util.c":   "int twice(int x)\n{\n\treturn x + x;\n}\n",
	"change.patch": "--- src/main.c\n+++ src/main.c\n@@ -2,6 +2,6 @@\n \n int main(void)\n {\n-\tputs(\"old\");\n+\tputs(\"patched\");\n \treturn 0;\n }\n",
	"table.csv":    "name,count\nfig,3\npear,11\nfig,4\n",
	"data.json":    `{"list":[{"n":"a","v":1.5},{"n":"b","v":2}],"é":null}`,
}

func TestText(t *testing.T) {
	runTable(t, []Case{
		{Name: "find", Needs: words("find"), Files: sources, Argv: words("find . -name *.c -printf %P:%s:%m:%TY\\n"), Normal: []normaliser{sorted}, Want: "src/main.c:64:644:2001"},
		{Name: "find-exec", Files: sources, Argv: []string{"find", "src", "-type", "f", "-exec", "wc", "-l", "{}", "+"}, Normal: []normaliser{sorted}, Want: "total"},
		{Name: "find-delete", Files: sources, Argv: words("find src -name *.h -print -delete"), Want: "src/util.h"},
		{Name: "xargs", Argv: words("xargs -n 2 -P 1 echo got"), Stdin: "a b c 'd e' f\n", Want: "got c d e\n"},
		{Name: "xargs-of-weld", Argv: words("{run} xargs -n 3 {run} echo got"), Stdin: "a b c d", Want: "got a b c\ngot d\n"},
		{Name: "xargs-parallel-status", Argv: []string{"xargs", "-n", "1", "-P", "3", "sh", "-c", "echo $0; exit $0"}, Stdin: "0 1 2 3", Normal: []normaliser{sorted}, Status: 123, Want: "3\n"},
		{Name: "grep", Files: sources, Argv: words("grep -rnE --include=*.[ch] (int|return)[[:space:]] ."), Normal: []normaliser{sorted}, Want: "./src/util.h:1:int twice"},
		{Name: "grep-perl", Files: sources, Argv: []string{"grep", "-oP", `(?<=puts\(")\w+`, "src/main.c", "new/main.c"}, Want: "new/main.c:new"},
		{Name: "grep-none", Files: sources, Argv: words("grep -c zebra src/main.c"), Status: 1, Want: "0"},
		{Name: "grep-stdin-closed-early", Argv: words("grep -m 1 -n line.99"), Stdin: large(2 << 20), Want: "line 99"},
		{Name: "sed", Files: sources, Argv: []string{"sed", "-n", "-E", `s/^(\w+),([0-9]+)$/\2 \1/p; $=`, "table.csv"}, Want: "11 pear"},
		{Name: "sed-in-place", Files: sources, Argv: words("sed -i.bak s/old/newer/w{dir}/log doc/README src/main.c"), Leaves: "log"},
		{Name: "mawk", Needs: words("mawk"), Files: sources, Argv: []string{"mawk", "-F,", `NR>1 {s[$1]+=$2} END {for (k in s) printf "%s %d\n", k, s[k]; print substr("hello", 2, 3), log(10) | "cat"}`, "table.csv"}, Normal: []normaliser{sorted}, Want: "fig 7"},
		{Name: "gawk", Needs: words("gawk"), Files: sources, Argv: []string{"gawk", "-F,", `@load "filefuncs"; BEGIN {PROCINFO["sorted_in"]="@ind_str_asc"; stat("doc/README", st); print st["size"], strftime("%Y", 0, 1)} NR>1 {s[$1]+=$2} END {for (k in s) print k, s[k]; print gensub(/(o)/, "[\\1]", "g", "foo")}`, "table.csv"}, Want: "f[o][o]"},
		{Name: "diff", Files: sources, Argv: words("diff -ru --label old --label new src/main.c new/main.c"), Status: 1, Want: "+\tputs(\"new\");"},
		{Name: "diff3-cmp", Files: sources, Argv: words("cmp -l src/main.c new/main.c"), Status: 1, Want: "45 157 156"},
		{Name: "patch", Needs: words("patch"), Files: sources, Argv: words("patch -p0 -b -i change.patch"), Want: "patching file src/main.c"},
		{Name: "jq", Needs: words("jq"), Files: sources, Argv: []string{"jq", "-S", `{sum: [.list[].v]|add, names: [.list[].n|ascii_upcase], r: ("x1y22"|[match("[0-9]+";"g").string]), rest: (keys)}`, "data.json"}, Want: `"sum": 3.5`},
		{Name: "jq-error", Files: sources, Argv: words("jq .list.x data.json"), Status: 5, Want: "Cannot index array"},
		{Name: "bc", Needs: words("bc"), Argv: words("bc -l -q"), Stdin: "scale=40\n4*a(1)\n2^200\nquit\n", Want: "3.1415926535897932384626433832795028841968"},
		{Name: "dc", Needs: words("dc"), Argv: words("dc -e"), Status: 1, Want: "option requires an argument"},
		{Name: "dc-program", Argv: []string{"dc", "-e", "30k2vp16o255p10o[d1-d0<a*]dsax5lax"}, Want: "1.414213562373095048801688724209\nFF\n"},
		{Name: "file", Needs: words("file"), Files: sources, Setup: "printf 'GIF89a\\1\\0\\1\\0' >x.gif", Argv: words("file src/main.c x.gif data.json /bin/sh"), Want: "GIF image data, version 89a, 1 x 1"},
		{Name: "less", Needs: words("less"), Files: sources, Argv: words("less -FX src/main.c"), Want: "puts"},
		{Name: "iconv", Argv: words("iconv -f UTF-8 -t UTF-16LE"), Stdin: "grüße\n", Want: "g\x00r\x00"},
		{Name: "iconv-gconv", Argv: words("iconv -f UTF-8 -t EUC-JP"), Stdin: "日本語\n", Want: "\xc6\xfc\xcb\xdc\xb8\xec"},
		{Name: "iconv-bad", Argv: words("iconv -f UTF-8 -t ASCII"), Stdin: "grüße\n", Status: 1, Want: "illegal input sequence"},
		{Name: "getent", Argv: words("getent passwd nobody"), Want: "65534"},
		{Name: "sqlite3", Needs: words("sqlite3"), Argv: words("sqlite3 db.sqlite"), Stdin: `create table t(a integer primary key, b text);
insert into t(b) values('one'),('two'),('three');
create index i on t(b);
.mode column
select a, upper(b), length(b) from t order by b;
with recursive c(x) as (select 1 union all select x+1 from c where x<1000) select sum(x), group_concat(x%7) from c where x<20;
select json_extract('{"a":[1,2,{"b":7}]}', '$.a[2].b'), abs(-3.5), printf('%05.1f', 2.25);
select no_such_function(1);
`, Status: 1, Want: "THREE"},
		{Name: "man", Files: map[string]string{"page.1": ".TH PAGE 1\n.SH NAME\npage \\- a page\n.SH DESCRIPTION\nSome text.\n"}, Needs: words("man"), Argv: words("man -l page.1"), Want: "DESCRIPTION"},
	})
}

func TestArchives(t *testing.T) {
	const members = "src doc table.csv"
	const tarball = "tar -cf a.tar --owner=0 --group=0 --sort=name " + members + "; "
	runTable(t, []Case{
		{Name: "tar-create", Needs: words("tar"), Files: sources, Argv: words("tar -cvf a.tar --owner=0 --group=0 --sort=name " + members), Want: "src/main.c"},
		{Name: "tar-extract", Files: sources, Setup: tarball, Argv: words("tar -xvpf a.tar -C new"), Want: "src/util.h"},
		{Name: "tar-list", Files: sources, Setup: tarball, Argv: words("tar -tvf a.tar"), Want: "2001-09-09"},
		{Name: "tar-gzip", Needs: words("gzip"), Files: sources, Argv: words("tar -czf a.tgz --sort=name " + members), Leaves: "a.tgz"},
		{Name: "tar-xz-of-weld", Needs: words("xz"), Files: sources, Setup: tarball + "xz a.tar", Argv: words("tar -tJf a.tar.xz"), Want: "doc/README"},
		{Name: "tar-broken", Files: sources, Argv: words("tar -tf table.csv"), Status: 2, Want: "does not look like a tar archive"},
		{Name: "gzip", Files: map[string]string{"x": large(200 << 10)}, Argv: words("gzip -9nv x"), Want: "replaced with x.gz"},
		{Name: "gzip-pipe", Files: map[string]string{"x": large(200 << 10)}, Setup: "gzip -n x", Argv: words("gzip -dc x.gz"), Want: "line 7919"},
		{Name: "gzip-broken", Files: map[string]string{"x.gz": "\x1f\x8b\x08\x00"}, Argv: words("gzip -d x.gz"), Status: 1, Want: "unexpected end of file"},
		{Name: "zcat-script", Files: map[string]string{"x": wordList}, Setup: "gzip -n x", Argv: words("zcat x.gz"), Want: "quince"},
		{Name: "xz-threads", Files: map[string]string{"x": large(1 << 20)}, Argv: words("xz -v -T2 --block-size=256KiB -0 x"), Normal: []normaliser{only("^no line$")}, Leaves: "x.xz"},
		{Name: "xz-decode", Files: map[string]string{"x": large(200 << 10)}, Setup: "xz -0 x", Argv: words("xz -dc -T2 x.xz"), Want: "line 7919"},
		{Name: "zstd", Needs: words("zstd"), Files: map[string]string{"x": large(1 << 20)}, Argv: words("zstd -q -T2 -12 --rm x"), Leaves: "x.zst"},
		{Name: "zstd-test", Files: map[string]string{"x": large(200 << 10)}, Setup: "zstd -q x", Argv: words("zstd -dc x.zst"), Want: "line 7919"},
		{Name: "bzip2", Needs: words("bzip2"), Files: map[string]string{"x": large(200 << 10)}, Argv: words("bzip2 -kv x"), Want: "bits/byte"},
		{Name: "bunzip2", Files: map[string]string{"x": large(200 << 10)}, Setup: "bzip2 x", Argv: words("bzip2 -dv x.bz2"), Want: "done"},
		{Name: "cpio-out", Needs: words("cpio"), Files: sources, Argv: words("cpio -ov -H newc --reproducible --owner=0:0"), Stdin: "src/main.c\ndoc/README\n", Want: "doc/README", Normal: []normaliser{sub(`(?s)070701.*TRAILER!!!\x00*`, "archive")}},
		{Name: "cpio-in", Files: sources, Setup: "ls src/* | cpio -o -H newc -F a.cpio 2>/dev/null; rm -r src", Argv: words("cpio -idvF a.cpio"), Ignore: words("a.cpio"), Want: "src/util.c"},
		{Name: "rsync", Needs: words("rsync"), Files: sources, Argv: words("rsync -av --delete src/ doc new/"), Normal: []normaliser{numbers}, Want: "sending incremental file list"},
		{Name: "rsync-of-weld", Files: sources, Argv: words("{run} rsync -av --checksum src/ new/"), Normal: []normaliser{numbers}, Want: "util.h"},
		{Name: "ar", Files: sources, Argv: words("ar rcDv lib.a src/main.c src/util.c"), Want: "a - src/util.c"},
	})
}
