package suite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weld/bench/internal/wire"
)

// requestLimit is how long a worker may take for one answer.
const requestLimit = 2 * time.Minute

// process is a running worker.
type process struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr head
}

// start runs the worker; the caller must stop it.
func start(ctx context.Context, command []string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{cmd: exec.CommandContext(ctx, command[0], command[1:]...), cancel: cancel}
	p.cmd.Env = environment()
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	p.in, p.out = in, bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}

// environment is the driver's own without what changes a loader, malloc or the Go runtime.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		for _, prefix := range []string{"LD_", "GLIBC_", "MALLOC_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return slices.Contains([]string{"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT"}, name)
	})
}

// do sends a request and waits for the answer. After an error that the worker did not report itself, the process is
// of no more use.
func (p *process) do(req wire.Request) (v wire.Values, alive bool, err error) {
	limit := time.AfterFunc(requestLimit, p.cancel)
	defer limit.Stop()
	if _, err := fmt.Fprintln(p.in, req); err != nil {
		return nil, false, p.died(err)
	}
	if !p.out.Scan() {
		return nil, false, p.died(p.out.Err())
	}
	v, err = wire.ParseAnswer(p.out.Text())
	return v, true, err
}

// died waits for the end of the process and says what is known of it.
func (p *process) died(err error) error {
	p.cancel()
	name := filepath.Base(p.cmd.Path)
	if wait := p.cmd.Wait(); wait != nil {
		err = wait
	}
	if err == nil {
		err = errors.New("ended without an answer")
	}
	if text := strings.TrimSpace(p.stderr.String()); text != "" {
		return fmt.Errorf("%s: %w: %s", name, err, text)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// stop ends the process, if it has not ended, and waits for it.
func (p *process) stop() {
	p.in.Close()
	limit := time.AfterFunc(5*time.Second, p.cancel)
	defer limit.Stop()
	if p.cmd.ProcessState == nil {
		p.cmd.Wait()
	}
	p.cancel()
}

// head keeps the beginning of what a worker writes to standard error: the reason of a crash stands there.
type head struct {
	text []byte
}

func (h *head) Write(b []byte) (int, error) {
	const limit = 2000
	if room := limit - len(h.text); room > 0 {
		h.text = append(h.text, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

func (h *head) String() string { return string(h.text) }

// Ask makes one request to a worker of its own.
func Ask(ctx context.Context, command []string, req wire.Request) (wire.Values, error) {
	p, err := start(ctx, command)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	v, _, err := p.do(req)
	return v, err
}
