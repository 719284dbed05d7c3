/* What weld_test.go opens: functions, a variable, versions, a destructor that a Go callback hears of. */

int box_answer = 42;

int box_add(int a, int b) { return a + b; }

int twice1(int a) { return 2 * a; }
int twice2(int a) { return 200 * a; }
__asm__(".symver twice1, box_twice@BOX_1");
__asm__(".symver twice2, box_twice@@BOX_2");

static void (*on_unload)(void);
void box_on_unload(void (*f)(void)) { on_unload = f; }
__attribute__((destructor)) static void unload(void) {
	if (on_unload)
		on_unload();
}

int box_call(int (*f)(int), int a) { return f(a); }
