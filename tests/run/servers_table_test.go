package run_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nginxConf = `daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
	gzip on; gzip_min_length 10; gzip_types text/plain; default_type text/plain;
	server { listen unix:{dir}/socket; root {dir}/www; location ~ ^/re/(\w+)$ { return 200 "matched $1\n"; } }
}
`

const redisConf = `port 0
unixsocket {dir}/socket
dir {dir}
appendonly yes
io-threads 2
save ""
`

const postgresConf = `listen_addresses = ''
unix_socket_directories = '{dir}'
fsync = off
max_connections = 10
shared_buffers = 8MB
`

const queries = `create table t(a int primary key, b text, c numeric, d timestamptz default '2000-01-01 00:00+00');
insert into t select i, md5(i::text), i / 7.0 from generate_series(1, 1000) i;
select count(*), sum(c), max(b) from t where a % 3 = 0;
create function f(n int) returns int language plpgsql as $$ begin return (select count(*) from t where a < n); end $$;
select f(500), to_char(d, 'Day YYYY'), regexp_replace('abc', 'b', 'X') from t limit 1;
begin; delete from t; rollback; select count(*) from t;
set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select sum(length(b)) from t;
select 1 / 0;
select * from t where b > 'fff' order by b limit 3;
`

func TestServers(t *testing.T) {
	runTable(t, []Case{
		{Name: "curl", Needs: words("curl"), Session: curlSession, Want: "served hello"},
		{Name: "redis", Needs: words("redis-server redis-cli redis-benchmark"), Files: map[string]string{"redis.conf": redisConf},
			Session: redisSession, Ignore: words("dump.rdb appendonlydir/"), Want: "SET: "},
		{Name: "nginx", User: true, Needs: words("nginx"), Files: map[string]string{"nginx.conf": nginxConf, "www/hello": "hello from a file, often\n", "www/big": large(1 << 20)},
			Session: nginxSession, Ignore: words("error.log"), Want: "hello from a file"},
		{Name: "postgres-initdb", User: true, Slow: true,
			Session: func(s *session) {
				s.run(postgres(s, "initdb"), "-D", "data", "-A", "trust", "-U", "weld", "--no-sync", "--no-instructions", "--locale=C", "-E", "UTF8")
			}, Ignore: words("data/"), Want: "performing post-bootstrap initialization ... ok"},
		{Name: "postgres", User: true,
			Files:   map[string]string{"postgresql.conf": postgresConf, "q.sql": queries},
			Setup:   `"$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)"/initdb -D data -A trust -U weld --no-sync --locale=C -E UTF8 >/dev/null; cat postgresql.conf >>data/postgresql.conf`,
			Session: postgresSession, Normal: []normaliser{sub(`^(.(un)?restrict) .*`, "$1")}, Ignore: words("data/"), Want: "division by zero"},
		{Name: "python-http", Needs: words("python3"), Files: map[string]string{"hello": "hello\n", "serve.py": serveScript}, Session: pythonSession, Want: "hello\n"},
	})
}

// curlSession lets curl talk to servers in this process.
func curlSession(s *session) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Date", "now")
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/hello", http.StatusFound)
		case "/big":
			io.WriteString(w, large(1<<20))
		case "/missing":
			http.NotFound(w, r)
		default:
			fmt.Fprintf(w, "served %s %s %q %d\n", strings.TrimPrefix(r.URL.Path, "/"), r.Method, body, r.ProtoMajor)
		}
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	before := s.log.Len()
	s.run("curl", "-sS", plain.URL+"/hello")
	s.run("curl", "-sSL", "-d", "posted", "-D", "-", plain.URL+"/moved")
	s.run("curl", "-sSf", plain.URL+"/missing")
	s.runFor(`(?m)^(DL%|\r).*\n`, "curl", "-sS", "-Z", "-o", "big1", plain.URL+"/big", "-o", "big2", plain.URL+"/big")
	s.run("curl", "-sSk", "--http2", secure.URL+"/hello")
	s.run("curl", "-sS", "http://127.0.0.1:1/")
	s.run("curl", "-sS", "file://"+filepath.Join(s.dir, "big1"), "-o", "copy")
	text := s.log.String()[before:]
	s.log.Reset()
	s.log.WriteString(strings.NewReplacer(plain.URL, "PLAIN", secure.URL, "SECURE").Replace(sub(`after [0-9]+ ms`, "after N ms")(text)))
}

