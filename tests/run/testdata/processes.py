# processes and threads in all ways that the standard library knows
import asyncio, mmap, multiprocessing, os, signal, socket, subprocess, sys, threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

def square(x):
    return x * x

def child(conn, n):
    import json, zlib, _decimal
    conn.send((n, json.dumps([n]), zlib.crc32(b"x")))
    conn.close()

def fork():
    with multiprocessing.get_context("fork").Pool(3) as p:
        print("pool", p.map(square, range(10)))
    sys.stdout.flush()
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        import bz2, lzma, _elementtree   # dlopen in the child
        os.write(w, bz2.decompress(bz2.compress(b"from the child")))
        os._exit(3)
    print(os.waitpid(pid, 0)[1] >> 8, os.read(r, 100))

def spawn():
    for method in "spawn", "forkserver":
        ctx = multiprocessing.get_context(method)
        a, b = ctx.Pipe()
        p = ctx.Process(target=child, args=(b, 7))
        p.start()
        print(method, a.recv())
        p.join()
        print(p.exitcode)

def threads():
    lock, total = threading.Lock(), [0]
    def work():
        for _ in range(20000):
            with lock:
                total[0] += 1
    ts = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in ts]; [t.join() for t in ts]
    print("threads", total[0])
    local = threading.local(); local.x = 1
    with ThreadPoolExecutor(4) as e:
        print(list(e.map(square, range(5))), list(e.map(lambda _: hasattr(local, "x"), range(2))))
    with ThreadPoolExecutor(8) as e:   # extension modules loaded from threads
        print(sorted(m.__name__ for m in e.map(__import__, ["_decimal", "_json", "_lzma", "_hashlib", "_uuid", "_sqlite3", "_bz2", "_queue"])))
    threading.stack_size(256 * 1024)
    t = threading.Thread(target=lambda: print("small stack")); t.start(); t.join()

def signals():
    got = []
    signal.signal(signal.SIGALRM, lambda s, f: got.append(s))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while len(got) < 5:
        signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("alarms", got[0], len(got) >= 5)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    print("sigwait", signal.sigwait([signal.SIGUSR1]), signal.sigpending())
    signal.signal(signal.SIGUSR2, lambda s, f: got.append("main" if threading.current_thread() is threading.main_thread() else "other"))
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
    print("handler on", got[-1])
    def expired(s, f):
        raise TimeoutError("processor time")
    signal.signal(signal.SIGVTALRM, expired)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.02)
        while True:
            pass
    except TimeoutError as e:
        print("timed out:", e)
    p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    p.terminate()
    print("terminated", p.wait())

def sub():
    print(subprocess.run(["tr", "a-z", "A-Z"], input=b"text", capture_output=True))
    print(subprocess.run("echo out; echo err >&2; exit 4", shell=True, capture_output=True, text=True))
    try:
        subprocess.run(["sleep", "10"], timeout=0.1)
    except subprocess.TimeoutExpired as e:
        print(e.cmd, "timed out")
    print(os.system("exit 5") >> 8, os.popen("echo popen").read())
    print(os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "kill -9 $$"], {}), 0)[1])
    try:
        subprocess.run(["/no/such/program"])
    except FileNotFoundError as e:
        print(e)

def sockets():
    a, b = socket.socketpair()
    t = threading.Thread(target=lambda: b.sendall(b.recv(10) * 1000))
    t.start()
    a.send(b"0123456789"); n = 0
    while n < 10000:
        n += len(a.recv(4096))
    t.join()
    print("socketpair", n, flush=True)
    m = mmap.mmap(-1, 8192); m[0:5] = b"hello"
    if os.fork() == 0:
        m[0:5] = b"child"; os._exit(0)
    os.wait()
    print("mmap", m[0:5])
    print(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4], socket.gethostbyname("localhost"))

async def loop():
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)
    asyncio.get_running_loop().call_later(0.02, os.kill, os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(got.wait(), 10)
    print("asyncio signal")
    p = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await p.communicate(b"through cat")
    print(out, p.returncode)
    ps = [await asyncio.create_subprocess_shell(f"exit {i}") for i in range(5)]
    print(await asyncio.gather(*(p.wait() for p in ps)))
    async def echo(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    r, w = await asyncio.open_connection(*server.sockets[0].getsockname())
    w.write(b"line\n"); print(await r.readline()); w.close(); server.close()
    print(await asyncio.to_thread(square, 9))
    sys.stdout.flush()
    with ProcessPoolExecutor(1) as e:
        print(await asyncio.get_running_loop().run_in_executor(e, square, 12))

if __name__ == "__main__":
    part = sys.argv[1]
    if part == "asyncio":
        asyncio.run(loop())
    else:
        {"fork": fork, "spawn": spawn, "threads": threads, "signals": signals, "sub": sub, "sockets": sockets}[part]()
