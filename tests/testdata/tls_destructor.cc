// Thread-local objects with destructors, in threads and at exit.
#include <pthread.h>
#include "say.h"
struct Object {
	const char *name;
	int value = 3;
	Object(const char *n) : name(n) { say("  %s made\n", name); }
	~Object() { say("  %s unmade, value %d\n", name, value); }
};
thread_local Object one("one");
thread_local Object two("two");
static void *run(void *)
{
	two.value += 1;
	one.value += 2;
	return 0;
}
extern "C" int threads(long n)
{
	for (long i = 0; i < n; i++) {
		pthread_t t;
		if (pthread_create(&t, 0, run, 0) || pthread_join(t, 0))
			return -1;
	}
	return 0;
}
extern "C" int touch() { return one.value + two.value; }
