package run_test

import "testing"

// compilable is a program of two files with a makefile.
var compilable = map[string]string{
	"main.c":   "#include <stdio.h>\nint twice(int);\nint main(void) { printf(\"twice %d\\n\", twice(21)); return 0; }\n",
	"twice.c":  "int twice(int x) { return 2 * x; }\n",
	"broken.c": "int main(void) { return missing; }\n",
	"main.cc":  "#include <iostream>\n#include <vector>\n#include <string>\nint main() { std::vector<std::string> v{\"a\", \"b\"}; for (auto &s : v) std::cout << s << '\\n'; }\n",
	"hello.s":  "\t.globl _start\n_start:\n\tmov $60, %eax\n\tmov $7, %edi\n\tsyscall\n\t.section .note.GNU-stack,\"\",@progbits\n",
	"Makefile": "prog: main.o twice.o\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -c -o $@ $<\nlist: ; @echo $(sort c a b) $(shell echo sh) $(wildcard *.c)\nfail: ; @echo before; exit 3\n.PHONY: list fail\n",
}

// repository is a script that makes a repository with two commits.
const repository = `git init -q -b main r; cd r; echo one >a; git add a; git commit -q -m first; echo two >>a; mkdir d; seq 100 >d/n; git add .; git commit -q -m second; git tag -a -m tagged v1`

// gitEnv makes what git writes the same each time.
var gitEnv = []string{
	"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=1000000000 +0000",
	"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.org", "GIT_COMMITTER_DATE=1000000000 +0000",
	"GIT_CONFIG_NOSYSTEM=1", "GIT_PAGER=cat",
}

