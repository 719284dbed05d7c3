// A library whose initialiser sleeps: for a time, or until there is a file. It makes one itself first.
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void) {
#ifdef UNTIL
	close(open("asleep", O_CREAT | O_WRONLY, 0600));
	while (access(UNTIL, F_OK))
		usleep(1000);
#else
	usleep(MICROSECONDS);
#endif
}