func redisSession(s *session) {
	socket := filepath.Join(s.dir, "socket")
	// A server that loads its data accepts connections already, and refuses commands.
	ready := func() bool { return redisReply(socket, "PING") == "+PONG" }
	server := s.start(ready, "redis-server", "redis.conf")
	cli := func(args ...string) { s.run(append([]string{"redis-cli", "-s", "socket"}, args...)...) }
	cli("mset", "a", "1", "b", "two")
	cli("get", "b")
	cli("eval", "return redis.call('incrby', KEYS[1], 41) * cjson.decode('[2]')[1]", "1", "a")
	s.runFor(`(?m)^.*\r|[0-9.]+ requests per second.*`, "redis-benchmark", "-s", "socket", "-q", "-n", "2000", "-c", "10", "-t", "set,lpush,zadd")
	cli("llen", "mylist")
	cli("bgsave")
	for deadline := time.Now().Add(s.c.timeout()); ; time.Sleep(20 * time.Millisecond) {
		// The set-up has no dump: that it is there shows that the child has written it. The server learns of that later,
		// and would kill a child that it takes for busy.
		info := redisReply(socket, "INFO persistence")
		if _, err := os.Stat(filepath.Join(s.dir, "dump.rdb")); err == nil && strings.Contains(info, "rdb_bgsave_in_progress:0\r") {
			s.Printf("BGSAVE ok: %v\n", strings.Contains(info, "rdb_last_bgsave_status:ok\r"))
			break
		}
		if time.Now().After(deadline) {
			s.Fatalf("BGSAVE does not end\n%s%s", clip(server.out.String()), info)
		}
	}
	cli("shutdown")
	server.wait()
	server = s.start(ready, "redis-server", "redis.conf")
	cli("get", "a")
	server.stop(syscall.SIGTERM)
}

// redisReply returns what a Redis server answers to a command, without the line end; "" if it does not.
func redisReply(socket, command string) string {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return ""
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	var n int
	if _, bulk := fmt.Sscanf(line, "$%d", &n); err != nil || bulk != nil || n < 0 {
		return strings.TrimSpace(line)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return ""
	}
	return string(text)
}

func nginxSession(s *session) {
	socket := filepath.Join(s.dir, "socket")
	server := s.start(func() bool { return accepts(socket) }, "/usr/sbin/nginx", "-p", s.dir, "-c", "nginx.conf", "-e", "error.log")
	client := &http.Client{Timeout: s.c.timeout(), Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	get := func(path string) {
		resp, err := client.Get("http://nginx" + path)
		if err != nil {
			s.Fatalf("GET %s: %v", path, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		s.Printf("%s %s %q %d %v\n", path, resp.Status, clip(string(body)), len(body), err)
	}
	get("/hello")
	get("/re/word")
	get("/big")
	get("/missing")
	// New workers with the same configuration.
	server.cmd.Process.Signal(syscall.SIGHUP)
	for range 20 {
		get("/hello")
		client.CloseIdleConnections()
		time.Sleep(10 * time.Millisecond)
	}
	server.stop(syscall.SIGQUIT)
}

// postgres returns the path of a program of the newest PostgreSQL that is installed.
func postgres(s *session, program string) string {
	s.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(found) == 0 {
		s.Fatalf("this case needs %s (apt-get install postgresql)", program)
	}
	return slices.Max(found)
}

func postgresSession(s *session) {
	socket := filepath.Join(s.dir, ".s.PGSQL.5432")
	server := s.start(func() bool { return accepts(socket) }, postgres(s, "postgres"), "-D", "data")
	psql := postgres(s, "psql")
	for deadline := time.Now().Add(s.c.timeout()); s.c.command(s.dir, nil, []string{postgres(s, "pg_isready"), "-q", "-h", s.dir}).Run() != nil; {
		if time.Now().After(deadline) {
			s.Fatalf("postgres accepts no connections\n%s", clip(server.out.String()))
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.run(psql, "-X", "-h", s.dir, "-U", "weld", "-d", "postgres", "-f", "q.sql")
	s.run(postgres(s, "pg_dump"), "-h", s.dir, "-U", "weld", "-d", "postgres", "--schema-only")
	server.stop(syscall.SIGINT)
}

// serveScript is a threading web server on a port that it chooses and writes to a file.
const serveScript = `import http.server, os, signal, sys, threading
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
signal.signal(signal.SIGTERM, lambda *a: threading.Thread(target=s.shutdown).start())
open("port.new", "w").write(str(s.server_port)); os.rename("port.new", "port")
s.serve_forever(); os.remove("port"); sys.exit(11)
`

func pythonSession(s *session) {
	name := filepath.Join(s.dir, "port")
	server := s.start(func() bool { _, err := os.Stat(name); return err == nil }, "python3", "serve.py")
	port, err := os.ReadFile(name)
	if err != nil {
		s.Fatal(err)
	}
	for _, path := range []string{"/hello", "/missing"} {
		resp, err := http.Get("http://127.0.0.1:" + string(port) + path)
		if err != nil {
			s.Fatalf("GET %s: %v", path, err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		s.Printf("%s %s\n", resp.Status, body)
	}
	server.stop(syscall.SIGTERM)
}

// accepts reports whether a server listens on the Unix socket.
func accepts(socket string) bool {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
