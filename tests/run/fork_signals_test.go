package run_test

import (
	"fmt"
	"testing"
)

// TestSignalsOfThreads has the Go runtime make kernel threads while the program waits for signals, and the program change
// its handlers.
func TestSignalsOfThreads(t *testing.T) {
	var masks []Build
	for i := range 24 {
		masks = append(masks, sleeps(fmt.Sprintf("libsleeps%d.so", i), 20_000))
	}
	runTable(t, []Case{
		{Name: "masks", Build: append(masks, Build{"forkmasks", words("forkmasks.c -pthread")}), Env: words("LD_LIBRARY_PATH={dir}"), Argv: words("./forkmasks"), Want: "threads with signals open 0\n"},
		{Name: "handlers", Build: program("handlers", "-w", "-pthread"), Argv: words("./handlers"), Want: "got 2010 wrong 0\n"},
		{Name: "handlers-musl", Build: []Build{{"handlers", words("musl-gcc handlers.c -w -Dsysv_signal=signal")}}, Argv: words("./handlers"), Want: "wrong 0\n"},
		{Name: "control-words", Build: []Build{{"libcontrolled.so", words("controls.c")}, {"libcontrols.so", words("controls.c -DMODE=FE_DOWNWARD -lm")}, {"control", words("control.c -lm")}}, Env: words("LD_LIBRARY_PATH={dir}"), Argv: words("./control"), Want: "default again: rounding 0"},
	})
}
