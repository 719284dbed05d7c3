// What a program sees of its terminal, and how it takes what is typed there.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
static volatile int handled;
static void on(int sig) { handled++; char b[] = "handled 00\n"; b[8] += sig / 10; b[9] += sig % 10; write(1, b, sizeof b - 1); }
int main(int argc, char **argv)
{
	struct winsize w; ioctl(0, TIOCGWINSZ, &w);
	printf("terminal %d %d %d, %d by %d, foreground %d leader %d\n", isatty(0), isatty(1), isatty(2), w.ws_col, w.ws_row, tcgetpgrp(0) == getpgrp(), getsid(0) == getpid()); fflush(stdout);
	if (argc > 1) { struct sigaction a = {.sa_handler = on}; sigaction(SIGINT, &a, 0); sigaction(SIGQUIT, &a, 0); sigaction(SIGWINCH, &a, 0); }
	puts("ready"); fflush(stdout);
	if (argc > 1) { while (handled < 2) usleep(1000); w.ws_col = 100; ioctl(0, TIOCSWINSZ, &w); }
	else for (;;) pause();
	struct termios t, raw; tcgetattr(0, &t); raw = t; raw.c_lflag &= ~(ICANON | ECHO); tcsetattr(0, TCSANOW, &raw); puts("raw"); fflush(stdout);
	char c; read(0, &c, 1); printf("got %c\n", c); tcsetattr(0, TCSANOW, &t); char line[100]; puts("line"); fflush(stdout);
	if (fgets(line, sizeof line, stdin)) printf("read %s", line); printf("end %d\n", !fgets(line, sizeof line, stdin));
	return 0;
}
