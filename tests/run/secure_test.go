package run_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weld/internal/testenv"
)

// TestSecure runs programs with rights that their caller has not (AT_SECURE), with weld as their program interpreter and
// with the system's: the caller's environment must not tell the run-time linker what to load, and what is left of it for
// the program is the same.
//
// Root makes such a program by set-user-ID. A plain user can do it in a user namespace only, by file capabilities; where
// the system allows no such namespace, what is left for a plain user to check is that weld run refuses these programs,
// which TestRefused does with those of the system.
func TestSecure(t *testing.T) {
	needWeld(t)
	if err := secureNamespace(t); err != nil {
		t.Logf("no user namespace for uid %d (%v): AT_SECURE is not to be had, TestRefused checks set-user-ID programs", os.Getuid(), err)
		return
	}
	weld := weldCommand(t)
	dir, err := os.MkdirTemp(testenv.RunDir(t), "secure-") // the test's own cannot be entered by other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "own"), 0o755), os.Mkdir(filepath.Join(dir, "other"), 0o755)); err != nil {
		t.Fatal(err)
	}
	own, other := filepath.Join(dir, "own"), filepath.Join(dir, "other")
	d := testenv.NewDir(t)
	d.Shared("libsaid.so", "said.c", `-DTEXT="replaced"`)
	copyFile(t, filepath.Join(other, "libsaid.so"), d.Join("libsaid.so"))
	copyFile(t, filepath.Join(other, "preload.so"), d.Shared("preload.so", "preload.c"))
	d.Shared("libsaid.so", "said.c", `-DTEXT="the program's own"`)
	copyFile(t, filepath.Join(own, "libsaid.so"), d.Join("libsaid.so"))
	program := func(name string, flags ...string) string {
		path := filepath.Join(own, name)
		copyFile(t, path, d.Program(name, append([]string{"secured.c", "-lsaid"}, flags...)...))
		return path
	}
	interp := "-Wl,--dynamic-linker=" + weld
	rpath, origin := "-Wl,--enable-new-dtags,-rpath,"+own, "-Wl,--enable-new-dtags,-rpath,$ORIGIN"
	system, ours := program("system", rpath), program("ours", rpath, interp)

	env := []string{
		"LD_PRELOAD=" + filepath.Join(other, "preload.so"), "LD_LIBRARY_PATH=" + other, "LD_AUDIT=" + filepath.Join(other, "preload.so"),
		"LD_BIND_NOW=1", "LD_VERBOSE=", "LD_UNKNOWN=x", "LD_HWCAP_MASK=1", "LD_ORIGIN_PATH=" + other, "LD_DYNAMIC_WEAK=1",
		"GCONV_PATH=" + other, "GETCONF_DIR=/x", "HOSTALIASES=/x", "LOCALDOMAIN=x", "LOCPATH=" + other, "NIS_PATH=x", "NLSPATH=/x", "RESOLV_HOST_CONF=/x",
		"RES_OPTIONS=x", "TMPDIR=" + other, "TZDIR=" + other, "MALLOC_TRACE=" + filepath.Join(other, "trace"), "MALLOC_ARENA_MAX=1", "MALLOC_CHECK_=3",
		"GODEBUG=inittrace=1,schedtrace=1", "GOTRACEBACK=crash", "GOMEMLIMIT=nonsense", "GOMAXPROCS=1", "GOGC=off",
		"WELD_SIGMASK=0", "PATH=/usr/bin:/bin", "HOME=/nowhere",
	}
	plain := []string{"PATH=/usr/bin:/bin"}
	run := func(env []string, secure bool, argv ...string) testenv.Result {
		t.Helper()
		if secure {
			return testenv.Run(t, secureCommand(t, env, argv), testenv.Patience)
		}
		return testenv.Run(t, &exec.Cmd{Path: argv[0], Args: argv, Env: env}, testenv.Patience)
	}
	anon := func(r testenv.Result) string { // both have the same words to say
		return strings.NewReplacer(ours, "PROGRAM", system, "PROGRAM").Replace(r.String() + "\n" + string(r.Stdout))
	}

	t.Run("ordinary", func(t *testing.T) {
		// That the variables have an effect where they may.
		for _, prog := range []string{system, ours} {
			r := run(env[:2], false, prog)
			if out := string(r.Stdout) + string(r.Stderr); r.Code != 9 || !strings.Contains(out, "secure 0\nreplaced\n") || !strings.Contains(out, "preload starts") {
				t.Errorf("%s: %v\n%s", prog, r, out)
			}
		}
	})
	for _, prog := range []string{system, ours} {
		allowSecure(t, prog)
	}
	t.Run("environment", func(t *testing.T) {
		want, got := run(env, true, system), run(env, true, ours)
		if !strings.Contains(anon(want), "exit status 9\nsecure 1\nthe program's own\n") || !strings.Contains(anon(want), "LD_PRELOAD gone") {
			t.Fatalf("natively: %s%s(is %s mounted nosuid?)", anon(want), want.Stderr, dir)
		}
		if anon(got) != anon(want) || len(got.Stderr) != 0 {
			t.Errorf("%s\n%s", difference(anon(want), anon(got)), clip(string(got.Stderr)))
		}
	})
	t.Run("messages", func(t *testing.T) {
		// Of these the system's own run-time linker makes noise.
		noisy := []string{"LD_DEBUG=all", "LD_DEBUG_OUTPUT=" + filepath.Join(other, "debug"), "LD_SHOW_AUXV=1", "LD_PROFILE=libsaid.so", "LD_PRELOAD=preload.so", "GLIBC_TUNABLES=glibc.malloc.check=3"}
		got := run(noisy, true, ours)
		if got.Code != 9 || !strings.HasPrefix(string(got.Stdout), "secure 1\nthe program's own\n") || len(got.Stderr) != 0 {
			t.Errorf("%v\n%s%s", got, got.Stdout, clip(string(got.Stderr)))
		}
	})
	t.Run("descriptors", func(t *testing.T) {
		// Files that such a program opens must not become its standard error.
		script := `exec "$0" fds <&- 2>&-`
		want, got := run(plain, true, "/bin/bash", "-c", script, system), run(plain, true, "/bin/bash", "-c", script, ours)
		if !strings.Contains(anon(want), "\n0 /dev/full 1\n") || !strings.Contains(anon(want), "\n2 /dev/null 0\n") {
			t.Fatalf("natively: %s", anon(want))
		}
		if anon(got) != anon(want) {
			t.Error(difference(anon(want), anon(got)))
		}
	})
	t.Run("weld run", func(t *testing.T) {
		// It cannot give these rights.
		progs := []string{system}
		if os.Getuid() == 0 {
			capable := program("capable", rpath)
			if err := addCapability(capable); err != nil {
				t.Fatal(err)
			}
			progs = append(progs, capable)
		}
		for _, prog := range progs {
			r := run(plain, true, weld, "run", prog)
			line := string(r.Stderr)
			if r.Code != 126 || len(r.Stdout) != 0 || !strings.HasPrefix(line, "weld: run: "+prog) || strings.Count(line, "\n") != 1 ||
				!strings.Contains(line, "(set-user-ID)") && !strings.Contains(line, "capabilities") {
				t.Errorf("%v\n%s%s", r, r.Stdout, line)
			}
		}
	})
	t.Run("origin", func(t *testing.T) {
		// $ORIGIN is the caller's to choose: by a link to the program.
		system, ours := program("system-origin", origin), program("ours-origin", origin, interp)
		for _, prog := range []string{system, ours} {
			if r := run(plain, false, prog); r.Code != 9 {
				t.Errorf("%s, not secure: %v\n%s", prog, r, r.Stderr)
			}
			allowSecure(t, prog)
			if r := run(plain, true, prog); r.Code != 127 || !strings.Contains(string(r.Stderr), "libsaid.so") || strings.Count(string(r.Stderr), "\n") != 1 {
				t.Errorf("%s: %v\n%s", prog, r, r.Stderr)
			}
		}
	})
}

