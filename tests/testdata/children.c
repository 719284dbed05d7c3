/* Starts other programs in each way that POSIX has, and says how they ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int ended(pid_t pid)
{
	int status;
	pid_t got;
	while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	if (got != pid)
		return -errno - 10000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The exit status, less than zero for a signal or an error. */
int spawn(const char *script)
{
	char *argv[] = {"sh", "-c", (char *)script, 0};
	pid_t pid;
	int err = posix_spawnp(&pid, "sh", 0, 0, argv, environ);
	return err ? -err - 20000 : ended(pid);
}

/* The same with attributes: an empty signal mask, default signals, and a file
 * as standard output, from which buf is filled. */
int spawn_to(const char *path, const char *script, char *buf, size_t size)
{
	char *argv[] = {"sh", "-c", (char *)script, 0};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	int err = posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (err)
		return -err - 20000;
	int status = ended(pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, size - 1);
	buf[n < 0 ? 0 : n] = 0;
	close(fd);
	return status;
}

int shell(const char *script)
{
	int status = system(script);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int pipe_from(const char *script, char *buf, size_t size)
{
	FILE *f = popen(script, "re");
	if (!f)
		return -errno - 20000;
	size_t n = fread(buf, 1, size - 1, f);
	buf[n] = 0;
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int pipe_to(const char *script, const char *text)
{
	FILE *f = popen(script, "we");
	if (!f)
		return -errno - 20000;
	fputs(text, f);
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int fork_exit(int code)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(code);
	return pid < 0 ? -errno - 20000 : ended(pid);
}

int fork_abort(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	return pid < 0 ? -errno - 20000 : ended(pid);
}

int fork_exec(const char *script)
{
	pid_t pid = fork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", script, (char *)0);
		_exit(127);
	}
	return pid < 0 ? -errno - 20000 : ended(pid);
}

int vfork_exec(const char *script)
{
	pid_t pid = vfork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", script, (char *)0);
		_exit(127);
	}
	return pid < 0 ? -errno - 20000 : ended(pid);
}

/* What a program does between fork and exec: memory, standard output, a pipe,
 * thread-local variables, a function that was never called before. */
static __thread int local = 5;

int fork_work(void)
{
	int fd[2], got = -1;
	char *mine = malloc(100);
	local = 6;
	if (pipe2(fd, O_CLOEXEC))
		return -errno - 20000;
	pid_t pid = fork();
	if (pid == 0) {
		char text[64];
		char *more = strdup("some memory");
		local += strlen(more);
		snprintf(text, sizeof text, "%d %ld", local, strtol("77", 0, 8));
		free(more);
		free(mine);
		int n = write(fd[1], text, strlen(text) + 1);
		_exit(n == (int)strlen(text) + 1 ? 0 : 1);
	}
	char text[64] = "";
	close(fd[1]);
	int n = read(fd[0], text, sizeof text);
	close(fd[0]);
	free(mine);
	if (pid < 0)
		return -errno - 20000;
	got = ended(pid);
	if (got)
		return got;
	return n > 0 && !strcmp(text, "17 63") && local == 6 ? 0 : 99;
}

/* Handlers run in the parent and in the child. */
static __thread int prepared, in_parent, in_child;
static void prepare(void) { prepared++; }
static void parent(void) { in_parent++; }
static void child(void) { in_child++; }
int handlers(void) { return pthread_atfork(prepare, parent, child); }
int fork_handlers(void)
{
	prepared = in_parent = in_child = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(100 * prepared + 10 * in_parent + in_child);
	int got = pid < 0 ? -errno - 20000 : ended(pid);
	return got == 101 && prepared == 1 && in_parent == 1 && in_child == 0 ? 0 : got ? got : -1;
}
