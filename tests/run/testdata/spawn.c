// Every way to make a process: fork, vfork, posix_spawn, system, popen, exec, a daemon.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static void before(void) { fputs("before fork\n", stderr); } static void parent(void) { fputs("in the parent\n", stderr); } static void child(void) { fputs("in the child\n", stderr); }
static int clone_main(void *p) { return *(int *)p; }
static void *thread_in_child(void *p) { return malloc(100) ? p : 0; }
int main(int argc, char **argv)
{
	int st; pid_t p; setvbuf(stdout, 0, _IONBF, 0);
	if (argc > 1) { printf("executed with %s, SIGUSR1 %s\n", argv[1], signal(SIGUSR1, SIG_DFL) == SIG_IGN ? "ignored" : "default"); sigset_t m; sigprocmask(SIG_BLOCK, 0, &m); return sigismember(&m, SIGUSR2) ? 21 : 20; }
	pthread_atfork(before, parent, child); if (!(p = fork())) { pthread_t t; void *r; pthread_create(&t, 0, thread_in_child, &st); pthread_join(t, &r); _exit(r ? 11 : 12); } waitpid(p, &st, 0); printf("fork %d\n", WEXITSTATUS(st));
	for (int i = 0; i < 50; i++) if (!(p = fork())) { free(malloc(i * 1000)); _exit(i); } else { waitpid(p, &st, 0); if (WEXITSTATUS(st) != i) puts("wrong status"); }
	if (!(p = vfork())) { execl("/bin/echo", "echo", "from vfork", (char *)0); _exit(1); } waitpid(p, &st, 0); printf("vfork %d\n", WEXITSTATUS(st));
	if (!(p = vfork())) { execl("/no/such", "x", (char *)0); _exit(errno == ENOENT ? 13 : 14); } waitpid(p, &st, 0); printf("failed exec %d\n", WEXITSTATUS(st));
	posix_spawn_file_actions_t fa; posix_spawn_file_actions_init(&fa); posix_spawn_file_actions_addopen(&fa, 1, "spawned", O_WRONLY | O_CREAT, 0644); posix_spawnattr_t at; posix_spawnattr_init(&at); sigset_t m; sigemptyset(&m); sigaddset(&m, SIGUSR2); posix_spawnattr_setsigmask(&at, &m); posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	char *av[] = {"sh", "-c", "echo spawned; exit 15", 0}; printf("spawn %d", posix_spawnp(&p, "sh", &fa, &at, av, environ)); waitpid(p, &st, 0); printf(" %d\n", WEXITSTATUS(st)); printf("bad spawn %d\n", posix_spawn(&p, "/no/such", 0, 0, av, environ) == ENOENT);
	printf("system %d\n", WEXITSTATUS(system("exit 16"))); st = system("kill -9 $$"); printf("killed %d\n", WIFSIGNALED(st) ? WTERMSIG(st) : -WEXITSTATUS(st));
	char line[100]; FILE *f = popen("echo read from popen; exit 17", "r"); fgets(line, sizeof line, f); printf("%s%d\n", line, WEXITSTATUS(pclose(f))); f = popen("cat; exit 18", "w"); fputs("written to popen\n", f); printf("%d\n", WEXITSTATUS(pclose(f)));
	char *stack = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); int v = 19; p = clone(clone_main, stack + 65536, SIGCHLD, &v); waitpid(p, &st, 0); printf("clone %d\n", WEXITSTATUS(st));
	int pp[2]; pipe(pp); if (!fork()) { if (fork()) _exit(0); setsid(); if (fork()) _exit(0); chdir("/"); close(0); open("/dev/null", O_RDWR); pid_t sid = getsid(0); usleep(20000); dprintf(pp[1], "daemon %d %d\n", sid != getpid(), getpgrp() == sid); _exit(0); }
	wait(0); close(pp[1]); int n = read(pp[0], line, sizeof line); printf("%.*s", n, line);
	int two[2]; pipe2(two, O_CLOEXEC); if (!(p = fork())) { kill(getpid(), SIGSTOP); _exit(3); } waitpid(p, &st, WUNTRACED); printf("stopped %d", WIFSTOPPED(st)); kill(p, SIGCONT); waitpid(p, &st, 0); printf(" %d\n", WEXITSTATUS(st));
	signal(SIGUSR1, SIG_IGN); sigprocmask(SIG_BLOCK, &m, 0); fflush(0); execl("/proc/self/cwd/spawn", "spawn", "an argument", (char *)0); perror("exec"); return 1;
}
