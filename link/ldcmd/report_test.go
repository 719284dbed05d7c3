package ldcmd

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"weld/internal/testenv"
)

// A lockedBuffer may be written while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestProgress waits for the progress line, writes a warning over it, and ends it.
func TestProgress(t *testing.T) {
	var b lockedBuffer
	r := &reporter{name: "ld", w: &b}
	phase, done := r.progress(time.Millisecond)
	phase("resolve")
	line := regexp.MustCompile(`\r\x1b\[Kld: resolve, \d+\.`)
	for start := time.Now(); !line.MatchString(b.String()); {
		if time.Since(start) > testenv.Patience {
			t.Fatalf("no progress line in %q", b.String())
		}
		time.Sleep(time.Millisecond)
	}
	r.say("warning", colorWarning, "something")
	done()
	if s := b.String(); !strings.Contains(s, "\r\x1b[Kld: warning: something\n") || !strings.HasSuffix(s, clearLine) && !strings.HasSuffix(s, "something\n") {
		t.Errorf("the terminal has got %q", s)
	}
	// A short link says nothing.
	b = lockedBuffer{}
	phase, done = r.progress(time.Hour)
	phase("resolve")
	done()
	if s := b.String(); s != "" {
		t.Errorf("a short link has written %q", s)
	}
}

// TestTerminal tells a terminal from other files.
func TestTerminal(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if !isTerminal(pty) || isTerminal(null) || isTerminal(new(bytes.Buffer)) {
		t.Errorf("terminal: %t, /dev/null: %t, memory: %t", isTerminal(pty), isTerminal(null), isTerminal(new(bytes.Buffer)))
	}
}
