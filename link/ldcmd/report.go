package ldcmd

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// defaultErrors is how many errors are written if --error-limit does not say otherwise.
const defaultErrors = 20

// progressAfter is how long a link takes before a terminal is told what it does.
const progressAfter = 2 * time.Second

// Colours of a terminal (ECMA-48, SGR).
const (
	colorError   = "\x1b[1;31m"
	colorWarning = "\x1b[1;35m"
	colorOff     = "\x1b[0m"
	clearLine    = "\r\x1b[K"
)

// A reporter writes messages.
type reporter struct {
	name  string
	w     io.Writer
	color bool

	mu   sync.Mutex
	line bool // the progress line is there
}

func (p *parser) reporter(name string, w io.Writer) *reporter {
	return &reporter{name: name, w: w, color: p.color == "always" || p.color == "auto" && isTerminal(w)}
}

// say writes a message after the name of the program and what kind it is.
func (r *reporter) say(kind, color, msg string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	if r.color {
		kind = color + kind + ":" + colorOff
	} else {
		kind += ":"
	}
	fmt.Fprintf(r.w, "%s: %s %s\n", r.name, kind, msg)
}

// errors writes the errors that err is made of, at most limit if that is not 0.
func (r *reporter) errors(err error, limit int) {
	list := []error{err}
	if multi, ok := err.(interface{ Unwrap() []error }); ok {
		list = multi.Unwrap()
	}
	for i, e := range list {
		if more := len(list) - limit; limit > 0 && i == limit && more > 1 {
			r.say("error", colorError, fmt.Sprintf("%d more errors; --error-limit=0 shows all", more))
			return
		}
		r.say("error", colorError, e.Error())
	}
}

// clear removes the progress line.
func (r *reporter) clear() {
	if r.line {
		io.WriteString(r.w, clearLine)
		r.line = false
	}
}

// progress returns a function to be called when a phase begins, and one for the end. If the link takes longer than after, a line
// says what it does.
func (r *reporter) progress(after time.Duration) (phase func(string), done func()) {
	start := time.Now()
	current := ""
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		wait := time.NewTimer(after)
		defer wait.Stop()
		for {
			select {
			case <-stop:
				return
			case <-wait.C:
			}
			r.mu.Lock()
			fmt.Fprintf(r.w, "%s%s: %s, %.1f s", clearLine, r.name, current, time.Since(start).Seconds())
			r.line = true
			r.mu.Unlock()
			wait.Reset(after / 10)
		}
	})
	phase = func(name string) {
		r.mu.Lock()
		current = strings.ToValidUTF8(name, "?")
		r.mu.Unlock()
	}
	done = func() {
		close(stop)
		wg.Wait()
		r.mu.Lock()
		r.clear()
		r.mu.Unlock()
	}
	return phase, done
}
