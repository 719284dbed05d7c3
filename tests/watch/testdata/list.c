// A static program without a C library that has a list of its own. Each byte on standard input makes a change, which is
// told by r_brk and, with -DPROBES, by probes of provider rtld; but q makes 1,000 that come to nothing, as opens that fail do.
// -DDAMAGE=... damages the list first.
struct link_map {
	unsigned long l_addr;
	const char *l_name;
	void *l_ld;
	struct link_map *l_next, *l_prev;
};

struct r_debug {
	int r_version;
	struct link_map *r_map;
	unsigned long r_brk;
	int r_state;
	unsigned long r_ldbase;
	struct r_debug *r_next;
};

extern struct r_debug _r_debug;
struct r_debug _r_debug;
static struct link_map maps[4];
static char endless[1 << 16];

__attribute__((noinline)) void _dl_debug_state(void) { __asm__ volatile("push %%rbp; pop %%rbp" ::: "memory"); }

#ifdef PROBES
#include "probe.h"
#else
#define PROBE(name)
#endif

static long call3(long n, long a, void *b, long c)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}

static void state(int s)
{
	*(volatile int *)&_r_debug.r_state = s;
	_dl_debug_state();
}

static void add(int i, const char *name)
{
	maps[i].l_name = name;
	maps[i].l_addr = 0x10000000ul * i;
	maps[i].l_prev = i ? &maps[i - 1] : 0;
	maps[i].l_next = 0;
	if (i)
		maps[i - 1].l_next = &maps[i];
	else
		_r_debug.r_map = maps;
}

static void damage(void)
{
#if DAMAGE == 1 // a cycle
	maps[1].l_next = &maps[0];
#elif DAMAGE == 2 // a pointer to nowhere
	maps[1].l_next = (void *)0x123456789000;
#elif DAMAGE == 3 // a name without an end
	for (unsigned i = 0; i < sizeof endless; i++)
		((volatile char *)endless)[i] = 'x';
	maps[1].l_name = endless;
#elif DAMAGE == 4 // not linked back
	maps[1].l_prev = &maps[3];
#elif DAMAGE == 5 // no address at all
	maps[1].l_name = (void *)0xdead000000000000;
#elif DAMAGE == 6
	_r_debug.r_version = 0x7fffffff;
#elif DAMAGE == 7
	_r_debug.r_version = 2;
	_r_debug.r_next = &_r_debug;
#elif DAMAGE == 8
	_r_debug.r_state = 99;
#endif
}

void run(void)
{
	char c;
	_r_debug.r_version = 1;
	_r_debug.r_brk = (unsigned long)_dl_debug_state;
	add(0, "");
	add(1, "/no/such/first");
	damage();
	call3(1, 1, "ready\n", 6);
	while (call3(0, 0, &c, 1) == 1) {
		if (c == 'q') {
			for (int i = 0; i < 1000; i++) {
				state(1);
				state(0);
				PROBE(map_failed);
			}
			call3(1, 1, "done\n", 5);
			continue;
		}
		PROBE(map_start);
		state(1);
		add(2, "/no/such/second");
		add(3, "/no/such/third");
		state(0);
		PROBE(map_complete);
		PROBE(reloc_start);
		for (volatile int i = 0; i < 1000000; i++)
			;
		PROBE(reloc_complete);
		PROBE(unmap_start);
		state(2);
		maps[1].l_next = 0;
		state(0);
		PROBE(unmap_complete);
		call3(1, 1, "done\n", 5);
	}
	call3(231, 0, 0, 0);
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\nand $-16, %rsp\ncall run\n");
