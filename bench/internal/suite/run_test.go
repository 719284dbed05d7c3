package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

// TestMain makes the test binary a worker when its argument is a worker's name.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		made := 0
		worker.Main(map[string]worker.Op{
			"loop": func(n int, _ []string) (wire.Values, error) {
				return worker.Loop(n, func(n int) { time.Sleep(time.Duration(n) * time.Microsecond) }), nil
			},
			"fail":  func(int, []string) (wire.Values, error) { return nil, errors.New("as asked") },
			"crash": func(int, []string) (wire.Values, error) { panic("as asked") },
			"count": func(n int, args []string) (wire.Values, error) {
				made++
				return wire.Values{"made": fmt.Sprint(made), "n": fmt.Sprint(n), "args": fmt.Sprint(len(args))}, nil
			},
			"other": func(int, []string) (wire.Values, error) { return wire.Values{"made": "1", "args": "none"}, nil },
		})
	}
	os.Exit(m.Run())
}

func run(t *testing.T, rounds int, cases ...Case) []Result {
	t.Helper()
	t.Setenv("GORACE", "atexit_sleep_ms=0") // with -race every worker would take a second to end
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := []string{self, "worker"}
	results, err := Run(context.Background(), Config{
		Commands: map[string][]string{Weld: command, Cgo: command, "gone": {"/nonexistent/worker"}},
		Rounds:   rounds,
		Time:     2 * time.Millisecond,
		Log:      io.Discard,
	}, cases)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestRunRounds(t *testing.T) {
	r := run(t, 3, Case{Members: []Member{{Weld, "loop"}, {Cgo, "loop"}}, Metrics: []Metric{{Key: "ns"}}})[0]
	for i, m := range r.Members {
		if m.Err != nil || len(m.Values["ns"]) != 3 || len(m.Values["allocs"]) != 3 {
			t.Errorf("member %d: %+v", i, m)
		}
	}
}

// TestRunSharedKey has two metrics that compare the same values, each in its way.
func TestRunSharedKey(t *testing.T) {
	r := run(t, 2, Case{Members: []Member{{Weld, "count"}, {Cgo, "count"}}, Repeats: 3,
		Metrics: []Metric{{Key: "n"}, {Key: "n", Added: true}}})[0]
	for i, m := range r.Members {
		if got := fmt.Sprint(m.Values); m.Err != nil || got != "map[n:[3 3]]" {
			t.Errorf("member %d: %v, %v", i, got, m.Err)
		}
	}
}

func TestRunFresh(t *testing.T) {
	c := Case{Members: []Member{{Weld, "count"}, {Cgo, "count"}}, Args: []string{"a"}, Repeats: 7, Fresh: true,
		Agree: "args", Metrics: []Metric{{Key: "made"}, {Key: "n"}}}
	shared := c
	shared.Fresh = false
	results := run(t, 2, c, shared)
	want := []string{"map[made:[1 1] n:[7 7]]", "map[made:[1 1] n:[7 7]]"}
	for i, r := range results {
		for _, m := range r.Members {
			if got := fmt.Sprint(m.Values); m.Err != nil || got != want[i] {
				t.Errorf("case %d: got %v, %v; want %v", i, got, m.Err, want[i])
			}
		}
	}
}

func TestRunFailures(t *testing.T) {
	for _, test := range []struct {
		member Member
		want   string
	}{
		{Member{Weld, "fail"}, "as asked"},
		{Member{Weld, "crash"}, "panic: as asked"},
		{Member{Weld, "unknown"}, "unknown request"},
		{Member{Weld, "other"}, `no "n"`},
		{Member{"gone", "count"}, "no such file"},
	} {
		for _, fresh := range []bool{false, true} {
			c := Case{Members: []Member{test.member, {Cgo, "count"}}, Repeats: 1, Fresh: fresh,
				Metrics: []Metric{{Key: "n"}}}
			r := run(t, 2, c)[0]
			if err := r.Members[0].Err; err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v: error is %v, want %q", test.member, err, test.want)
			}
			if peer := r.Members[1]; peer.Err != nil || len(peer.Values["n"]) != 2 {
				t.Errorf("%v: peer is %+v", test.member, peer)
			}
		}
	}
}

func TestRunDisagreement(t *testing.T) {
	r := run(t, 1, Case{Members: []Member{{Weld, "other"}, {Cgo, "count"}}, Repeats: 1, Agree: "args",
		Metrics: []Metric{{Key: "made"}}})[0]
	if err := r.Members[0].Err; err == nil || !strings.Contains(err.Error(), "args is none, but 0 for cgo") {
		t.Errorf("error is %v", err)
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := Case{Members: []Member{{Weld, "count"}, {Cgo, "count"}}, Metrics: []Metric{{Key: "n"}}}
	if _, err := Run(ctx, Config{Rounds: 1, Log: io.Discard}, []Case{c}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LD_BIND_NOW", "1")
	t.Setenv("GOGC", "off")
	t.Setenv("KEPT", "1")
	env := strings.Join(environment(), "\n")
	if strings.Contains(env, "LD_BIND_NOW") || strings.Contains(env, "GOGC") || !strings.Contains(env, "KEPT=1") {
		t.Errorf("environment is\n%s", env)
	}
}
