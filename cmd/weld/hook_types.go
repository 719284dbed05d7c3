package main

import (
	"strings"

	"weld/internal/cproto"
)

// prototypes are those of functions that are traced most (POSIX.1-2024 and the manual pages). A parameter "const void
// *buf" or "void *buf" before its size is shown as bytes.
const prototypes = `
int open(const char *path, int flags, ...); int open64(const char *path, int flags, ...)
int openat(int dirfd, const char *path, int flags, ...); int openat64(int dirfd, const char *path, int flags, ...)
int creat(const char *path, mode_t mode); int close(int fd)
ssize_t read(int fd, void *buf, size_t n); ssize_t write(int fd, const void *buf, size_t n)
ssize_t pread(int fd, void *buf, size_t n, off_t offset); ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
ssize_t pread64(int fd, void *buf, size_t n, off_t offset); ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset)
ssize_t readv(int fd, const struct iovec *iov, int n); ssize_t writev(int fd, const struct iovec *iov, int n)
off_t lseek(int fd, off_t offset, int whence); off_t lseek64(int fd, off_t offset, int whence)
int dup(int fd); int dup2(int old, int new); int dup3(int old, int new, int flags); int pipe(int *fds); int pipe2(int *fds, int flags)
int fcntl(int fd, int cmd, ...); int fcntl64(int fd, int cmd, ...); int ioctl(int fd, unsigned long request, ...)
int fsync(int fd); int fdatasync(int fd); int ftruncate(int fd, off_t size); int truncate(const char *path, off_t size)
int stat(const char *path, struct stat *st); int lstat(const char *path, struct stat *st); int fstat(int fd, struct stat *st)
int fstatat(int dirfd, const char *path, struct stat *st, int flags); int access(const char *path, int mode)
int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *st)
int faccessat(int dirfd, const char *path, int mode, int flags); int chmod(const char *path, mode_t mode)
int chown(const char *path, uid_t uid, gid_t gid); int mkdir(const char *path, mode_t mode); int rmdir(const char *path)
int mkdirat(int dirfd, const char *path, mode_t mode); int unlink(const char *path); int unlinkat(int dirfd, const char *path, int flags)
int rename(const char *old, const char *new); int link(const char *old, const char *new); int symlink(const char *target, const char *path)
ssize_t readlink(const char *path, char *to, size_t n); int chdir(const char *path); char *getcwd(char *to, size_t n)
char *realpath(const char *path, char *to); int mkstemp(char *path); ssize_t copy_file_range(int in, off_t *inoff, int out, off_t *outoff, size_t n, unsigned flags)
ssize_t sendfile(int out, int in, off_t *offset, size_t n); int posix_fadvise(int fd, off_t offset, off_t len, int advice)
void *opendir(const char *path); void *fdopendir(int fd); void *readdir(void *dir); void *readdir64(void *dir); int closedir(void *dir)
void *fopen(const char *path, const char *mode); void *fopen64(const char *path, const char *mode)
void *fdopen(int fd, const char *mode); void *freopen(const char *path, const char *mode, void *file)
int fclose(void *file); int fflush(void *file); size_t fread(void *to, size_t size, size_t n, void *file)
size_t fwrite(const void *from, size_t size, size_t n, void *file); char *fgets(char *to, int n, void *file)
size_t fread_unlocked(void *to, size_t size, size_t n, void *file); size_t fwrite_unlocked(const void *from, size_t size, size_t n, void *file)
int fputs(const char *s, void *file); int fputs_unlocked(const char *s, void *file); int fputc(int c, void *file); int putc(int c, void *file)
int puts(const char *s); int putchar(int c); int fgetc(void *file); int getc(void *file); int getchar(void); int ungetc(int c, void *file)
ssize_t getline(char **line, size_t *n, void *file); ssize_t getdelim(char **line, size_t *n, int delimiter, void *file)
int fseek(void *file, long offset, int whence); long ftell(void *file); int feof(void *file); int ferror(void *file); int fileno(void *file)
int setvbuf(void *file, char *to, int mode, size_t n); void perror(const char *s); int remove(const char *path)
int printf(const char *format, ...); int fprintf(void *file, const char *format, ...); int dprintf(int fd, const char *format, ...)
int sprintf(char *to, const char *format, ...); int snprintf(char *to, size_t n, const char *format, ...)
int asprintf(char **to, const char *format, ...); void syslog(int priority, const char *format, ...)
int __printf_chk(int flag, const char *format, ...); int __fprintf_chk(void *file, int flag, const char *format, ...)
int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...)
int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...)
void err(int status, const char *format, ...); void errx(int status, const char *format, ...)
void warn(const char *format, ...); void warnx(const char *format, ...); void error(int status, int errnum, const char *format, ...)
int sscanf(const char *s, const char *format, ...); int __isoc99_sscanf(const char *s, const char *format, ...)
void *malloc(size_t n); void *calloc(size_t n, size_t size); void *realloc(void *p, size_t n); void *reallocarray(void *p, size_t n, size_t size)
void free(void *p); int posix_memalign(void **p, size_t align, size_t n); void *aligned_alloc(size_t align, size_t n); void *memalign(size_t align, size_t n)
void *mmap(void *addr, size_t n, int prot, int flags, int fd, off_t offset); void *mmap64(void *addr, size_t n, int prot, int flags, int fd, off_t offset)
int munmap(void *addr, size_t n); int mprotect(void *addr, size_t n, int prot); int madvise(void *addr, size_t n, int advice)
size_t strlen(const char *s); int strcmp(const char *a, const char *b); int strncmp(const char *a, const char *b, size_t n)
int strcasecmp(const char *a, const char *b); int strcoll(const char *a, const char *b); char *strchr(const char *s, int c)
char *strrchr(const char *s, int c); char *strstr(const char *s, const char *part); char *strdup(const char *s); char *strndup(const char *s, size_t n)
char *strcpy(void *to, const char *from); char *strncpy(void *to, const char *from, size_t n); char *strcat(char *to, const char *from)
char *stpcpy(void *to, const char *from); char *strtok(char *s, const char *separators); char *strerror(int errnum)
void *memcpy(void *to, const void *from, size_t n); void *memmove(void *to, const void *from, size_t n); void *memset(void *p, int c, size_t n)
int memcmp(const void *a, const void *b, size_t n); void *memchr(const void *p, int c, size_t n)
long strtol(const char *s, char **end, int base); unsigned long strtoul(const char *s, char **end, int base); double strtod(const char *s, char **end)
int atoi(const char *s); long atol(const char *s); double atof(const char *s); int rand(void); void srand(unsigned seed); long random(void)
char *getenv(const char *name); char *secure_getenv(const char *name); int setenv(const char *name, const char *value, int overwrite)
int unsetenv(const char *name); int putenv(char *s); char *setlocale(int category, const char *locale)
char *bindtextdomain(const char *domain, const char *dir); char *textdomain(const char *domain); char *gettext(const char *s)
char *dcgettext(const char *domain, const char *s, int category); char *nl_langinfo(int item)
void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
pid_t fork(void); pid_t vfork(void); int execve(const char *path, char **argv, char **envp); int execv(const char *path, char **argv)
int execvp(const char *file, char **argv); pid_t wait(int *status); pid_t waitpid(pid_t pid, int *status, int options)
int system(const char *command); void *popen(const char *command, const char *mode); int pclose(void *file)
int posix_spawn(pid_t *pid, const char *path, const void *actions, const void *attr, char **argv, char **envp)
int posix_spawnp(pid_t *pid, const char *file, const void *actions, const void *attr, char **argv, char **envp)
void exit(int status); void _exit(int status); void _Exit(int status); void abort(void); int atexit(void (*f)(void))
pid_t getpid(void); pid_t getppid(void); uid_t getuid(void); uid_t geteuid(void); gid_t getgid(void); gid_t getegid(void); int isatty(int fd)
int kill(pid_t pid, int sig); int raise(int sig); int sigaction(int sig, const void *act, void *old); void *signal(int sig, void *handler)
int sigprocmask(int how, const void *set, void *old); unsigned alarm(unsigned seconds); unsigned sleep(unsigned seconds); int usleep(useconds_t us)
int nanosleep(const void *ts, void *rest); time_t time(time_t *t); int gettimeofday(void *tv, void *tz); int clock_gettime(clockid_t clock, void *ts)
int socket(int domain, int type, int protocol); int bind(int fd, const void *addr, socklen_t n); int connect(int fd, const void *addr, socklen_t n)
int listen(int fd, int backlog); int accept(int fd, void *addr, socklen_t *n); int accept4(int fd, void *addr, socklen_t *n, int flags)
ssize_t send(int fd, const void *buf, size_t n, int flags); ssize_t recv(int fd, void *buf, size_t n, int flags); int shutdown(int fd, int how)
ssize_t sendto(int fd, const void *buf, size_t n, int flags, const void *addr, socklen_t addrlen)
ssize_t recvfrom(int fd, void *buf, size_t n, int flags, void *addr, socklen_t *addrlen)
int getaddrinfo(const char *node, const char *service, const void *hints, void **result); void freeaddrinfo(void *result)
int select(int n, void *in, void *out, void *except, void *timeout); int poll(void *fds, nfds_t n, int timeout)
int epoll_wait(int fd, void *events, int n, int timeout); int epoll_ctl(int fd, int op, int of, void *event)
int pthread_create(pthread_t *thread, const void *attr, void *(*start)(void *), void *arg); int pthread_join(pthread_t thread, void **result)
int pthread_mutex_lock(void *mutex); int pthread_mutex_unlock(void *mutex); int pthread_cond_wait(void *cond, void *mutex); int pthread_cond_signal(void *cond)
void pthread_exit(void *result); void *dlopen(const char *file, int mode); void *dlsym(void *handle, const char *name); int dlclose(void *handle); char *dlerror(void)
double sqrt(double x); double pow(double x, double y); double sin(double x); double cos(double x); double exp(double x); double log(double x); double floor(double x)`

