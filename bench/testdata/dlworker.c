/* The worker for glibc's own loader: dlopen, dlsym, dlclose and lazy binding in an ordinary C program. It speaks the
   line protocol of package wire: requests "op TAB n TAB argument ..." on stdin, answers "ok TAB key=value ..." or
   "error TAB text" on stdout. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t nanoseconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int fail(const char *format, ...) {
  va_list ap;
  printf("error\t");
  va_start(ap, format);
  vprintf(format, ap);
  va_end(ap);
  putchar('\n');
  return 0;
}

/* Opens what the library under measure needs, so that only the library itself is measured. */
static int preload(char **names, int count) {
  for (int i = 0; i < count; i++)
    if (!dlopen(names[i], RTLD_NOW))
      return fail("%s", dlerror());
  return 1;
}

static int op_about(void) {
  printf("ok\tlibc=%s\n", gnu_get_libc_version());
  return 1;
}

static int op_find(char **args) {
  void *handle = dlopen(args[0], RTLD_LAZY);
  if (!handle)
    return fail("%s", dlerror());
  struct link_map *map;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map))
    return fail("%s", dlerror());
  printf("ok\tpath=%s\n", map->l_name);
  return 1;
}

static int op_open(char **args, int count) {
  if (!preload(args + 1, count - 1))
    return 0;
  int64_t cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  int64_t t0 = nanoseconds(CLOCK_MONOTONIC);
  void *handle = dlopen(args[0], RTLD_NOW);
  int64_t t1 = nanoseconds(CLOCK_MONOTONIC);
  cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  if (!handle)
    return fail("%s", dlerror());
  int64_t t2 = nanoseconds(CLOCK_MONOTONIC);
  dlclose(handle);
  int64_t t3 = nanoseconds(CLOCK_MONOTONIC);
  printf("ok\topen=%" PRId64 "\tclose=%" PRId64 "\tcpu=%" PRId64 "\n", t1 - t0, t3 - t2, cpu);
  return 1;
}

/* dlopen with RTLD_NOW and dlclose, which unloads the library, n times. */
static int op_open_close(long n, char **args, int count) {
  if (!preload(args + 1, count - 1))
    return 0;
  int64_t t0 = nanoseconds(CLOCK_MONOTONIC);
  for (long i = 0; i < n; i++) {
    void *handle = dlopen(args[0], RTLD_NOW);
    if (!handle || dlclose(handle))
      return fail("%s", dlerror());
  }
  int64_t t1 = nanoseconds(CLOCK_MONOTONIC);
  if (dlopen(args[0], RTLD_NOW | RTLD_NOLOAD))
    return fail("%s is still loaded after dlclose", args[0]);
  printf("ok\tns=%g\ttotal=%" PRId64 "\n", (double)(t1 - t0) / n, t1 - t0);
  return 1;
}

/* Bytes resident in this process, by page walk (the counters in status lag behind). */
static int64_t resident(void) {
  int64_t kib = -1;
  char line[256];
  FILE *f = fopen("/proc/self/smaps_rollup", "r");
  if (!f)
    return -1;
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "Rss: %" SCNd64 " kB", &kib) == 1)
      break;
  fclose(f);
  return kib < 0 ? -1 : kib * 1024;
}

static int op_resident(char **args, int count) {
  if (!preload(args + 1, count - 1))
    return 0;
  malloc_trim(0);
  resident();
  int64_t before = resident();
  if (before < 0)
    return fail("/proc/self/smaps_rollup: %s", strerror(errno));
  if (!dlopen(args[0], RTLD_NOW))
    return fail("%s", dlerror());
  malloc_trim(0);
  printf("ok\tresident=%" PRId64 "\n", resident() - before);
  return 1;
}

/* What dlopen has taken from malloc and keeps. */
static int op_tables(char **args, int count) {
  if (!preload(args + 1, count - 1))
    return 0;
  size_t before = mallinfo2().uordblks;
  if (!dlopen(args[0], RTLD_NOW))
    return fail("%s", dlerror());
  printf("ok\ttables=%zu\n", mallinfo2().uordblks - before);
  return 1;
}

