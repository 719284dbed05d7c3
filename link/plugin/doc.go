// Package plugin loads the linker plugins of compilers, gcc's liblto_plugin.so and clang's LLVMgold.so, for package link: objects of
// intermediate code are compiled when all of them are known (link-time optimisation).
//
// A plugin is a shared library with a function onload, to which the linker hands a table of its functions ("GCC Wiki,
// whopr/driver"; plugin-api.h of GNU binutils has the names and values). weld loads it with its own run-time linker, so that a
// static binary can. Each [Open] loads it, with all that it needs but the C library, into a namespace of its own, because plugins
// keep the state of a link in global variables.
//
// The plugin runs other programs of its compiler, and native code runs in the process: whoever links objects that are not trusted
// should not open plugins.
//
// It is for Linux on x86-64, where package weld is.
package plugin
