/*
 * dlbind.h - make code and data at run time that everybody knows
 *
 * SYNOPSIS
 *	#include "weld/dlbind.h"		(gcc -I/path/to/weld/include my-jit.c -o my-jit)
 *
 *	void *dlcreate(const char *name);
 *	void *dlcreatex(const char *name, const struct dlcreate_options *options);
 *	void *dlalloc(void *handle, size_t size, unsigned flags);
 *	int   dlwrite(void *handle, void *addr, const void *data, size_t size);
 *	void *dlalias(void *handle, void *addr);
 *	void *dlbind(void *handle, const char *name, void *addr, size_t size, unsigned type);
 *	void *dlbindx(void *handle, const char *name, void *addr, size_t size, unsigned type, const struct dlbind_info *info);
 *	int   dlunbind(void *handle, const char *name);
 *	int   dlrename(void *handle, const char *from, const char *to, unsigned flags);
 *	int   dlimport(void *handle, const char *name, unsigned flags, const char *version, struct dlimported *to);
 *	int   dlcommit(void *handle);
 *	void *dlreload(void *handle);
 *	int   dlsave(void *handle, const char *path);
 *	int   dlfree(void *handle, void *addr);
 *	int   dlfree_now(void *handle, void *addr);
 *	int   dlcheckpoint(void);
 *	int   dlquiesce(void *handle);
 *	int   dldelete(void *handle);
 *
 * DESCRIPTION
 *	For JIT compilers and other programs that make code while they run. The code is in a shared object that grows:
 *	dlsym, dladdr, backtrace, C++ exceptions, gdb, perf and uprobes know it as they know any library.
 *
 *	The functions are those of the run-time linker weld. They are there in a program that is run by "weld run", in a
 *	program whose interpreter weld is, and in libraries that a Go program which has package weld/live opens.
 *	Elsewhere they fail as dlsym does, and dlerror says "undefined symbol: dlcreate". No library is linked with.
 *	The functions below look up the real ones, of the same names, with dlsym when they are called first. With
 *	DLBIND_DIRECT defined there are declarations only: for shared libraries, in which they may stay undefined.
 *
 *	What fails returns NULL or -1 and changes nothing; dlerror tells why. All functions may be called by several
 *	threads. None may be called by a signal handler.
 *
 *	void *dlcreate(const char *name)
 *		Makes an empty object, whose soname is the name; NULL is "jit". The result is a handle for the functions here
 *		and for dlsym, dlvsym and dlinfo: the object's struct link_map *. All libraries and the program see its
 *		symbols (RTLD_GLOBAL). Its file is removed by dldelete and exit.
 *	void *dlcreatex(const char *name, const struct dlcreate_options *options)
 *		The same with options: see struct dlcreate_options. Set all that is not used to 0.
 *
 *	void *dlalloc(void *handle, size_t size, unsigned flags)
 *		Returns memory of the object. The flags are those of an ELF section: SHF_EXECINSTR is for code, SHF_WRITE for
 *		variables, 0 for constants; with DL_ZERO variables are not in the file. No memory is writable and
 *		executable. DL_ALIGN(n) is a power of two up to 4096, and 16 if nothing is said.
 *	int dlwrite(void *handle, void *addr, const void *data, size_t size)
 *		Copies data to allocated memory: the only way to code and constants but dlalias.
 *	void *dlalias(void *handle, void *addr)
 *		Returns where the memory at addr, and the rest of what dlalloc has returned, is written: of variables addr
 *		itself, of code and constants another address for the same memory. Write before the next dlcommit, whichever
 *		thread's that is, or before the first dlbind; after it, ask again. The alias must not be used after dlfree or
 *		dldelete, nor by a child of fork.
 *
 *	void *dlbind(void *handle, const char *name, void *addr, size_t size, unsigned type)
 *		Gives a name to size bytes at addr, which are within what one dlalloc has returned; size 0 is its rest. The type is STT_FUNC,
 *		STT_OBJECT or STT_NOTYPE, and of these flags: DL_REPLACE if the name may be bound already: all that is
 *		bound to it goes to the new address then, while others call; DL_WEAK, DL_HIDDEN, DL_PROTECTED.
 *		Returns the handle.
 *	void *dlbindx(..., const struct dlbind_info *info)
 *		The same with a version, lines of source, and how the frame is unwound: see struct dlbind_info. If nothing is
 *		said, frames are unwound by the frame pointer in functions that begin with push %rbp; mov %rsp,%rbp, and
 *		others as having no frame.
 *	int dlunbind(void *handle, const char *name)
 *		Takes the name away. The memory stays; who was bound to it stays bound.
 *	int dlrename(void *handle, const char *from, const char *to, unsigned flags)
 *		Gives what is bound to a name another one. With DL_REPLACE that may be bound already.
 *	int dlimport(void *handle, const char *name, unsigned flags, const char *version, struct dlimported *to)
 *		Makes a reference to a symbol that something else defines, looked up as for any library: to->plt is code that
 *		jumps to the function, to->slot the word with its address, or with that of the variable: from the next dlcommit on, which
 *		fails if nothing defines it. With DL_WEAK that is no failure, and the word is NULL. The version may be NULL. A file that
 *		dlsave writes has the reference too.
 *
 *	int dlcommit(void *handle)
 *		Publishes all that was done to the object since the last time, at once. Code must be committed before it runs,
 *		names before dlsym finds them. That is what costs, above all while a debugger watches: commit what belongs
 *		together in one go. If only the file has lost its name, which is said once, all is published although
 *		the result is -1.
 *	void *dlreload(void *handle)
 *		dlcommit for programs that were written for libdlbind. Returns the handle.
 *
 *	int dlsave(void *handle, const char *path)
 *		dlcommit, and writes the object to a file, which dlopen opens and tools read, in this process and others.
 *
 *	int dlfree(void *handle, void *addr)
 *		Gives back what dlalloc has returned, and takes away all names for it; dlcommit makes that known. The memory is
 *		used again when nobody can be in it any more (a grace period, see Block.Free in package live), or after
 *		dlquiesce.
 *	int dlfree_now(void *handle, void *addr)
 *		The same for what nobody is in or goes to: it is used again from the next dlcommit on.
 *	int dlcheckpoint(void)
 *		Lets it be seen that the thread is in no freed code. Whatever a thread asks for here, and dlsym and its like, does
 *		that too: it is for threads that run generated code for long and ask for nothing, of which one holds up
 *		all. So does an address of the freed code on the thread's stack, as in a local variable.
 *		Only the stack that a thread began with is looked through: do not free code that a coroutine (swapcontext) is
 *		suspended in.
 *	int dlquiesce(void *handle)
 *		Says that no thread is in what was freed before the last dlcommit, and none goes there.
 *	int dldelete(void *handle)
 *		Unmaps the object and removes its file. Nobody may be in it. It fails while libraries are bound to it, or it
 *		is open by dlopen. dlclose is not for this.
 *
 *	After fork the child has the object as it was, and calls its code; it cannot change it. It can make objects of its own.
 *
 * EXAMPLE
 *	void *jit = dlcreate("jit");
 *	void *code = dlalloc(jit, length, SHF_EXECINSTR);
 *	dlwrite(jit, code, bytes, length);
 *	dlbind(jit, "square", code, length, STT_FUNC);
 *	if (!jit || dlcommit(jit))
 *		errx(1, "%s", dlerror());
 *	int (*square)(int) = (int (*)(int))code;	// or dlsym(jit, "square")
 */
