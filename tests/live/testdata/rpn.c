/* A compiler of functions of one number, written in postfix, for x86-64: as a program, and as a library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weld/dlbind.h"

static void *jit;

static int fail(const char *what)
{
	const char *why = dlerror();
	printf("%s: %s\n", what, why ? why : "no reason");
	fflush(stdout);
	return 1;
}

typedef long function(long);

/* The name of the function that each frame is in. */
long frames(long n)
{
	void *pc[16];
	int count = backtrace(pc, 16);
	printf("frames:");
	for (int i = 0; i < count; i++) {
		Dl_info info;
		/* What a call returns to may be behind its function. */
		if (!dladdr((char *)pc[i] - (i > 0), &info) || !info.dli_sname)
			break;
		printf(" %s", info.dli_sname);
		if (!strcmp(info.dli_sname, "rpn_main"))
			break;
	}
	printf("\n");
	return n;
}

struct code {
	unsigned char *at;
	size_t n;
	struct dlline line[64];
	size_t lines;
};

static void emit(struct code *c, const char *bytes, size_t n)
{
	if (c->at)
		memcpy(c->at + c->n, bytes, n);
	c->n += n;
}
#define EMIT(c, s) emit(c, s, sizeof s - 1)

static void emit_word(struct code *c, void *p)
{
	emit(c, (char *)&p, sizeof p);
}

/* translate makes code of words; where at is NULL it counts only. */
static int translate(struct code *c, const char *text)
{
	char copy[256], *save, *w;
	int line = 1;

	snprintf(copy, sizeof copy, "%s", text);
	c->n = 0;
	c->lines = 1;
	c->line[0] = (struct dlline){0, "f.rpn", 1, 0}; /* debuggers stop behind the prologue, at the second entry */
	EMIT(c, "\x55\x48\x89\xe5\x57"); /* push %rbp; mov %rsp,%rbp; push %rdi */
	for (w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save), line++) {
		c->line[c->lines++] = (struct dlline){c->n, NULL, line, 0};
		if (!strcmp(w, "n")) {
			EMIT(c, "\xff\x75\xf8"); /* push -8(%rbp) */
		} else if (strchr("+-*", *w) && !w[1]) {
			EMIT(c, "\x59\x58"); /* pop %rcx; pop %rax */
			if (*w == '+')
				EMIT(c, "\x48\x01\xc8");
			else if (*w == '-')
				EMIT(c, "\x48\x29\xc8");
			else
				EMIT(c, "\x48\x0f\xaf\xc1");
			EMIT(c, "\x50"); /* push %rax */
		} else if (*w >= '0' && *w <= '9') {
			int v = atoi(w);
			EMIT(c, "\x68"); /* push $v */
			emit(c, (char *)&v, 4);
		} else {
			void *f = dlsym(jit, w);
			if (!f && !(f = dlsym(RTLD_DEFAULT, w)))
				return fail(w);
			/* pop %rdi; mov %rsp,%rax; and $-16,%rsp; push %rax; push %rax; movabs $f,%rax; call *%rax;
			   pop %rcx; mov %rcx,%rsp; push %rax */
			EMIT(c, "\x5f\x48\x89\xe0\x48\x83\xe4\xf0\x50\x50\x48\xb8");
			emit_word(c, f);
			EMIT(c, "\xff\xd0\x59\x48\x89\xcc\x50");
		}
	}
	EMIT(c, "\x58\xc9\xc3"); /* pop %rax; leave; ret */
	return 0;
}

/* compile binds a name to the code for a text. */
static function *compile(const char *name, const char *text)
{
	struct code c = {0};
	struct dlbind_info info = {sizeof info, NULL, c.line, 0, DL_FRAME_AUTO, NULL, 0};
	void *at, *run;

	if (translate(&c, text))
		return NULL;
	if (!(run = dlalloc(jit, c.n, SHF_EXECINSTR)) || !(at = dlalias(jit, run)))
		return fail("alloc"), NULL;
	c.at = at;
	translate(&c, text);
	info.line_count = c.lines;
	if (dlbindx(jit, name, run, c.n, STT_FUNC | DL_REPLACE, &info) != jit)
		return fail("bind"), NULL;
	if (dlcommit(jit))
		return fail("commit"), NULL;
	return (function *)run;
}

