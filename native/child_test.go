package native

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"weld/internal/testenv"
)

func init() {
	testenv.Child("fault", faultChild)
	testenv.Child("freestanding", freestandingChild)
	testenv.Child("musl", muslChild)
	testenv.Child("no fsgsbase", noFSGSBASEChild)
	testenv.Child("threads", threadsChild)
}

// inChild is a testing.TB of a child process, as far as the helpers need one.
type inChild struct{ testing.TB }

func (inChild) Helper()             {}
func (inChild) Cleanup(func())      {}
func (inChild) Fatal(a ...any)      { fmt.Println(a...); os.Exit(3) }
func (inChild) Error(a ...any)      { fmt.Println(a...); os.Exit(3) }
func (inChild) Failed() bool        { return false }
func (c inChild) Name() string      { return "child" }
func (inChild) Logf(string, ...any) {}
func (inChild) Fatalf(f string, a ...any) {
	fmt.Printf(f+"\n", a...)
	os.Exit(3)
}
func (inChild) Errorf(f string, a ...any) {
	fmt.Printf(f+"\n", a...)
	os.Exit(3)
}

func fixturePath(t *testing.T) string {
	return testenv.NewDir(t).Shared("libcalls.so", "calls.c", "-lm")
}

// run runs a child that must end with status 0 and print want.
func run(t *testing.T, want, name string, args ...string) {
	t.Helper()
	cmd := testenv.ChildCommand(t, name, args...)
	r := testenv.Run(t, cmd, testenv.Patience)
	if r.Code != 0 || r.TimedOut || string(r.Stdout) != want {
		t.Errorf("%s %v: %v\n%s%s", name, args, r, r.Stdout, r.Stderr)
	}
}

func faultChild(args []string) {
	var t inChild
	bringUp(t)
	load(t, args[0])
	peek := c[func(uintptr) int32](t, "peek")
	switch args[1] {
	case "call":
		peek(0x10)
	case "leaf":
		fn[func(uintptr) int32](t, symbol(t, "peek"), true)(0x10)
	case "general":
		c[func(uintptr, string) int32](t, "peek")(0x10, "text")
	case "callback":
		c[func(uintptr, int64) int64](t, "call_back")(callback(t, func(int64) int64 { peek(0x10); return 0 }), 1)
	case "overflow":
		c[func(int32) int32](t, "overflow")(0)
	case "divide":
		c[func(a, b int32) int32](t, "divide")(1, 0)
	case "undefined":
		c[func()](t, "undefined")()
	case "foreign":
		startThread(t, symbol(t, "crash"), 0x10)
		select {}
	case "go":
		add := c[func(a, b int32) int32](t, "add32")
		for i := range int32(100) {
			if add(i, 1) != i+1 {
				t.Fatal("add32")
			}
			func() {
				defer func() {
					e, ok := recover().(runtime.Error)
					if !ok || !strings.Contains(e.Error(), "nil pointer dereference") {
						t.Fatal("the panic is ", e)
					}
				}()
				var p *int32
				*p = 1
			}()
		}
		r := c[func(uintptr, int64) int64](t, "call_back")(callback(t, func(int64) (r int64) {
			defer func() { recover(); r = 5 }()
			var p *int64
			return *p
		}), 1)
		fmt.Println("recovered", r)
	}
}

// startThread makes a thread as loaded code does.
func startThread(t testing.TB, start, arg uintptr) uintptr {
	t.Helper()
	id, err := nativeHeap.Alloc(8)
	if err != nil {
		t.Fatal(err)
	}
	defer nativeHeap.Free(id, 8)
	if r := CreateThread(libc.pthreadCreate, id, 0, start, arg); r != 0 {
		t.Fatalf("pthread_create: %v", syscall.Errno(r))
	}
	return *word(id)
}

func TestFaults(t *testing.T) {
	lib := fixturePath(t)
	for what, want := range map[string]string{
		"call":      "SIGSEGV in native code: ",
		"leaf":      "SIGSEGV in native code: ",
		"general":   "SIGSEGV in native code: ",
		"callback":  "SIGSEGV in native code: ",
		"overflow":  "SIGSEGV in native code (stack overflow): ",
		"divide":    "SIGFPE in native code: ",
		"undefined": "SIGILL in native code: ",
		"foreign":   "SIGSEGV in native code, on a thread made by it: ",
	} {
		r := testenv.Run(t, testenv.ChildCommand(t, "fault", lib, what), testenv.Patience)
		if r.Code != 2 || !bytes.Contains(r.Stderr, []byte(want)) {
			t.Errorf("%s: %v\n%s", what, r, r.Stderr)
		}
		if what != "foreign" && !bytes.Contains(r.Stderr, []byte("native.faultChild")) {
			t.Errorf("%s: the caller is not named\n%s", what, r.Stderr)
		}
	}
	run(t, "recovered 6\n", "fault", lib, "go")
}

