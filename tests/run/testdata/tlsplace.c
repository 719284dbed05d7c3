// Where the program's thread-local storage lies, and what the run-time linker tells of it before it is used.
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static _Thread_local long a[3] = {1, 2, 3};

static int tell(struct dl_phdr_info *info, size_t size, void *data) {
	(void)size, (void)data;
	char *fs;
	__asm__("mov %%fs:0, %0" : "=r"(fs));
	if (info->dlpi_name[0] == '\0')
		printf("%ld below, %s\n", (long)(fs - (char *)info->dlpi_tls_data), (char *)info->dlpi_tls_data == (char *)a ? "there" : "elsewhere");
	return info->dlpi_name[0] == '\0';
}

static void *thread(void *arg) {
	dl_iterate_phdr(tell, NULL);
	return arg;
}

int main(void) {
	dl_iterate_phdr(tell, NULL);
	pthread_t id;
	pthread_create(&id, NULL, thread, NULL);
	pthread_join(id, NULL);
	return 0;
}