static int calculate(void)
{
	function *f, *g;
	Dl_info info;
	struct link_map *map;
	Elf64_Sym *sym;
	int *count;
	const int one = 1;

	if (!(jit = dlcreate("rpn")))
		return fail("dlcreate");
	if (!(f = compile("square", "n n *")))
		return 1;
	printf("square(7) = %ld\n", f(7));
	if (!(g = compile("sum", "n square n 1 + square + frames")))
		return 1;
	printf("sum(3) = %ld\n", g(3));
	printf("found: %d %d %d\n", dlsym(jit, "square") == (void *)f, dlsym(RTLD_DEFAULT, "sum") == (void *)g, dlsym(jit, "never") != NULL);
	if (dladdr1((char *)f + 3, &info, (void **)&sym, RTLD_DL_SYMENT) && dladdr1((char *)f + 3, &info, (void **)&map, RTLD_DL_LINKMAP))
		printf("dladdr: %s %d %lu %d\n", info.dli_sname, info.dli_saddr == (void *)f, (unsigned long)sym->st_size, map == jit);
	if (dlinfo(jit, RTLD_DI_LINKMAP, &map) == 0)
		printf("dlinfo: %d %d\n", map == jit, strstr(map->l_name, "rpn") != NULL);
	if (!(count = dlalloc(jit, sizeof *count, SHF_WRITE | DL_ALIGN(64))) || dlwrite(jit, count, &one, sizeof one) ||
	    !dlbind(jit, "count", count, sizeof *count, STT_OBJECT) || dlreload(jit) != jit)
		return fail("count");
	*count += 41;
	printf("count: %d %d\n", *(int *)dlsym(jit, "count"), (int)((size_t)count % 64));
	if (!compile("square", "n n * 1 +"))
		return 1;
	printf("replaced: %ld %ld\n", ((function *)dlsym(jit, "square"))(7), f(7));
	if (dlunbind(jit, "sum") || dlfree(jit, (void *)g) || dlcommit(jit))
		return fail("unbind");
	printf("unbound: %d\n", dlsym(jit, "sum") != NULL);
	dlerror();
	if (dldelete(jit))
		return fail("dldelete");
	printf("deleted: %d\n", dladdr((void *)f, &info));
	return 0;
}

