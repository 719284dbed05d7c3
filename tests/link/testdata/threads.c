// Threads, a key with a destructor, once.
// link: pie -lpthread | static -lpthread | no-pie
#include <pthread.h>
#include <stdio.h>
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ended;
static void end(void *p) { __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST); }
static void make(void) { pthread_key_create(&key, end); }
static void *run(void *p) { pthread_once(&once, make); pthread_setspecific(key, &key); return p; }
int main(void) {
	pthread_t t[4];
	for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, run, 0);
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	printf("%d\n", ended);
	return 0;
}
