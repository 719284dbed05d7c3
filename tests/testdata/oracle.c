/* The system's own dynamic linker, asked for what it does with one file.
 *
 *	oracle now|lazy PATH <requests 3>answers
 *
 * The first answer is "ok BASE" or "no MESSAGE". Then each line of standard
 * input, NAME or NAME<tab>VERSION, is answered with "ADDR OWNERBASE OWNER" (the
 * object that the address lies in; "0 -" if in none) or "- MESSAGE". After the last
 * one the handle is closed, "closed" is answered, and at the end "loaded" or
 * "unloaded" by what RTLD_NOLOAD says then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char buffer[1 << 16];
static size_t used;

static void flush(void)
{
	size_t done = 0;
	while (done < used) {
		ssize_t n = write(3, buffer + done, used - done);
		if (n <= 0)
			_exit(99);
		done += n;
	}
	used = 0;
}

/* Not stdio: a library's constructor may close or redirect what it likes. */
static void answer(const char *format, ...)
{
	va_list args;
	if (sizeof buffer - used < 8192)
		flush();
	va_start(args, format);
	int n = vsnprintf(buffer + used, 8192, format, args);
	va_end(args);
	used += n < 8192 ? n : 8191;
}

/* Where the loaded objects lie: dladdr would read a whole symbol table each time. */
static struct {
	ElfW(Addr) start, size, base;
	const char *name;
} segment[1 << 14];
static size_t segments;

static int note(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size, (void)data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || segments == sizeof segment / sizeof *segment)
			continue;
		segment[segments].start = info->dlpi_addr + p->p_vaddr;
		segment[segments].size = p->p_memsz;
		segment[segments].base = info->dlpi_addr;
		segment[segments++].name = info->dlpi_name;
	}
	return 0;
}

static void lookup(void *handle, char *line)
{
	char *version = strchr(line, '\t');
	void *addr;
	dlerror();
	if (version) {
		*version++ = 0;
		addr = dlvsym(handle, line, version);
	} else {
		addr = dlsym(handle, line);
	}
	const char *message = dlerror();
	if (message) {
		answer("- %s\n", message);
		return;
	}
	for (size_t i = 0; i < segments; i++) {
		if ((ElfW(Addr))addr - segment[i].start < segment[i].size) {
			answer("%lx %lx %s\n", (unsigned long)addr, (unsigned long)segment[i].base, segment[i].name);
			return;
		}
	}
	answer("%lx 0 -\n", (unsigned long)addr);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 98;
	size_t size = 0;
	char *line = 0;
	ssize_t n;
	int mode = strcmp(argv[1], "lazy") ? RTLD_NOW : RTLD_LAZY;

	/* Requests first: a constructor may read standard input. */
	char **requests = 0;
	size_t count = 0, room = 0;
	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		if (count == room) {
			room = room ? 2 * room : 1024;
			requests = realloc(requests, room * sizeof *requests);
			if (!requests)
				return 97;
		}
		requests[count++] = strdup(line);
	}

	void *handle = dlopen(argv[2], mode);
	if (!handle) {
		answer("no %s\n", dlerror());
		flush();
		_exit(0);
	}
	struct link_map *map;
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map))
		return 96;
	answer("ok %lx\n", (unsigned long)map->l_addr);
	flush();
	dl_iterate_phdr(note, 0);
	for (size_t i = 0; i < count; i++)
		lookup(handle, requests[i]);
	flush();
	dlclose(handle);
	answer("closed\n");
	flush();
	answer(dlopen(argv[2], RTLD_NOLOAD | RTLD_LAZY) ? "loaded\n" : "unloaded\n");
	flush();
	_exit(0);
}
