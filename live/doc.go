// Package live makes ELF shared objects out of code and data that a program generates while it runs, so that everything
// which knows shared objects knows generated code: debuggers, profilers, tracers, unwinders, and other code in the
// process.
//
//	o, err := live.New(nil, "jit", live.Options{})
//	b, err := o.Alloc(len(code), 16, live.Text)
//	err = b.Write(0, code)
//	err = o.Bind("square", b, live.Lines(live.Line{File: "square.calc", Line: 1}))
//	err = o.Commit()
//	square, err := weld.Func[func(int32) int32](o.Library(), "square", weld.Leaf)
//
// An [Object] has blocks of memory, made by Alloc, and names for them, given by Bind. Changes are collected: nobody sees one
// before Commit, and then all are seen at once. To commit is what costs, above all while a debugger watches, so what belongs
// together is committed together.
//
// # Memory
//
// No page is writable and executable. Text is a private mapping of the object's file, as that of any library is, so that
// debuggers and uprobes can put breakpoints there; it is written through a second, shared mapping of the file elsewhere. On
// a page that a debugger has written to, the process has a copy of its own, which that mapping does not reach: Commit
// compares what was written, and puts it there through /proc/self/mem, which leaves breakpoints in other code on the page
// where they are. So code that was written must be committed before it runs, also if it has no name. A breakpoint in code
// that is itself written anew is lost.
//
// An object reserves its address range when it is made ([Options]), and takes memory and space on disk as it grows. All of it
// is within 2 GiB. Freed space is used again, after a grace period: see [Block.Free]. An object is some twenty mappings, of which the
// kernel gives a process 65,530 (vm.max_map_count): so there can be about three thousand at a time.
//
// # Others
//
// An object is a library of a namespace. It is in the list that debuggers read (link_map); its symbols are found by
// [weld.Library.Lookup], weld.FindAddr, and by loaded code with dlsym, dlvsym and dladdr, with the address of the link_map as a handle, with
// RTLD_DEFAULT and RTLD_NEXT; dl_iterate_phdr and _dl_find_object report it, so backtraces and C++ exceptions pass through its
// functions. Libraries are bound to its symbols when they are opened, or when they first call, if it is [Options].Global or they name
// its soname as needed. It refers to others by [Object.Import].
//
// When a name is bound to other code, all that is bound to the name goes there from the Commit on: the words of
// libraries that their calls and references go through (GLOB_DAT, JUMP_SLOT, and pointers to the function in data that
// nobody has changed), imports of live objects, funcs made by weld.Func and weld.Bind, each by one store while others call.
// Addresses that were handed out, by Lookup, dlsym or Addr, are what they were. To unbind a name redirects nothing: who is
// bound goes on to go to the code as long as it is there, and follows when the name is bound again.
//
// To those who debug a program, each commit is the object loaded anew, or, if it is large, parts of it, with files of their own
// beside the object's, as long as a debugger is there: its l_name in the link_map changes to another spelling
// of the same path and back, since that is what has debuggers read the file again. gdb 13 writes a warning about its breakpoints
// then, and sets them again. A breakpoint by name may be set before the function is there, and is in all that the
// name is bound to. Where a debugger has breakpoints in the object a commit has it see the object go, takes out what it leaves
// behind in the text, and has it see the object come: in between, other threads run by without a stop, and uprobes in the text are
// lost.
//
// # The file
//
// After every commit the file is a valid shared object: ELF64, ET_DYN, with segments, sections, .dynsym and .symtab,
// DT_HASH and DT_GNU_HASH, versions if there are any (gABI; LSB), .eh_frame with a sorted .eh_frame_hdr,
// and .debug_* for functions with lines (DWARF 4). Nothing in it depends on where it is mapped: it can be opened by
// dlopen and weld.Open in other processes, copied while it grows, or written out by [Object.Save]. Who opens the file itself and
// keeps it open has its tables change under the hands: after a commit the old ones stay for a quarter of a second, or for 10 s if
// they come to less than 2 MiB, and what reads them later reads something else. That is for a copy. Of the build-id the
// last 4 bytes are the number of the commit, as tools keep what they have read of a file by it.
//
// A commit takes time by what it changes, not by what there is. DT_GNU_HASH is the one table that cannot be extended; in an
// object of more than 256 symbols it is made anew when .dynsym is full, or a third has gone, and by Save, and left out until then.
// DT_HASH is always there, and readers that find no DT_GNU_HASH go by it (gABI, "Hash Table"). A table that is full is made anew with
// room for half as much again, and one of more than 64 KiB for three times as much: that is holes in the file, without memory.
//
// The file keeps its name while the object is open, since that is how perf and uprobes find it. It is removed by Close; the
// files of processes that ended without that are removed when the next one uses the folder ([Sweep]). An object holds one
// file descriptor.
//
// # C
//
// A program that imports this package offers native code that weld loads the functions of include/weld/dlbind.h, dlcreate and
// its kin; weld run does. An object that native code makes is in the namespace of the code that has asked, and lives until
// dldelete or the end of the process.
//
// # Fork
//
// A child that native code forks has the memory of the objects as it was, in copies that fork makes: its calls, lookups and
// unwinding go on whatever the parent does. It cannot change the objects, whose methods return ErrForked there, and can make others. All
// this is so for the C library's fork, not for _Fork and clone, whose children see what the parent writes to the text.
//
// # Concurrency
//
// Unwinders (those of libgcc and of debuggers too) read the tables in memory without a lock. What a commit replaces stays for at least
// a quarter of a second, and for 10 s if it comes to less than 2 MiB. A thread that is held up for longer in the middle of
// a look at the tables, while large commits go on, reads something else. What does not stay is the description of a frame that is made
// anew: of a function that is bound as a larger one, or otherwise described, nothing is found by who had come to the old one. Lookups by weld (dlsym, dladdr, Lookup) are not concerned.
//
// All methods may be called from several goroutines. Lookup, LookupVersion, FindAddr and Symbols take no lock, and may be called
// while others commit. A commit, and what opens and closes libraries, wait for each other; so a Commit, New or Close must not be
// made where a lock is held that a library's initialiser or finaliser may want.
package live
