// Package link is a static linker: it makes an executable, a shared library or
// one relocatable object of relocatable objects, archives and shared
// libraries.
//
// It links in two passes. The first collects the files, their symbols and
// sections, searches archives and libraries for what is missing, and assigns
// addresses; the second copies, relocates and writes the output once.
//
// [Link] is safe for concurrent use, keeps no state of the process, and makes
// the same output of the same inputs whatever the number of threads. The
// inputs are not trusted: whatever they hold, the result is an output or an
// error.
//
// The files that it reads and makes are those of x86-64, aarch64, riscv64 and i386 (the psABIs "System V Application Binary
// Interface, AMD64 Architecture Processor Supplement" and "Intel386 Architecture Processor Supplement", "ELF for the Arm 64-bit
// Architecture", "RISC-V ELF psABI Specification"), little-endian. The rules that no
// standard has, such as the order of sections and what the options mean, are
// those of GNU ld. Some differ. Run-time relocations of read-only sections are
// an error unless they are asked for. The stack is executable only if an object
// asks for that, not if one says nothing. An archive is searched for everything that is
// undefined, wherever it stands on the command line, as lld and mold do; where
// several files could define a symbol, the first one on the command line does.
// What an object defines hidden and a shared library refers to is an error unless
// another library defines it, as with lld; it is one with GNU ld in any case.
// Common symbols stay with --gc-sections, as with GNU ld: lld and mold drop those that nothing refers to.
//
// Files of this package, in the order of the work:
//
//	options.go link.go    what to link and how; the steps
//	inputs.go load.go     paths to bytes; libraries, scripts, archives in the order of the command line
//	archive.go script.go verscript.go object.go inflate.go shared.go    readers
//	plugin.go lto.go      intermediate code and who compiles it
//	symbols.go resolve.go    the symbol table; which definition a symbol has
//	exports.go defs.go trace.go    what others can bind to; what the linker defines itself; what is told of symbols
//	undefined.go suggest.go lines.go    messages: undefined symbols, what was meant, source lines
//	sections.go order.go orphans.go merge.go ehframe.go gc.go icf.go    output sections and what becomes of their content
//	machine.go scan.go got.go    processors; what relocations need
//	x86_64*.go aarch64*.go veneer.go riscv*.go relax.go i386*.go widen.go    each processor
//	dynamic.go hash.go versions.go relr.go notes.go symtab.go emit.go gdbindex.go compress.go    tables of the output
//	layout.go segments.go    order, addresses, segments
//	apply.go plt.go       relocations, stubs, tables of addresses
//	output.go fill.go mapfile.go summary.go    writing
//	relocatable.go        combining objects, in place of all that follows resolve.go
package link
