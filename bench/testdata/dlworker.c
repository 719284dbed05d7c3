/* The worker for glibc's own loader: dlopen, dlsym, dlclose and lazy binding in an ordinary C program. It speaks the
   line protocol of package wire: requests "op TAB n TAB argument ..." on stdin, answers "ok TAB key=value ..." or
   "error TAB text" on stdout. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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

#include "gdbjit.h"

static struct jit_descriptor *jit_descriptor;
static void (*jit_register_code)(void);

/* Opens the library with the interface: gdb is to look for it in the process only when it is used. */
static int jit_open(void) {
  void *h = dlopen("libgdbjit.so", RTLD_NOW);
  return h && (jit_descriptor = dlsym(h, "__jit_debug_descriptor")) && (jit_register_code = (void (*)(void))dlsym(h, "__jit_debug_register_code"));
}

enum { CODE_SIZE = 64 };

/* An object with one function, as small as it can be. */
struct jit_object {
  struct jit_code_entry entry;
  Elf64_Ehdr ehdr;
  Elf64_Shdr shdr[4]; /* none, .text, .symtab, .strtab, which has the names of sections too */
  Elf64_Sym sym[2];
  char strs[96];
};

static struct jit_object *jit_make(uintptr_t code, long i) {
  struct jit_object *o = calloc(1, sizeof *o);
  const size_t base = offsetof(struct jit_object, ehdr);
  int n = sprintf(o->strs, "%c.text%c.symtab%c.strtab%c", 0, 0, 0, 0);
  int used = n + 1 + sprintf(o->strs + n, "generated_function_%ld", i);
  memcpy(o->ehdr.e_ident, ELFMAG "\2\1\1", 7);
  o->ehdr.e_type = ET_REL, o->ehdr.e_machine = EM_X86_64, o->ehdr.e_version = 1;
  o->ehdr.e_shoff = offsetof(struct jit_object, shdr) - base;
  o->ehdr.e_ehsize = sizeof o->ehdr, o->ehdr.e_shentsize = sizeof o->shdr[0];
  o->ehdr.e_shnum = 4, o->ehdr.e_shstrndx = 3;
  o->shdr[1] = (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = code, .sh_size = CODE_SIZE, .sh_addralign = 16};
  o->shdr[2] = (Elf64_Shdr){.sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = offsetof(struct jit_object, sym) - base, .sh_size = sizeof o->sym,
                            .sh_link = 3, .sh_info = 1, .sh_addralign = 8, .sh_entsize = sizeof o->sym[0]};
  o->shdr[3] = (Elf64_Shdr){.sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct jit_object, strs) - base, .sh_size = used, .sh_addralign = 1};
  o->sym[1] = (Elf64_Sym){.st_name = n, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_size = CODE_SIZE};
  o->entry.symfile_addr = (const char *)&o->ehdr;
  o->entry.symfile_size = sizeof *o - base;
  return o;
}

static void jit_tell(uint32_t action, struct jit_code_entry *e) {
  jit_descriptor->relevant_entry = e;
  jit_descriptor->action_flag = action;
  jit_register_code();
}

static long capped(long n, const char *cap) { return atol(cap) > 0 && n > atol(cap) ? atol(cap) : n; }

/* n functions, at most args[2], by the GDB JIT interface, one object each; they stay if args[1] says so. */
static int op_jit(long n, char **args) {
  if (!jit_open())
    return fail("%s", dlerror());
  n = capped(n, args[2]);
  struct jit_object **all = malloc(n * sizeof *all);
  char *code = mmap(NULL, n * CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED)
    return fail("%s", strerror(errno));
  memset(code, 0xc3, n * CODE_SIZE);
  memset(all, 0, n * sizeof *all);
  int64_t before = resident();
  int64_t t0 = nanoseconds(CLOCK_MONOTONIC);
  for (long i = 0; i < n; i++) {
    struct jit_code_entry *e = &(all[i] = jit_make((uintptr_t)code + i * CODE_SIZE, i))->entry;
    if ((e->next_entry = jit_descriptor->first_entry))
      e->next_entry->prev_entry = e;
    jit_descriptor->first_entry = e;
    jit_tell(JIT_REGISTER_FN, e);
  }
  int64_t t1 = nanoseconds(CLOCK_MONOTONIC), after = resident();
  if (!strcmp(args[1], "stay")) {
    printf("ok\tboth=%g\ttotal=%" PRId64 "\taddr=%p\tname=generated_function_%ld\n", (double)(t1 - t0) / n, t1 - t0, code + n / 2 * CODE_SIZE, n / 2);
    return 1;
  }
  int64_t t2 = nanoseconds(CLOCK_MONOTONIC);
  for (long i = 0; i < n; i++) {
    struct jit_code_entry *e = &all[i]->entry;
    if (e->next_entry)
      e->next_entry->prev_entry = e->prev_entry;
    *(e->prev_entry ? &e->prev_entry->next_entry : &jit_descriptor->first_entry) = e->next_entry;
    jit_tell(JIT_UNREGISTER_FN, e);
    free(all[i]);
  }
  int64_t t3 = nanoseconds(CLOCK_MONOTONIC);
  free(all);
  munmap(code, n * CODE_SIZE);
  printf("ok\tboth=%g\tunbind=%g\tbytes=%g\ttotal=%" PRId64 "\n", (double)(t1 - t0) / n, (double)(t3 - t2) / n, (double)(after - before) / n, t1 - t0);
  return 1;
}

