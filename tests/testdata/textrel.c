/* Compiled with -fno-pic -mcmodel=large: addresses stand in the code and in
 * constants as text relocations. */
int shared = 40;
static int hidden = 2;
int near(void);

__attribute__((noinline)) int own(void) { return shared + hidden; }
int call_own(void) { return own() + 1; }
int call_near(void) { return near() + 1; }

/* In .rodata. */
#define P4 &hidden, &shared, &hidden, 0,
#define P16 P4 P4 P4 P4
#define P64 P16 P16 P16 P16
#define P256 P64 P64 P64 P64
#define P1024 P256 P256 P256 P256
int *const constants[] = {P1024 P1024 P1024 P1024 P1024 P1024 &hidden};
long sum(void)
{
	long n = 0;
	for (unsigned i = 0; i < sizeof constants / sizeof *constants; i++)
		if (constants[i])
			n += *constants[i];
	return n;
}

/* In the text, and so many of them that weld takes a second thread. */
__asm__(".data\n"
	"cell:	.quad	3\n"
	".text\n"
	".globl	many\n"
	".type	many, @function\n"
	"many:	xorl	%ecx, %ecx\n"
	".rept	5000\n"
	"	movabsq	$cell, %rax\n"
	"	addq	(%rax), %rcx\n"
	".endr\n"
	"	movq	%rcx, %rax\n"
	"	ret\n"
	".size	many, . - many\n"
	".section .rodata\n"
	".balign	8\n"
	".globl	cells\n"
	".type	cells, @object\n"
	"cells:	.rept	70000\n"
	"	.quad	cell\n"
	".endr\n"
	".text\n");
extern long *const cells[70000];
long all(void)
{
	long n = 0;
	for (int i = 0; i < 70000; i++)
		n += *cells[i];
	return n;
}
