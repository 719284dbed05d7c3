// Package module loads modules: native code that a host program gives to use what it chooses to give, by name and by type, and
// nothing else. A module is an ELF shared object that needs no libraries, with a table of what it imports and one of what it
// exports; each symbol there has a signature of its C type. weld link --module makes one of objects that were compiled with -g, and
// docs/modules.md describes the file. Debugging information may be stripped from it then.
//
//	var host module.Exports
//	host.Func("log_line", func(s string) { log.Print(s) }) // void log_line(const char *)
//	host.Library(libm, "cos", "sin")                       // typed by its debugging information, or
//	host.Library(libm, "double cos(double)")               // by a prototype
//	m, err := module.Load(file, size, &host, nil)          // the error lists each import that is missing or of another type
//	run, err := module.Import[func(int32) int32](m, "run") // likewise
//	err = m.Free()                                         // unless somebody is in it
//
// It follows Inferno's dynld: a reader to load from, a limit of size, tables that are sorted and can be listed, imports from a
// table of the host's only. Load checks everything before any of the module is mapped: the file, where each relocation writes,
// both tables, and every import against the host's table. Only then is it mapped, relocated, made known to debuggers, and
// its initialisers run. What goes on between the module and the rest is checked by type, not by intent: it is native code of
// the process, and can do what a process can.
//
// Modules may have initialisers and finalisers, thread-local variables and indirect functions, and throw C++ exceptions if the
// host gives what g++ calls for these. Refused by name are modules that need libraries or versions of their symbols, text relocations,
// thread-local imports, executable stacks, and what could never be freed (DF_1_NODELETE).
//
// All may be used by any number of goroutines.
package module
