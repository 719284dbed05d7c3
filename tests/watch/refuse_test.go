package watch_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

func weldCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), args...)
}

// refused checks that a command fails with one line that says each of the given words.
func refused(t *testing.T, cmd *exec.Cmd, says ...string) {
	t.Helper()
	r := testenv.Run(t, cmd, testenv.Patience)
	line := string(r.Stderr)
	if r.Code != 1 || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "weld: watch: ") || len(r.Stdout) > 0 {
		t.Errorf("%v: %v, and says %q\n%s", cmd.Args[1:], r, line, r.Stdout)
	}
	for _, s := range says {
		if !regexp.MustCompile(s).MatchString(line) {
			t.Errorf("%v says %q and not %s", cmd.Args[1:], line, s)
		}
	}
}

// both runs a look and a watch.
func both(t *testing.T, pid int, says ...string) {
	t.Helper()
	says = append(says, fmt.Sprintf(`process %d\b`, pid))
	refused(t, weldCommand(t, "watch", "--once", fmt.Sprint(pid)), says...)
	refused(t, weldCommand(t, "watch", fmt.Sprint(pid)), says...)
}

func TestNoProcess(t *testing.T) {
	cmd := exec.Command("true")
	testenv.Run(t, cmd, testenv.Patience)
	both(t, cmd.Process.Pid, "no such process")
	both(t, 2, "kernel thread|no such process")
	refused(t, weldCommand(t, "watch", "no-such-program"), "no-such-program", "not found")
	zombie := launch(t, testenv.NewDir(t).Program("list", "list.c", "-static", "-nostdlib", "-fno-stack-protector"))
	zombie.cmd.Process.Kill()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, state := tracer(t, zombie.pid()); state == "Z" {
			break
		}
	}
	both(t, zombie.pid(), "exited")
	for _, args := range [][]string{{"watch"}, {"watch", "--once", "true"}, {"watch", "12", "13"}, {"watch", "0"}, {"watch", "--by=magic", "1"}} {
		if r := testenv.Run(t, weldCommand(t, args...), testenv.Patience); r.Code != 2 || len(r.Stderr) == 0 {
			t.Errorf("%v: %v", args, r)
		}
	}
}

// Somebody else's process, and one that is traced by another.
func TestPermission(t *testing.T) {
	says := []string{"no permission", `kernel\.yama\.ptrace_scope`}
	if os.Getuid() != 0 {
		both(t, 1, says...)
		return
	}
	p := launch(t, testenv.NewDir(t).Program("list", "list.c", "-static", "-nostdlib", "-fno-stack-protector"))
	for _, once := range []string{"--json", "--once"} {
		cmd := weldCommand(t, "watch", once, fmt.Sprint(p.pid()))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		refused(t, cmd, append(says, fmt.Sprintf(`process %d\b`, p.pid()))...)
	}
}

func TestTraced(t *testing.T) {
	_, opener, libs := fixtures(t, false)
	p := launch(t, opener)
	w, _ := watch(t, p.pid())
	refused(t, weldCommand(t, "watch", fmt.Sprint(p.pid())), fmt.Sprintf(`process %d\b`, p.pid()), "traces it already", `\(weld\)|weld-\d`)
	if e := look(t, p.pid()); len(e.Namespaces) != 1 {
		t.Errorf("%+v", e)
	}
	expectLoad(t, w, p.ask("o %s", libs[0]))
}

// A static program without a list, and a 32-bit one: what the kernel runs is told by the file's header.
func TestNoList(t *testing.T) {
	d := testenv.NewDir(t)
	src := d.Write("wait.s", ".globl _start\n_start: mov $34, %eax\nsyscall\njmp _start\n")
	p := start(t, exec.Command(d.Program("wait", src, "-static", "-nostdlib")))
	awaitExec(t, p)
	both(t, p.pid(), "no symbol _r_debug")

	src = d.Write("wait32.s", ".globl _start\n_start: mov $29, %eax\nint $0x80\njmp _start\n")
	elf32 := d.Join("wait32")
	for _, args := range [][]string{{"as", "--32", "-o", elf32 + ".o", src}, {"ld", "-m", "elf_i386", "-o", elf32, elf32 + ".o"}} {
		testenv.Need(t, "ld")
		if msg, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, msg)
		}
	}
	cmd := exec.Command(elf32)
	p = start(t, cmd)
	awaitExec(t, p)
	both(t, p.pid(), "64-bit", "wait32")
}

// awaitExec waits until the kernel has put the program in the place of its parent's copy.
func awaitExec(t *testing.T, p *program) {
	t.Helper()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid())); exe == p.cmd.Path {
			return
		}
	}
	t.Fatal("the program does not start")
}

// Lists that are damaged.
func TestDamaged(t *testing.T) {
	for i, says := range []string{"cycle", "0x123456789000.*no memory", "name has no end", "l_prev", "outside the address space",
		"r_version", "r_next.*cycle", "r_state"} {
		list := testenv.NewDir(t).Program("list", "list.c", "-static", "-nostdlib", "-fno-stack-protector", "-O1", fmt.Sprintf("-DDAMAGE=%d", i+1))
		p := launch(t, list)
		both(t, p.pid(), says, "link_map|struct r_debug")
		if by, _ := tracer(t, p.pid()); by != "0" {
			t.Errorf("damage %d: TracerPid is %s", i+1, by)
		}
	}
}

// A process that ends while it is looked at.
func TestExits(t *testing.T) {
	_, opener, _ := fixtures(t, false)
	for i := range 10 {
		p := launch(t, opener)
		pid := p.pid()
		go func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			p.cmd.Process.Kill()
		}()
		r := testenv.Run(t, weldCommand(t, "watch", "--once", fmt.Sprint(pid)), testenv.Patience)
		if r.Code != 0 && (r.Code != 1 || !regexp.MustCompile(fmt.Sprintf("^weld: watch: process %d: .*\n$", pid)).Match(r.Stderr)) {
			t.Errorf("%v: %s", r, r.Stderr)
		}
	}
	p := launch(t, opener)
	w, _ := watch(t, p.pid())
	p.cmd.Process.Kill()
	if e := w.next(); e.Event != "exit" || e.Signal != "killed" {
		t.Errorf("%+v", e)
	}
	if err := p.cmd.Wait(); err == nil || p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the parent is told %v", err)
	}
}
