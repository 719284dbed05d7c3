# every extension module of the standard library, from its own file where it has one
import sys, pkgutil, importlib, sysconfig, os
dynload = os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload")
names = sorted({m.name for m in pkgutil.iter_modules([dynload])} | {n for n in sys.builtin_module_names if not n.startswith("_test")})
ok = []
for n in names:
    if n.startswith(("_test", "_xxtest", "xx")) or n in ("_tkinter",):
        continue
    try:
        importlib.import_module(n)
        ok.append(n)
    except ImportError as e:
        print(n, e)
print(len(ok) > 60, "_ctypes" in ok, "_ssl" in ok, "_sqlite3" in ok, "_asyncio" in ok)
print(ok)
