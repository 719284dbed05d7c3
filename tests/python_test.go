package tests

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

func init() { testenv.Child("python", pythonChild) }

// The script that the embedded Python runs; its result is read back through
// the C interface. The extension modules that it imports find the interpreter's
// symbols in the global scope.
const pythonScript = `
import json, ctypes, hashlib, threading, sys, math, zlib, decimal, struct

result = {}
result['json'] = json.loads(json.dumps({'list': [1, 2.5, 'three', None], 'nested': {'k': True}}))
libm = ctypes.CDLL('libm.so.6')
libm.pow.restype = ctypes.c_double
libm.pow.argtypes = [ctypes.c_double, ctypes.c_double]
result['pow'] = libm.pow(2.0, 10.0)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
values = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
ctypes.CDLL(None).qsort(values, 5, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
result['qsort'] = list(values)
result['sha256'] = hashlib.sha256(b'weld').hexdigest()
result['crc'] = zlib.crc32(b'weld')
result['decimal'] = str(decimal.Decimal(1) / decimal.Decimal(7))
total = []
lock = threading.Lock()
def work(n):
    for i in range(1000):
        with lock:
            total.append(n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
result['threads'] = sum(total)
try:
    1 / 0
except ZeroDivisionError as e:
    result['error'] = str(e)
result['big'] = str(2 ** 200)
answer = json.dumps(result, sort_keys=True)
number = 6 * 7
`

// TestPython embeds the interpreter and compares the script's result with that
// of the system's python3.
func TestPython(t *testing.T) {
	testenv.Need(t, "python3")
	lib := testenv.Library(t, "libpython3.11", "libpython3.*[0-9].so.1.0")
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(lib), "libpython"), ".so.1.0")
	got := runChild(t, "python", lib)
	cmd := exec.Command("python"+version, "-c", pythonScript+"print(answer)")
	want, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v (apt-get install python%s)", cmd.Args[0], err, version)
	}
	if !strings.Contains(string(want), `"sha256"`) || !strings.HasPrefix(got, string(want)) {
		t.Errorf("embedded Python gives\n%s\nthe system's python%s\n%s", got, version, want)
	}
	if !strings.Contains(got, "number 42\ncallback 42 6\n") {
		t.Errorf("values read back: %s", got)
	}
}

func pythonChild(args []string) {
	lib, err := weld.Open(args[0], weld.Lazy, weld.Global)
	must(err)
	var py struct {
		Initialize func(signals int32)                                    `sym:"Py_InitializeEx"`
		Finalize   func() int32                                           `sym:"Py_FinalizeEx"`
		Run        func(code string) int32                                `sym:"PyRun_SimpleString"`
		Module     func(name string) uintptr                              `sym:"PyImport_AddModule"`
		Attr       func(obj uintptr, name string) uintptr                 `sym:"PyObject_GetAttrString"`
		Long       func(obj uintptr) int64                                `sym:"PyLong_AsLong"`
		FromLong   func(v int64) uintptr                                  `sym:"PyLong_FromLong"`
		Text       func(obj uintptr) string                               `sym:"PyUnicode_AsUTF8"`
		Parse      func(args uintptr, format string, out ...any) int32    `sym:"PyArg_ParseTuple"`
		NewFunc    func(def unsafe.Pointer, self, module uintptr) uintptr `sym:"PyCFunction_NewEx"`
		SetAttr    func(obj uintptr, name string, v uintptr) int32        `sym:"PyObject_SetAttrString"`
	}
	must(weld.Bind(lib, &py))
	// The interpreter's state belongs to a thread.
	runtime.LockOSThread()
	py.Initialize(0)
	expect(py.Run(pythonScript) == 0, "the script failed")
	main := py.Module("__main__")
	fmt.Println(py.Text(py.Attr(main, "answer")))
	fmt.Println("number", py.Long(py.Attr(main, "number")))

	// A Go function as a function of Python: PyMethodDef has a name, a function,
	// flags and a doc string, and has to stay in place.
	calls := 0
	add, err := weld.NewCallback(func(self, args uintptr) uintptr {
		calls++
		var a, b int64
		if py.Parse(args, "ll", &a, &b) == 0 {
			return 0
		}
		return py.FromLong(a + b)
	})
	must(err)
	name := append([]byte("go_add"), 0)
	def := &struct {
		name  *byte
		fn    uintptr
		flags int32
		doc   *byte
	}{&name[0], add.Addr(), 1, nil}
	var pin runtime.Pinner
	pin.Pin(def)
	pin.Pin(&name[0])
	defer pin.Unpin()
	fn := py.NewFunc(unsafe.Pointer(def), 0, 0)
	expect(fn != 0 && py.SetAttr(main, "go_add", fn) == 0, "no function object")
	expect(py.Run("number = 0\nfor i in range(6): number = go_add(number, 7)\ntry:\n    go_add('x')\n    number = -1\nexcept TypeError:\n    pass\n") == 0, "the script with the Go function failed")
	fmt.Println("callback", py.Long(py.Attr(main, "number")), calls-1)
	expect(py.Finalize() == 0, "Py_FinalizeEx")
	fmt.Println("ok")
}
