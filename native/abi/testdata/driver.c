/* The C side of the differential tests. functions.c is generated: numbered
 * functions that dump their arguments and make their result of given bytes.
 * Standard input is a sequence of requests, each of 64-bit words and blobs (a
 * length and that many bytes); the answers go to standard output.
 *
 *   call      0, function, frame, sret size, strings (a count, then slot and
 *             blob of each), blob of result bytes
 *             -> blob of dumped arguments, rax rdx, xmm0 xmm1, whether rax is
 *             the sret address, blob of the sret memory
 *   callback  1, function, frame, sret size, blob of the sret memory, memory
 *             words to record, slots of strings (a count and the slots), blob
 *             of argument bytes
 *             -> blob of the dumped result, 6 integer and 8 vector registers,
 *             the memory words, a blob for each string
 *
 * A frame is 6 integer registers, 8 vector registers, the value of al, the
 * number n of memory words, rax rdx, xmm0 xmm1, and n memory words. A slot is
 * an integer register, or a memory word plus 1000.
 */
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct frame {
	uint64_t ints[6], floats[8], nfloat, nstack, *stack, ret[2], fret[2];
	void *sret;
};

_Static_assert(offsetof(struct frame, ints) == OFF_INT, "Int");
_Static_assert(offsetof(struct frame, floats) == OFF_FLOAT, "Float");
_Static_assert(offsetof(struct frame, nfloat) == OFF_NFLOAT, "NFloat");
_Static_assert(offsetof(struct frame, nstack) == OFF_NSTACK, "NStack");
_Static_assert(offsetof(struct frame, stack) == OFF_STACK, "Stack");
_Static_assert(offsetof(struct frame, ret) == OFF_RET, "Ret");
_Static_assert(offsetof(struct frame, fret) == OFF_FRET, "FRet");
_Static_assert(offsetof(struct frame, sret) == OFF_SRET, "SRet");

static unsigned char *in, *in_end;    /* bytes for G */
static unsigned char out[1 << 16];    /* bytes from D */
static size_t nout;

static void die(const char *why)
{
	fprintf(stderr, "driver: %s\n", why);
	exit(1);
}

static void put(const void *p, size_t n)
{
	if (nout + n > sizeof out)
		die("dump too long");
	memcpy(out + nout, p, n);
	nout += n;
}

static void get(void *p, size_t n)
{
	if ((size_t)(in_end - in) < n)
		die("too few bytes");
	memcpy(p, in, n);
	in += n;
}

static void put_string(const char *s)
{
	uint32_t n = strlen(s);
	put(&n, sizeof n);
	put(s, n);
}

static const char *get_string(void)
{
	uint32_t n;
	get(&n, sizeof n);
	char *s = malloc(n + 1);
	get(s, n);
	s[n] = 0;
	return s;
}

#define D(x) put(&(x), sizeof(x))
#define G(x) get(&(x), sizeof(x))
#define D_STRING(x) put_string(x)
#define G_STRING(x) ((x) = get_string())
#define JUNK(x) memset(&(x), 0xdb, sizeof(x))

void call_with_frame(void (*fn)(void), struct frame *f);
void callback_entry(void);
static void *volatile callback = callback_entry; /* of any type */

#include "functions.c"

__asm__(
	".text\n"
	".globl call_with_frame\n"
	"call_with_frame:\n"
	"	push %rbp\n	mov %rsp, %rbp\n	push %rbx\n	push %r12\n"
	"	mov %rsi, %rbx\n	mov %rdi, %r11\n"
	"	mov 120(%rbx), %rcx\n"
	"	lea 15(,%rcx,8), %rax\n	and $-16, %rax\n	sub %rax, %rsp\n"
	"	mov 128(%rbx), %rsi\n	mov %rsp, %rdi\n	rep movsq\n"
	"	mov (%rbx), %rdi\n	mov 8(%rbx), %rsi\n	mov 16(%rbx), %rdx\n"
	"	mov 24(%rbx), %rcx\n	mov 32(%rbx), %r8\n	mov 40(%rbx), %r9\n"
	"	movsd 48(%rbx), %xmm0\n	movsd 56(%rbx), %xmm1\n"
	"	movsd 64(%rbx), %xmm2\n	movsd 72(%rbx), %xmm3\n"
	"	movsd 80(%rbx), %xmm4\n	movsd 88(%rbx), %xmm5\n"
	"	movsd 96(%rbx), %xmm6\n	movsd 104(%rbx), %xmm7\n"
	"	mov 112(%rbx), %rax\n"
	"	call *%r11\n"
	"	mov %rax, 136(%rbx)\n	mov %rdx, 144(%rbx)\n"
	"	movsd %xmm0, 152(%rbx)\n	movsd %xmm1, 160(%rbx)\n"
	"	lea -16(%rbp), %rsp\n	pop %r12\n	pop %rbx\n	pop %rbp\n	ret\n"

	".globl callback_entry\n"
	"callback_entry:\n"
	"	lea seen(%rip), %r11\n"
	"	mov %rdi, (%r11)\n	mov %rsi, 8(%r11)\n	mov %rdx, 16(%r11)\n"
	"	mov %rcx, 24(%r11)\n	mov %r8, 32(%r11)\n	mov %r9, 40(%r11)\n"
	"	movsd %xmm0, 48(%r11)\n	movsd %xmm1, 56(%r11)\n"
	"	movsd %xmm2, 64(%r11)\n	movsd %xmm3, 72(%r11)\n"
	"	movsd %xmm4, 80(%r11)\n	movsd %xmm5, 88(%r11)\n"
	"	movsd %xmm6, 96(%r11)\n	movsd %xmm7, 104(%r11)\n"
	"	lea 8(%rsp), %rax\n	mov %rax, 128(%r11)\n"
	"	sub $8, %rsp\n	call callback_seen\n	add $8, %rsp\n"
	"	lea answer(%rip), %r11\n"
	"	mov 136(%r11), %rax\n	mov 144(%r11), %rdx\n"
	"	movsd 152(%r11), %xmm0\n	movsd 160(%r11), %xmm1\n"
	"	ret\n");

