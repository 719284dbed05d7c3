// Command startworker measures how long programs take to start and end. Its arguments are what each program is started
// with, as those of env(1): variables of the environment, then the command that is put before the program, if any.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

func main() {
	s := starter{env: os.Environ(), command: os.Args[1:]}
	for len(s.command) > 0 && strings.Contains(s.command[0], "=") {
		s.env, s.command = append(s.env, s.command[0]), s.command[1:]
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "startworker:", err)
		os.Exit(1)
	}
	s.null = null.Fd()
	worker.Main(map[string]worker.Op{"start": s.measure})
}

// starter starts programs.
type starter struct {
	env     []string
	command []string
	null    uintptr // descriptor of /dev/null
}

// measure runs the program args n times, one after the other: "ns" is the median of the wall-clock times from fork to
// the end of wait, "cpu" that of the processor times, "rss" that of the most memory that was resident, in bytes; this is at least
// what the worker itself takes.
func (s starter) measure(n int, args []string) (wire.Values, error) {
	if len(args) == 0 || n < 1 {
		return nil, fmt.Errorf("start of nothing")
	}
	argv := append(slices.Clone(s.command), args...)
	wall, cpu, rss := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		var usage syscall.Rusage
		begin := time.Now()
		if err := s.once(argv, &usage); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
		}
		wall[i] = float64(time.Since(begin))
		cpu[i] = float64(usage.Utime.Nano() + usage.Stime.Nano())
		rss[i] = float64(usage.Maxrss) * 1024
	}
	v := make(wire.Values)
	v.Set("ns", median(wall))
	v.Set("cpu", median(cpu))
	v.Set("rss", median(rss))
	return v, nil
}

// once runs argv with its standard streams on /dev/null.
func (s starter) once(argv []string, usage *syscall.Rusage) error {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: s.env, Files: []uintptr{s.null, s.null, s.null}})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, usage)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return err
		}
	}
	switch {
	case status.Signaled():
		return fmt.Errorf("died of signal %d (%v)", status.Signal(), status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