func TestDevelopment(t *testing.T) {
	// The index of a repository holds inode numbers and times.
	gitFiles := words("r/.git/index c/.git/index c/.git/objects/pack/ .git/index")
	runTable(t, []Case{
		{Name: "git-init", Needs: words("git"), Env: gitEnv, Argv: words("git init -b main r"), Want: "Initialized empty Git repository"},
		{Name: "git-commit", Env: gitEnv, Setup: repository + "; echo three >>a", Argv: words("git -C r commit -a -m third"), Ignore: gitFiles, Want: "1 file changed, 1 insertion(+)"},
		{Name: "git-log", Env: gitEnv, Setup: repository, Argv: words("git -C r log --stat --graph -p --format=fuller"), Ignore: gitFiles, Want: "CommitDate: Sun Sep 9 01:46:40 2001 +0000"},
		{Name: "git-status", Env: gitEnv, Setup: repository + "; echo x >new; rm a", Argv: words("git -C r status --porcelain=v2 --branch"), Ignore: gitFiles, Want: "? new"},
		{Name: "git-clone", Env: gitEnv, Setup: repository, Argv: words("git clone -v --no-local r c"), Ignore: gitFiles, Want: "Cloning into 'c'", Normal: []normaliser{sub(`.*\r`, ""), only("Cloning|done|main")}},
		{Name: "git-rebase", Env: gitEnv, Setup: repository + "; git checkout -q -b side HEAD~1; echo s >s; git add s; git commit -q -m side", Argv: words("git -C r rebase main"), Ignore: append(words("r/.git/logs/ r/.git/ORIG_HEAD"), gitFiles...), Want: "Successfully rebased", Normal: []normaliser{sub(`.*\r`, "")}},
		{Name: "git-gc", Env: gitEnv, Setup: repository, Argv: words("git -C r -c pack.threads=2 gc -q"), Ignore: gitFiles, Leaves: "r/.git/packed-refs"},
		{Name: "git-merge-conflict", Env: gitEnv, Setup: repository + "; git checkout -q -b side HEAD~1; echo s >>a; git commit -q -a -m side", Argv: words("git -C r merge main"), Ignore: gitFiles, Status: 1, Want: "CONFLICT (content): Merge conflict in a"},

		{Name: "make", Needs: words("make gcc"), Files: compilable, Argv: words("make -j2 prog"), Normal: []normaliser{sorted}, Want: "cc -o prog main.o twice.o", Ignore: words("prog")},
		{Name: "make-functions", Files: compilable, Argv: words("make list"), Want: "a b c sh broken.c main.c twice.c"},
		{Name: "make-fails", Files: compilable, Argv: words("make fail"), Status: 2, Want: "Error 3"},
		{Name: "gcc-link", Files: compilable, Argv: words("gcc -O2 -o prog main.c twice.c"), Leaves: "prog"},
		{Name: "gcc-error", Files: compilable, Argv: words("gcc -c broken.c"), Status: 1, Want: "'missing' undeclared"},
		{Name: "gcc-static", Files: compilable, Argv: words("gcc -static -pipe -v -o prog main.c twice.c"), Normal: []normaliser{only("^Target:|^Thread model:")}, Want: "Target: x86_64-linux-gnu"},
		{Name: "cc1-directly", Files: compilable, Argv: []string{"sh", "-c", `exec "$@" "$(gcc -print-prog-name=cc1)" -quiet -O2 -o - twice.c`, "sh", "{run}"}, Want: "twice", Normal: []normaliser{without("GNU C17|compiled by|GGC")}},
		{Name: "g++", Needs: words("g++"), Files: compilable, Argv: words("g++ -O1 -o prog main.cc"), Leaves: "prog"},
		{Name: "as", Needs: words("as"), Files: compilable, Argv: words("as -al -o hello.o hello.s"), Want: "GAS LISTING"},
		{Name: "ld", Needs: words("ld"), Files: compilable, Setup: "as -o hello.o hello.s", Argv: words("ld -M -o prog hello.o"), Want: "Memory Configuration"},
		{Name: "ld-missing", Files: compilable, Setup: "gcc -c main.c", Argv: words("ld -shared -z defs -o x.so main.o"), Status: 1, Want: "undefined reference to `twice'"},
		{Name: "objdump", Needs: words("objdump"), Argv: words("objdump -p -h -T /bin/ls"), Want: "DYNAMIC SYMBOL TABLE"},
		{Name: "objdump-disassembly", Files: compilable, Setup: "as -o hello.o hello.s", Argv: words("objdump -dr hello.o"), Want: "syscall"},
		{Name: "readelf", Needs: words("readelf"), Argv: words("readelf -aW /bin/true"), Want: "Program Headers:"},
		{Name: "nm", Files: compilable, Setup: "gcc -g -c twice.c", Argv: words("nm -S twice.o"), Want: "T twice"},
		{Name: "gdb-version", Needs: words("gdb"), Argv: words("gdb --version"), Want: "GNU gdb"},
		{Name: "gdb-python", Argv: []string{"gdb", "-nx", "-q", "-batch", "-ex", "python import json, gdb; print(json.dumps([6 * 7, gdb.VERSION[:2]]), gdb.parse_and_eval('(char)65'))", "-ex", "print sizeof(long) * 100", "-ex", "info line nothing"}, Status: 1, Want: "65 'A'"},
		{Name: "gdb-debugs", Files: compilable, Setup: "gcc -g -o prog main.c twice.c", Argv: []string{"gdb", "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off", "-ex", "break twice", "-ex", "run", "-ex", "backtrace", "-ex", "finish", "-ex", "continue", "./prog"}, Want: "exited normally", Normal: []normaliser{hexes, sub(`process [0-9]+`, "process N")}, Ignore: words("prog")},
		{Name: "vim", Needs: words("vim"), Files: map[string]string{"x": wordList}, Argv: []string{"vim", "-u", "NONE", "-es", "-c", "%s/pear/plum/g", "-c", "sort", "-c", "%print", "-c", "call system('echo shell >y')", "-c", "wq", "x"}, Want: "plum 10", Leaves: "y"},
		{Name: "openssl-dgst", Needs: words("openssl"), Files: map[string]string{"x": wordList}, Argv: words("openssl dgst -sha3-256 -hmac key x"), Want: "HMAC-SHA3-256(x)="},
		{Name: "openssl-enc", Files: map[string]string{"x": wordList}, Argv: words("openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -k secret -a -in x"), Want: "="},
		{Name: "openssl-keys", Setup: "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null", Argv: words("openssl req -x509 -key key.pem -subj /CN=test -days 1 -text -noout"), Ignore: words("key.pem"), Normal: []normaliser{only("Issuer:|Subject:|Algorithm|CA:TRUE")}, Want: "CN = test"},
		{Name: "openssl-genpkey", Argv: words("openssl genpkey -algorithm ED25519"), Normal: []normaliser{sub(`^[A-Za-z0-9+/=]{20,}$`, "key")}, Want: "-----BEGIN PRIVATE KEY-----\nkey"},
		{Name: "openssl-speed", Argv: words("openssl speed -seconds 1 -bytes 1024 sha256"), Normal: []normaliser{sub(`^(options|CPUINFO|compiler).*\n`, ""), sub(`[0-9.]+`, "N")}, Want: "Doing shaN for", Slow: true},
		{Name: "openssl-provider", Argv: words("openssl list -providers -provider legacy"), Want: "legacy"},
		{Name: "ffmpeg", Needs: words("ffmpeg"), Argv: words("ffmpeg -hide_banner -loglevel error -bitexact -f lavfi -i testsrc=size=64x48:rate=5:duration=1 -f lavfi -i sine=duration=1 -threads 2 -c:v mpeg4 -c:a flac -bitexact -f matroska out.mkv"), Leaves: "out.mkv"},
		{Name: "ffprobe", Setup: "ffmpeg -loglevel error -bitexact -f lavfi -i testsrc=size=64x48:rate=5:duration=1 -c:v mpeg4 x.mkv", Argv: words("ffprobe -v error -show_streams x.mkv"), Ignore: words("x.mkv"), Want: "codec_name=mpeg4"},
		{Name: "imagemagick", Needs: words("convert"), Argv: words("convert -size 64x48 gradient:red-blue -rotate 30 -resize 50% -define png:exclude-chunks=date,time -strip out.png"), Leaves: "out.png"},
		{Name: "imagemagick-formats", Setup: "convert -size 32x32 plasma:red-blue -seed 1 x.jpg", Argv: words("identify -format %m:%w:%h:%[colorspace]\n x.jpg"), Ignore: words("x.jpg"), Want: "JPEG"},
	})
}