// allowSecure gives a program rights that its caller has not, as root. For a plain user that is done where it is run.
func allowSecure(t *testing.T, prog string) {
	t.Helper()
	if os.Getuid() == 0 {
		if err := errors.Join(os.Chown(prog, 0, 0), syscall.Chmod(prog, 0o4755)); err != nil {
			t.Fatal(err)
		}
	}
}

// addCapability gives a program a capability, as root of some user namespace.
func addCapability(prog string) error {
	// linux/capability.h: struct vfs_cap_data of version 2, with the effective bit.
	const version2, effective, netBindService = 0x02000000, 1, 10
	value := make([]byte, 20)
	binary.LittleEndian.PutUint32(value, version2|effective)
	binary.LittleEndian.PutUint32(value[4:], 1<<netBindService)
	return syscall.Setxattr(prog, "security.capability", value, 0)
}

// secureCommand returns the process for argv, whose last word is the program to which allowSecure has been applied.
func secureCommand(t *testing.T, env, argv []string) *exec.Cmd {
	t.Helper()
	if os.Getuid() == 0 {
		return &exec.Cmd{Path: argv[0], Args: argv, Env: env, SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: userID, Gid: userID}}}
	}
	// Not in the environment: the child is a Go program.
	text, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	return inNamespace(testenv.ChildCommand(t, "secure", append([]string{string(text)}, argv...)...), 0, os.Getuid(), os.Getgid())
}

// secureNamespace reports why there is no user namespace for a plain user to run programs in that have capabilities.
func secureNamespace(t *testing.T) error {
	if os.Getuid() == 0 {
		return nil
	}
	return inNamespace(testenv.ChildCommand(t, "secure", "null", "/bin/true"), 0, os.Getuid(), os.Getgid()).Run()
}

// inNamespace has cmd run in a user namespace of its own, in which uid and gid are called id.
func inNamespace(cmd *exec.Cmd, id, uid, gid int) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: gid, Size: 1}},
	}
	return cmd
}

// The child "secure" is root in its namespace. There it gives a program a capability, which is one more than the program
// has that runs it in a second namespace, in which it is not root.
func init() {
	testenv.Child("secure", func(args []string) {
		var env []string
		fail := func(err error) {
			if err != nil {
				os.Stderr.WriteString(err.Error() + "\n")
				os.Exit(2)
			}
		}
		fail(json.Unmarshal([]byte(args[0]), &env))
		argv := args[1:]
		if prog := argv[len(argv)-1]; prog != "/bin/true" {
			fail(addCapability(prog))
		}
		cmd := inNamespace(&exec.Cmd{Path: argv[0], Args: argv, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, 1, 0, 0)
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) {
			fail(err)
		}
		os.Exit(cmd.ProcessState.ExitCode())
	})
}