static char **read_names(const char *path, size_t *count) {
  FILE *f = fopen(path, "r");
  char **names = NULL, *line = NULL;
  size_t size = 0;
  ssize_t length;
  *count = 0;
  if (!f)
    return NULL;
  while ((length = getline(&line, &size, f)) > 0) {
    if (line[length - 1] == '\n')
      line[length - 1] = 0;
    names = realloc(names, (*count + 1) * sizeof *names);
    names[(*count)++] = strdup(line);
  }
  free(line);
  fclose(f);
  return names;
}

static int op_lookup(long n, char **args) {
  size_t count;
  char **names = read_names(args[1], &count);
  if (!names)
    return fail("%s: %s", args[1], strerror(errno));
  void *handle = dlopen(args[0], RTLD_NOW);
  if (!handle)
    return fail("%s", dlerror());
  struct link_map *map;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map))
    return fail("%s", dlerror());
  uint64_t sum = 0;
  int64_t t0 = nanoseconds(CLOCK_MONOTONIC);
  for (size_t i = 0; i < count; i++) {
    void *p = dlsym(handle, names[i]);
    if (!p)
      return fail("%s", dlerror());
    sum += (uintptr_t)p - map->l_addr;
  }
  int64_t t1 = nanoseconds(CLOCK_MONOTONIC);
  uintptr_t all = 0;
  for (long round = 0; round < n; round++)
    for (size_t i = 0; i < count; i++)
      all |= (uintptr_t)dlsym(handle, names[i]);
  int64_t t2 = nanoseconds(CLOCK_MONOTONIC);
  if (!all)
    return fail("%s: no symbol has an address", args[0]);
  printf("ok\tfirst=%g\tagain=%g\tsum=%" PRIx64 "\n", (double)(t1 - t0) / count, (double)(t2 - t1) / count / n, sum);
  return 1;
}

/* The cost of a thousand first calls less that of the same calls when bound, for each call. */
static int op_lazy(char **args) {
  void *handle = dlopen(args[0], RTLD_LAZY);
  if (!handle)
    return fail("%s", dlerror());
  int (*all)(int) = (int (*)(int))dlsym(handle, "bench_lazy_all");
  if (!all)
    return fail("%s", dlerror());
  int64_t t0 = nanoseconds(CLOCK_MONOTONIC);
  int x = all(0);
  int64_t t1 = nanoseconds(CLOCK_MONOTONIC);
  int y = all(0);
  int64_t t2 = nanoseconds(CLOCK_MONOTONIC);
  if (x != 1000 || y != 1000)
    return fail("bench_lazy_all(0) = %d, then %d; want 1000", x, y);
  printf("ok\tlazy=%g\n", (double)((t1 - t0) - (t2 - t1)) / 1000);
  return 1;
}

enum { MAX_FIELDS = 256 };

int main(void) {
  char *line = NULL;
  size_t size = 0;
  ssize_t length;
  while ((length = getline(&line, &size, stdin)) > 0) {
    char *field[MAX_FIELDS];
    int count = 0;
    line[strcspn(line, "\n")] = 0;
    for (char *rest = line, *f; count < MAX_FIELDS && (f = strsep(&rest, "\t"));)
      field[count++] = f;
    const char *op = field[0];
    char **args = field + 2;
    count -= 2;
    if (count < 0)
      fail("request without a count");
    else if (!strcmp(op, "about"))
      op_about();
    else if (!strcmp(op, "find") && count == 1)
      op_find(args);
    else if (!strcmp(op, "open") && count >= 1)
      op_open(args, count);
    else if (!strcmp(op, "open_close") && count >= 1)
      op_open_close(atol(field[1]), args, count);
    else if (!strcmp(op, "tables") && count >= 1)
      op_tables(args, count);
    else if (!strcmp(op, "resident") && count >= 1)
      op_resident(args, count);
    else if (!strcmp(op, "lookup") && count == 2)
      op_lookup(atol(field[1]), args);
    else if (!strcmp(op, "lazy") && count == 1)
      op_lazy(args);
    else
      fail("unknown request %s with %d arguments", op, count);
    fflush(stdout);
  }
  free(line);
  return 0;
}