#ifndef WELD_DLBIND_H
#define WELD_DLBIND_H

#include <dlfcn.h>
#include <elf.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For dlalloc, beside SHF_EXECINSTR and SHF_WRITE. */
#define DL_ZERO 0x1000u
#define DL_ALIGN(n) ((unsigned)(n) << 16)

/* For dlbind, beside STT_FUNC and the like. */
#define DL_REPLACE 0x100u     /* the name may be bound already */
#define DL_WEAK 0x200u        /* STB_WEAK */
#define DL_HIDDEN 0x400u      /* STV_HIDDEN: for debuggers, not for dlsym and other objects */
#define DL_PROTECTED 0x800u   /* STV_PROTECTED */
#define DL_OLD_VERSION 0x1000u /* the version is not the default one of the name */

/* For struct dlcreate_options. */
#define DL_LOCAL 0x1u  /* libraries find the symbols with the handle only */
#define DL_MEMORY 0x2u /* no file: perf, and uprobes from other processes, do not find the code */

struct dlcreate_options {
	size_t struct_size; /* sizeof(struct dlcreate_options) */
	unsigned flags;
	const char *folder; /* where the file is; NULL is a private one */
	const void *nearby; /* an address that all is to be within 2 GiB of */
	size_t text, rodata, data, zero; /* bytes of address space for each; 0 is 128, 32, 16 and 32 MiB */
	size_t symbols;                  /* to have room for; 0 is 300,000 */
};

/* From an offset in the function on. They ascend; code before the first one has no line. */
struct dlline {
	size_t offset;
	const char *file; /* NULL is that of the entry before */
	unsigned line, column;
};