/* Every one of these must fail, tell why, and change nothing. */
static int misuse(void)
{
	struct dlbind_info info = {0};
	struct dlcreate_options options = {0};
	char *code;
	void *again;
#define WRONG(call)                                                                                     \
	do {                                                                                            \
		dlerror();                                                                              \
		if (call)                                                                               \
			printf("%s succeeds\n", #call);                                                 \
		else                                                                                    \
			fail(#call);                                                                    \
	} while (0)
	if (!(jit = dlcreate(NULL)) || !(code = dlalloc(jit, 64, SHF_EXECINSTR)))
		return fail("dlcreate");
	WRONG(dlbind(NULL, "f", code, 1, STT_FUNC));
	WRONG(dlbind(dlopen(NULL, RTLD_NOW), "f", code, 1, STT_FUNC));
	WRONG(!dlcommit(&again));
	WRONG(!dldelete(NULL));
	WRONG(dlcreate(""));
	WRONG(dlcreatex("x", &options));
	options.struct_size = sizeof options;
	options.text = (size_t)-1;
	WRONG(dlcreatex("x", &options));
	options.text = 0;
	options.folder = "/dev/null";
	WRONG(dlcreatex("x", &options));
	WRONG(dlalloc(jit, 0, SHF_EXECINSTR));
	WRONG(dlalloc(jit, (size_t)-1, SHF_EXECINSTR));
	WRONG(dlalloc(jit, (size_t)1 << 30, SHF_EXECINSTR));
	WRONG(dlalloc(jit, 8, SHF_EXECINSTR | SHF_WRITE));
	WRONG(dlalloc(jit, 8, DL_ALIGN(3)));
	WRONG(!dlwrite(jit, code, "", 65));
	WRONG(!dlwrite(jit, code + 60, "", (size_t)-1));
	WRONG(!dlwrite(jit, code, NULL, 8));
	WRONG(!dlwrite(jit, &again, "", 1));
	WRONG(dlalias(jit, code + 64));
	WRONG(dlbind(jit, NULL, code, 1, STT_FUNC));
	WRONG(dlbind(jit, "f", NULL, 1, STT_FUNC));
	WRONG(dlbind(jit, "f", code, 65, STT_FUNC));
	WRONG(dlbind(jit, "f", code + 60, (size_t)-1, STT_FUNC));
	WRONG(dlbind(jit, "f", code, 1, STT_TLS));
	WRONG(dlbind(jit, "f", code, 1, 0x10000));
	WRONG(dlbind(jit, "f", code, 1, STT_FUNC | DL_OLD_VERSION));
	WRONG(dlbindx(jit, "f", code, 1, STT_FUNC, &info));
	info.struct_size = sizeof info;
	info.line_count = (size_t)-1;
	WRONG(dlbindx(jit, "f", code, 1, STT_FUNC, &info));
	info.line_count = 0;
	info.frame = (enum dlframe)9;
	WRONG(dlbindx(jit, "f", code, 1, STT_FUNC, &info));
	if (!dlbind(jit, "f", code, 0, STT_FUNC))
		return fail("dlbind");
	WRONG(dlbind(jit, "f", code, 0, STT_FUNC));
	WRONG(!dlunbind(jit, "g"));
	WRONG(!dlunbind(jit, NULL));
	WRONG(!dlfree(jit, code + 1));
	if (dlcommit(jit) || dlfree(jit, code))
		return fail("dlfree");
	WRONG(!dlfree(jit, code));
	WRONG(dlbind(jit, "f", code, 1, STT_FUNC));
	WRONG(!dlwrite(jit, code, "", 1));
	again = dlopen("libc.so.6", RTLD_NOW);
	WRONG(!dlclose(jit));
	WRONG(!dldelete(again));
	if (dldelete(jit))
		return fail("dldelete");
	WRONG(!dldelete(jit));
	/* Whoever truncates the file spoils the object, not the process. */
	if (!(jit = dlcreate("short")) || !(code = dlalloc(jit, 64, 0)) || dlcommit(jit) || truncate(((struct link_map *)jit)->l_name, 0))
		return fail("truncate");
	WRONG(!dlwrite(jit, code, "", 1));
	WRONG(!dlcommit(jit));
	WRONG(!dlfree_now(jit, code) && !dlcommit(jit));
	return dldelete(jit) ? fail("dldelete") : 0;
}

enum { THREADS = 6, ROUNDS = 150 };

/* Each thread makes functions of its own in the one object, frees some, and looks at all. */
static void *work(void *number)
{
	long id = (long)(size_t)number;
	char name[32];
	void *last = NULL;

	for (long i = 0; i < ROUNDS; i++) {
		long want = id << 16 | i;
		unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xb8, 0, 0, 0, 0, 0x5d, 0xc3};
		int v = (int)want;
		void *at;
		Dl_info info;

		memcpy(code + 5, &v, 4);
		snprintf(name, sizeof name, "f_%ld_%ld", id, i);
		if (!(at = dlalloc(jit, sizeof code, SHF_EXECINSTR)) || dlwrite(jit, at, code, sizeof code) ||
		    !dlbind(jit, name, at, sizeof code, STT_FUNC) || dlcommit(jit))
			return (void *)(size_t)fail(name);
		if (dlsym(jit, name) != at || ((int (*)(void))at)() != v)
			return (void *)(size_t)fail("not what was made");
		if (!dladdr((char *)at + 4, &info) || strcmp(info.dli_sname, name))
			return (void *)(size_t)fail("dladdr");
		if (dlbind(jit, name, at, sizeof code, STT_FUNC))
			return (void *)(size_t)fail("bound twice");
		if (i % 3 == 1 && dlfree(jit, last))
			return (void *)(size_t)fail("dlfree");
		if (i % 3 == 2 && (dlunbind(jit, name) || dlfree_now(jit, at)))
			return (void *)(size_t)fail("dlfree_now");
		last = at;
	}
	return NULL;
}

static int threads(void)
{
	pthread_t t[THREADS];
	char name[32];
	int bad = 0, left = 0;

	if (!(jit = dlcreate("many")))
		return fail("dlcreate");
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, work, (void *)(size_t)i))
			return fail("pthread_create");
	for (int i = 0; i < THREADS; i++) {
		void *r;
		pthread_join(t[i], &r);
		bad += r != NULL;
	}
	if (dlcommit(jit))
		return fail("dlcommit");
	for (long id = 0; id < THREADS; id++)
		for (long i = 0; i < ROUNDS; i++) {
			snprintf(name, sizeof name, "f_%ld_%ld", id, i);
			left += dlsym(jit, name) != NULL;
		}
	dlerror();
	printf("bad %d, left %d\n", bad, left);
	return dldelete(jit) ? fail("dldelete") : 0;
}

int rpn_main(const char *what)
{
	int r = !strcmp(what, "calculate") ? calculate() : !strcmp(what, "misuse") ? misuse() : threads();
	fflush(stdout);
	return r;
}

int main(int argc, char **argv)
{
	return rpn_main(argc > 1 ? argv[1] : "calculate");
}