/* n functions, at most args[2], each in a shared object, which is a copy of args[3] with another name in it, opened by dlopen. */
static int op_dlopen_each(long n, char **args) {
  n = capped(n, args[2]);
  FILE *f = fopen(args[3], "rb");
  static char image[1 << 16];
  size_t size = f ? fread(image, 1, sizeof image, f) : 0;
  if (f)
    fclose(f);
  char dir[] = "/dev/shm/weldbenchXXXXXX", other[] = "/tmp/weldbenchXXXXXX";
  char *folder = mkdtemp(dir) ? dir : mkdtemp(other);
  if (!size || !folder)
    return fail("%s: %s", args[3], strerror(errno));
  void **handles = calloc(n, sizeof *handles);
  uintptr_t *at = calloc(n, sizeof *at);
  char path[128], name[32];
  int64_t before = resident();
  int64_t t0 = nanoseconds(CLOCK_MONOTONIC);
  for (long i = 0; i < n; i++) {
    snprintf(name, sizeof name, "%08ld", i);
    for (char *p = image; (p = memmem(p, image + size - p, "generated_", 10)); p += 10)
      memcpy(p + 10, name, 8);
    snprintf(path, sizeof path, "%s/%ld.so", folder, i);
    f = fopen(path, "wb");
    if (!f || fwrite(image, 1, size, f) != size || fclose(f))
      return fail("%s: %s", path, strerror(errno));
    if (!(handles[i] = dlopen(path, RTLD_NOW)))
      return fail("%s", dlerror());
  }
  int64_t t1 = nanoseconds(CLOCK_MONOTONIC), after = resident();
  for (long i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%ld.so", folder, i);
    if (strcmp(args[1], "stay"))
      unlink(path);
  }
  int64_t t2 = nanoseconds(CLOCK_MONOTONIC);
  for (long i = 0; i < n; i++) {
    snprintf(name, sizeof name, "generated_%08ld", i);
    if (!(at[i] = (uintptr_t)dlsym(handles[i], name)))
      return fail("%s", dlerror());
  }
  int64_t t3 = nanoseconds(CLOCK_MONOTONIC);
  if (!strcmp(args[1], "stay")) {
    printf("ok\tboth=%g\ttotal=%" PRId64 "\taddr=%#" PRIxPTR "\tname=generated_%08ld\tfolder=%s\n", (double)(t1 - t0) / n, t1 - t0, at[n / 2], n / 2, folder);
    return 1;
  }
  Dl_info info;
  for (long i = 0; i < n; i++)
    if (!dladdr((void *)at[i * 7919 % n], &info) || !info.dli_sname)
      return fail("dladdr finds nothing");
  int64_t t4 = nanoseconds(CLOCK_MONOTONIC);
  for (long i = 0; i < n; i++)
    dlclose(handles[i]);
  int64_t t5 = nanoseconds(CLOCK_MONOTONIC);
  rmdir(folder);
  free(handles), free(at);
  printf("ok\tboth=%g\tlookup=%g\tfindaddr=%g\tunbind=%g\tbytes=%g\ttotal=%" PRId64 "\n", (double)(t1 - t0) / n, (double)(t3 - t2) / n,
         (double)(t4 - t3) / n, (double)(t5 - t4) / n, (double)(after - before) / n, t1 - t0);
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
    else if (!strcmp(op, "jit") && count == 4)
      op_jit(atol(field[1]), args);
    else if (!strcmp(op, "jit_all") && count == 4) {
      args[2] = "0";
      op_jit(atol(field[1]), args);
    } else if (!strcmp(op, "dlopen_each") && count == 4)
      op_dlopen_each(atol(field[1]), args);
    else if (!strcmp(op, "lazy") && count == 1)
      op_lazy(args);
    else
      fail("unknown request %s with %d arguments", op, count);
    fflush(stdout);
  }
  free(line);
  return 0;
}