// known returns the prototype of the table for a function, nil if there is none.
func known(name string) *cproto.Prototype {
	for line := range strings.SplitSeq(prototypes, "\n") {
		for p := range strings.SplitSeq(line, "; ") {
			head, _, _ := strings.Cut(p, "(")
			if head[strings.LastIndexAny(head, " *")+1:] != name || head == "" {
				continue
			}
			if proto, err := cproto.Parse(p); err == nil {
				return proto
			}
		}
	}
	return nil
}

// alone are functions that get their calls as if nothing traced them: they look at their caller, return twice, unwind
// the stack, or do not return at all.
var alone = set(`dlopen dlmopen dlsym dlvsym setjmp _setjmp __sigsetjmp sigsetjmp longjmp _longjmp siglongjmp __longjmp_chk
	vfork getcontext setcontext swapcontext exit _exit _Exit quick_exit abort __assert_fail __stack_chk_fail __fortify_fail pthread_exit
	thrd_exit err errx verr verrx __cxa_throw __cxa_rethrow _Unwind_RaiseException _Unwind_Resume _Unwind_Resume_or_Rethrow
	_Unwind_ForcedUnwind _Unwind_Backtrace backtrace __libc_start_main execve execv execvp execvpe execl execlp execle fexecve
	__cxa_begin_catch __cxa_end_catch __tls_get_addr`)

// extra says what follows the parameters of variadic functions: "mode" and the number of the flags that say so, or
// "word"; for those of printf the format says it.
var extra = map[string]struct {
	kind  string
	flags int
}{
	"open": {"mode", 1}, "open64": {"mode", 1}, "openat": {"mode", 2}, "openat64": {"mode", 2},
	"fcntl": {"word", 0}, "fcntl64": {"word", 0}, "ioctl": {"word", 0},
}

// nullErrno are functions that leave errno when they return NULL.
var nullErrno = set(`fopen fopen64 fdopen freopen opendir fdopendir malloc calloc realloc reallocarray aligned_alloc memalign getcwd
	realpath popen strdup strndup`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
