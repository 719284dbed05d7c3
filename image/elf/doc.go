// Package elf reads ELF files and loaded ELF images without copying them.
//
// A [File] is a view of bytes that the caller keeps: either the bytes of a
// file ([New], [Open]) or the memory of a loaded image ([NewLoaded]). Both
// views find everything through the program headers and PT_DYNAMIC, as a
// run-time linker does; section headers are read only by [File.Sections] and
// what builds on it.
//
// The input is not trusted. Every table is bounds-checked when the File is
// made, every index that comes out of the data is checked where it is used,
// and no chain is followed without a bound. A File therefore stays safe to
// use, though its answers may change, when the bytes under it change. The
// exception is a mapped file that is cut short by another process: touching
// the lost pages raises SIGBUS, as it does for every user of mmap.
//
// The reader decodes little-endian ELF64. Headers of the other classes and
// byte orders are decoded by [ParseHeader] so that errors can say what a file
// is. The vocabulary is that of the gABI, the psABI and debug/elf.
//
// A File and the tables it returns are safe for concurrent use, except that
// a [NameHash] belongs to one goroutine at a time.
package elf
