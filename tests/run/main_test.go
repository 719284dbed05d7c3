// Package run_test judges weld run: a table of real programs, each of which is run by the kernel and
// the system's dynamic linker and then by weld run, in two equal folders. Standard output, standard
// error, exit status, death by signal and the files left behind have to be the same.
//
//	main_test.go       how weld is called
//	case_test.go       what a case is, and its folder
//	runner_test.go     running a case twice and comparing
//	session_test.go    cases that are a conversation with a server
//	terminal_test.go   cases that are a conversation over a terminal
//	normal_test.go     taking out what may differ
//	packages_test.go   which Debian package brings which program
//	refuse_test.go     what cannot be run, and how weld has to say so
//	mutate_test.go     executables with a field that is not what it was
//	secure_test.go     programs with rights that their caller has not (AT_SECURE)
//	*_table_test.go    the cases
//
// The table can be judged without weld: go test ./tests/run -prefix=native runs every program natively
// both times. Any other command can stand in for weld run in the same way, such as
// -prefix='/tmp/weld run --stats'.
package run_test

import (
	"flag"
	"strings"
	"syscall"
	"testing"

	"weld/internal/testenv"
)

var prefixFlag = flag.String("prefix", "", "command `line` put before each program instead of that of weld run; native puts none")

func TestMain(m *testing.M) {
	// Programs that die here are meant to: they leave no core file in the folders that are compared.
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	syscall.Umask(0o022)
	testenv.Main(m)
}

// weldCommand returns the path of the weld command that is judged.
func weldCommand(t testing.TB) string {
	t.Helper()
	return testenv.GoProgram(t, "weld/cmd/weld")
}

// weldPrefix returns the words that go before a program's command line.
func weldPrefix(t testing.TB) []string {
	t.Helper()
	switch {
	case native():
		return nil
	case *prefixFlag != "":
		return strings.Fields(*prefixFlag)
	}
	return []string{weldCommand(t), "run"}
}

// native reports whether the table is judged and not weld.
func native() bool { return *prefixFlag == "native" }

// needWeld skips a test of what weld alone does where programs are run without it, to judge the table.
func needWeld(t testing.TB) {
	t.Helper()
	if native() {
		t.Skip("with -prefix=native there is no weld to judge")
	}
}
