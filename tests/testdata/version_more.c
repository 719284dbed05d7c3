/* What version.c defines only with -DNEW. The call of libc gives the library a
 * table of versions, though it defines none itself. */
#include <unistd.h>
int only_new(void) { return getpid() > 0 ? 20 : 0; }