// code puts machine code into a page of its own.
func code(t testing.TB, b ...byte) uintptr {
	t.Helper()
	p, err := MapAnon("code", PageSize)
	if err != nil {
		t.Fatal(err)
	}
	copy(Bytes(p, PageSize), b)
	if err := Protect(p, PageSize, syscall.PROT_READ|syscall.PROT_EXEC); err != nil {
		t.Fatal(err)
	}
	return p
}

func freestandingChild([]string) {
	var t inChild
	// lea (%rdi,%rsi), %rax; ret
	add := code(t, 0x48, 0x8d, 0x04, 0x37, 0xc3)
	// push %rbx; mov %rsi, %rdi; call *%rax with rax the first argument; pop %rbx; ret
	call := code(t, 0x53, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5b, 0xc3)
	// mov %fs:0x28, %rax; ret: the stack protector's canary
	canary := code(t, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0, 0xc3)
	sum := fn[func(a, b int64) int64](t, add, false)
	leaf := fn[func(a, b int64) int64](t, add, true)
	back := fn[func(f uintptr, n int64) int64](t, call, false)
	guard := fn[func() uintptr](t, canary, true)
	cb := callback(t, func(n int64) int64 { runtime.Gosched(); return sum(n, 1) })
	check := func() {
		if sum(2, 3) != 5 || leaf(2, 3) != 5 || back(cb, 41) != 42 || guard() == 0 {
			t.Fatal("a freestanding call is wrong")
		}
	}
	check()
	_, _, adopted := Libc()
	if f, _, _ := Libc(); f != NoLibc && !adopted {
		t.Fatal("a C library is there already")
	}
	// A C library comes while calls are under way, in callbacks and out of them.
	var stop atomic.Bool
	var wg sync.WaitGroup
	started := make(chan bool, 8)
	gate := make(chan bool)
	waits := callback(t, func(n int64) int64 { started <- true; <-gate; return n })
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				check()
			}
		})
		wg.Go(func() {
			if back(waits, 7) != 7 {
				t.Fatal("a call across the start of the C library is wrong")
			}
			check()
		})
	}
	for range 4 {
		<-started
	}
	bringUp(t)
	getenv := fn[func(string) string](t, libcSymbol(t, "getenv"), false)
	for range 100 {
		if getenv("PATH") == "" {
			t.Fatal("no PATH")
		}
		runtime.Gosched()
	}
	close(gate)
	time.Sleep(10 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	check()
	idle(t)
	fmt.Println("fine")
}

func TestFreestanding(t *testing.T) { run(t, "fine\n", "freestanding") }

// stdio calls some of a C library.
func stdio(t testing.TB, want string) {
	snprintf := fn[func(b []byte, n uintptr, f string, a ...any) int32](t, function(t, "snprintf"), false)
	b := make([]byte, 100)
	n := snprintf(b, 100, "%s %d %.3f", "hi", 42, 2.5)
	if s := string(b[:n]); s != "hi 42 2.500" {
		t.Fatal(s)
	}
	malloc, free := fn[func(uintptr) uintptr](t, function(t, "malloc"), false), fn[func(uintptr)](t, function(t, "free"), false)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range uintptr(200) {
				p := malloc(i + 1)
				Bytes(p, 1)[0] = 1
				free(p)
			}
		})
	}
	wg.Wait()
	open := fn[func(string, int32) (int32, syscall.Errno)](t, function(t, "open"), false)
	if r, e := open("/no/such/file", 0); r != -1 || e != syscall.ENOENT {
		t.Fatal(r, e)
	}
	qsort := fn[func(v []int32, n, size uintptr, cmp uintptr)](t, function(t, "qsort"), false)
	v := []int32{3, 1, 2}
	qsort(v, 3, 4, callback(t, func(a, b *int32) int32 { runtime.Gosched(); return *a - *b }))
	if !reflect.DeepEqual(v, []int32{1, 2, 3}) {
		t.Fatal(v)
	}
	fmt.Println(want)
}

// function returns the address of a function of the C library that is up.
func function(t testing.TB, name string) uintptr {
	a := SystemFunction(name)
	if a == 0 {
		t.Fatal("no", name)
	}
	return a
}