__attribute__((used)) struct frame seen, answer;
static uint64_t seen_stack[1024], seen_words;
static unsigned char *answer_sret;
static uint64_t answer_size;
static uint64_t nstrings, strings[64];

static void write_blob(const void *p, uint64_t n)
{
	fwrite(&n, 8, 1, stdout);
	fwrite(p, 1, n, stdout);
}

static uint64_t *slot(struct frame *f, uint64_t n)
{
	return n < 1000 ? &f->ints[n] : &f->stack[n - 1000];
}

static unsigned char seen_strings[1 << 14];
static size_t nseen_strings;

__attribute__((used)) void callback_seen(void)
{
	memcpy(seen_stack, seen.stack, 8 * seen_words);
	nseen_strings = 0;
	for (uint64_t i = 0; i < nstrings; i++) {
		const char *s = (const char *)*slot(&seen, strings[i]);
		uint64_t n = strlen(s);
		if (nseen_strings + 8 + n > sizeof seen_strings)
			die("strings too long");
		memcpy(seen_strings + nseen_strings, &n, 8);
		memcpy(seen_strings + nseen_strings + 8, s, n);
		nseen_strings += 8 + n;
	}
	if (answer_size) {
		memcpy((void *)seen.ints[0], answer_sret, answer_size);
		answer.ret[0] = seen.ints[0];
	}
}

static uint64_t read_word(void)
{
	uint64_t w;
	if (fread(&w, 8, 1, stdin) != 1)
		die("request ends early");
	return w;
}

static void read_words(uint64_t *p, size_t n)
{
	while (n--)
		*p++ = read_word();
}

static unsigned char *read_blob(uint64_t *n)
{
	*n = read_word();
	unsigned char *p = malloc(*n + 1);
	if (*n && fread(p, 1, *n, stdin) != *n)
		die("request ends early");
	p[*n] = 0;
	return p;
}

static void read_frame(struct frame *f)
{
	read_words(f->ints, 6);
	read_words(f->floats, 8);
	f->nfloat = read_word();
	f->nstack = read_word();
	read_words(f->ret, 2);
	read_words(f->fret, 2);
	f->stack = calloc(f->nstack + 1, 8);
	read_words(f->stack, f->nstack);
}

static void read_input(void)
{
	uint64_t n;
	in = read_blob(&n);
	in_end = in + n;
	nout = 0;
}

static void do_call(uint64_t fn)
{
	struct frame f;
	read_frame(&f);
	uint64_t size = read_word(), n;
	unsigned char *sret = malloc(size + 1);
	if (size)
		f.ints[0] = (uint64_t)sret;
	for (uint64_t i = read_word(); i > 0; i--) {
		uint64_t *s = slot(&f, read_word());
		*s = (uint64_t)read_blob(&n);
	}
	read_input();
	call_with_frame(functions[fn], &f);
	write_blob(out, nout);
	fwrite(f.ret, 8, 2, stdout);
	fwrite(f.fret, 8, 2, stdout);
	uint64_t same = size && f.ret[0] == (uint64_t)sret;
	fwrite(&same, 8, 1, stdout);
	write_blob(sret, size);
}

static void do_callback(uint64_t fn)
{
	uint64_t n;
	read_frame(&answer);
	answer_size = read_word();
	answer_sret = read_blob(&n);
	seen_words = read_word();
	nstrings = read_word();
	if (nstrings > 64 || seen_words > 1024)
		die("request too large");
	read_words(strings, nstrings);
	read_input();
	functions[fn]();
	write_blob(out, nout);
	fwrite(seen.ints, 8, 6, stdout);
	fwrite(seen.floats, 8, 8, stdout);
	fwrite(seen_stack, 8, seen_words, stdout);
	fwrite(seen_strings, 1, nseen_strings, stdout);
}

int main(void)
{
	for (;;) {
		uint64_t what;
		if (fread(&what, 8, 1, stdin) != 1)
			return 0;
		uint64_t fn = read_word();
		if (what == 0)
			do_call(fn);
		else
			do_callback(fn);
	}
}
