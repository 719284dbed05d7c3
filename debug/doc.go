// Package debug tells debuggers which objects weld has loaded, by the protocol that they know from the system's
// run-time linker: struct r_debug with a list of link_map, and a function that is called when the list changes
// (glibc <link.h>, "Run-time linker interface"; gdb solib-svr4.c, lldb DYLDRendezvous.cpp).
//
// In a static binary they find both by name: the symbols _r_debug and _dl_debug_state. A process that has a run-time
// linker already has both, and weld's own are not looked at there.
package debug
