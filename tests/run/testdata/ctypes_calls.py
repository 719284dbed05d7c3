# calling the C library, the mathematics library and back
import ctypes, ctypes.util, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libm = ctypes.CDLL("libm.so.6")
libm.cos.restype = ctypes.c_double
libm.cos.argtypes = [ctypes.c_double]
print(libm.cos(0.0), libm.cos(3.141592653589793))
libm.pow.restype, libm.pow.argtypes = ctypes.c_double, [ctypes.c_double] * 2
print(libm.pow(2.0, 0.5))
buf = ctypes.create_string_buffer(64)
print(libc.snprintf(buf, 64, b"%d %s %.3f", 42, b"text", ctypes.c_double(2.5)), buf.value)
CMP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
a = (ctypes.c_int * 8)(5, 3, 8, 1, 9, 2, 7, 4)
libc.qsort(a, len(a), ctypes.sizeof(ctypes.c_int), CMP(lambda x, y: x[0] - y[0]))
print(list(a))
print(libc.open(b"/no/such", 0), errno.errorcode[ctypes.get_errno()])
libc.getenv.restype = ctypes.c_char_p
libc.setenv(b"FROM_C", b"1", 1); os.environ["FROM_PYTHON"] = "2"
print(libc.getenv(b"FROM_C"), libc.getenv(b"FROM_PYTHON"))
print(bool(ctypes.pythonapi.PyLong_FromLong), ctypes.c_int.in_dll(libc, "opterr").value)
class Div(ctypes.Structure):
    _fields_ = [("quot", ctypes.c_int), ("rem", ctypes.c_int)]
libc.div.restype = Div
d = libc.div(17, 5); print(d.quot, d.rem)
z = ctypes.CDLL("libz.so.1")
print(hex(z.crc32(0, b"123456789", 9) & 0xffffffff))
try:
    ctypes.CDLL("libno_such_library.so")
except OSError as e:
    print(e)
try:
    libc.no_such_function
except AttributeError as e:
    print(str(e).split(": ")[-1])
libc.printf(b"through the C library %d\n", 1); libc.fflush(None)