/* How callers are found from within a function. */
enum dlframe {
	DL_FRAME_AUTO,    /* by what the code begins with */
	DL_FRAME_POINTER, /* it begins with push %rbp; mov %rsp,%rbp */
	DL_FRAME_NONE,    /* it leaves %rsp alone: the return address is at 0(%rsp) */
	DL_FRAME_CFI      /* by call frame instructions, which follow DW_CFA_def_cfa %rsp 8, DW_CFA_offset %rip -8 */
};

struct dlbind_info {
	size_t struct_size; /* sizeof(struct dlbind_info) */
	const char *version; /* NULL is none */
	const struct dlline *lines;
	size_t line_count;
	enum dlframe frame;
	const void *cfi;
	size_t cfi_size;
};

/* What dlimport answers. */
struct dlimported {
	void **slot; /* the word of the GOT */
	void *plt;   /* for calls with a 32-bit displacement from within the object */
};

#ifdef DLBIND_DIRECT

void *dlcreate(const char *);
void *dlcreatex(const char *, const struct dlcreate_options *);
void *dlalloc(void *, size_t, unsigned);
int dlwrite(void *, void *, const void *, size_t);
void *dlalias(void *, void *);
void *dlbind(void *, const char *, void *, size_t, unsigned);
void *dlbindx(void *, const char *, void *, size_t, unsigned, const struct dlbind_info *);
int dlunbind(void *, const char *);
int dlrename(void *, const char *, const char *, unsigned);
int dlimport(void *, const char *, unsigned, const char *, struct dlimported *);
int dlcommit(void *);
void *dlreload(void *);
int dlsave(void *, const char *);
int dlfree(void *, void *);
int dlfree_now(void *, void *);
int dlcheckpoint(void);
int dlquiesce(void *);
int dldelete(void *);

#else

/* RTLD_DEFAULT is 0 wherever weld is, but not declared without _GNU_SOURCE. */
#define DLBIND_FUNCTION_(type, name, failed, params, args)                         \
	static inline __attribute__((unused)) type name params                     \
	{                                                                          \
		static void *found;                                                \
		type(*f) params;                                                   \
		void *p = __atomic_load_n(&found, __ATOMIC_RELAXED);               \
		if (!p) {                                                          \
			if (!(p = dlsym((void *)0, #name)))                        \
				return failed;                                     \
			__atomic_store_n(&found, p, __ATOMIC_RELAXED);             \
		}                                                                  \
		__builtin_memcpy(&f, &p, sizeof f);                                \
		return f args;                                                     \
	}

DLBIND_FUNCTION_(void *, dlcreate, NULL, (const char *name), (name))
DLBIND_FUNCTION_(void *, dlcreatex, NULL, (const char *name, const struct dlcreate_options *options), (name, options))
DLBIND_FUNCTION_(void *, dlalloc, NULL, (void *handle, size_t size, unsigned flags), (handle, size, flags))
DLBIND_FUNCTION_(int, dlwrite, -1, (void *handle, void *addr, const void *data, size_t size), (handle, addr, data, size))
DLBIND_FUNCTION_(void *, dlalias, NULL, (void *handle, void *addr), (handle, addr))
DLBIND_FUNCTION_(void *, dlbind, NULL, (void *handle, const char *name, void *addr, size_t size, unsigned type),
		 (handle, name, addr, size, type))
DLBIND_FUNCTION_(void *, dlbindx, NULL,
		 (void *handle, const char *name, void *addr, size_t size, unsigned type, const struct dlbind_info *info),
		 (handle, name, addr, size, type, info))
DLBIND_FUNCTION_(int, dlunbind, -1, (void *handle, const char *name), (handle, name))
DLBIND_FUNCTION_(int, dlrename, -1, (void *handle, const char *from, const char *to, unsigned flags), (handle, from, to, flags))
DLBIND_FUNCTION_(int, dlimport, -1,
		 (void *handle, const char *name, unsigned flags, const char *version, struct dlimported *to),
		 (handle, name, flags, version, to))
DLBIND_FUNCTION_(int, dlsave, -1, (void *handle, const char *path), (handle, path))
DLBIND_FUNCTION_(int, dlcommit, -1, (void *handle), (handle))
DLBIND_FUNCTION_(void *, dlreload, NULL, (void *handle), (handle))
DLBIND_FUNCTION_(int, dlfree, -1, (void *handle, void *addr), (handle, addr))
DLBIND_FUNCTION_(int, dlfree_now, -1, (void *handle, void *addr), (handle, addr))
DLBIND_FUNCTION_(int, dlcheckpoint, -1, (void), ())
DLBIND_FUNCTION_(int, dlquiesce, -1, (void *handle), (handle))
DLBIND_FUNCTION_(int, dldelete, -1, (void *handle), (handle))

#undef DLBIND_FUNCTION_
#endif

#ifdef __cplusplus
}
#endif
#endif