func muslChild([]string) {
	var t inChild
	if family() == Glibc && hostTCB { // a process that has glibc cannot have musl
		var le *LibcError
		if err := BringUp(Musl, ""); !errors.As(err, &le) || !errors.Is(err, ErrOtherLibc) {
			t.Fatal("the error is ", err)
		}
		fmt.Println("musl")
		return
	}
	if err := BringUp(Musl, ""); err != nil {
		t.Fatal(err)
	}
	if err := BringUp(Glibc, ""); !errors.Is(err, ErrOtherLibc) {
		t.Fatal("the error is ", err)
	}
	stdio(t, "musl")
}

func TestMusl(t *testing.T) {
	if Interpreter(Musl) == "" {
		t.Fatal("this test needs musl (apt-get install musl)")
	}
	run(t, "musl\n", "musl")
}

// noFSGSBASEChild is a machine whose kernel does not let programs set the thread pointer.
func noFSGSBASEChild(args []string) {
	haveFSGSBASE = false
	var t inChild
	bringUp(t)
	load(t, args[0])
	stdio(t, "slow")
	if r := depth(t, 10, func() { time.Sleep(time.Millisecond); runtime.GC() }); r != 11 {
		t.Fatal(r)
	}
	add := c[func(a, b, c, d, e, f, g, h float64) float64](t, "floats8")
	if r := add(1, 2, 3, 4, 5, 6, 7, 8.5); r != 208 {
		t.Fatal(r)
	}
	idle(t)
}

func TestNoFSGSBASE(t *testing.T) { run(t, "slow\n", "no fsgsbase", fixturePath(t)) }

// threadsChild runs callbacks on threads that native code makes, and lets them end.
func threadsChild(args []string) {
	var t inChild
	bringUp(t)
	load(t, args[0])
	self, count := c[func() uintptr](t, "self"), c[func() int64](t, "count")
	module := AddTLSModule([]byte{7, 0, 0, 0}, 8, 8, 0)
	join := libcSymbol(t, "pthread_join")
	var ended atomic.Int32
	if r := c[func(uintptr) int32](t, "make_key")(callback(t, func(n int64) int64 {
		// A destructor of the library's may still use thread-local variables.
		if a, err := ThreadVariable(module, 0); err != nil || *(*int32)(Pointer(a)) < 7 {
			t.Fatal("a thread-local variable at the end of a thread: ", err)
		}
		ended.Add(1)
		return 0
	})); r != 0 {
		t.Fatal(r)
	}
	withKey := fn[func(uintptr) uintptr](t, symbol(t, "with_key"), false)
	main := self()
	cb := callback(t, func(n int64) int64 {
		me := self()
		if me == main || n != 41 {
			t.Fatal("the callback is not on the thread that made it")
		}
		a, err := ThreadVariable(module, 0)
		if err != nil || *(*int32)(Pointer(a)) != 7 {
			t.Fatal("the thread's own variable: ", err)
		}
		*(*int32)(Pointer(a)) = 8
		withKey(1)
		first := count()
		time.Sleep(time.Millisecond)
		runtime.GC()
		if first != 1 || count() != 2 || self() != me {
			t.Fatal("calls in the callback are on another thread")
		}
		return n + 1
	})
	exits := callback(t, func(int64) int64 { runtime.Goexit(); return 1 })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				id := startThread(t, symbol(t, "run_callback"), cb)
				var r uintptr
				Call(join, id, uintptr(unsafe.Pointer(&r)))
				if r != 42 {
					t.Fatal("the thread returned ", r)
				}
				if _, err := AllocStaticTLS([]byte{1}, 8, 8, 0); err != nil && !hostTCB {
					t.Fatal(err)
				}
			}
		})
	}
	wg.Wait()
	id := startThread(t, symbol(t, "run_callback"), exits)
	var r uintptr
	Call(join, id, uintptr(unsafe.Pointer(&r)))
	if r != 0 {
		t.Fatal("after runtime.Goexit the thread returned ", r)
	}
	if n := ended.Load(); n != 160 {
		t.Fatal(n, " destructors ran")
	}
	threads.Lock()
	known := len(threads.all)
	threads.Unlock()
	tcbs.mu.Lock()
	n := len(tcbs.m)
	tcbs.mu.Unlock()
	if n > known+10 {
		t.Fatal(n, " thread pointers are known, of ", known, " threads")
	}
	RemoveTLSModule(module)
	idle(t)
	fmt.Println("fine")
}

func TestForeignThreads(t *testing.T) { run(t, "fine\n", "threads", fixturePath(t)) }
