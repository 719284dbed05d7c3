package debuggers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"weld/internal/testenv"
)

// memcheck names the function and the line of an error in a library, and the place that allocated the memory: the malloc of
// the C library that weld brings up is replaced as any other is. What it says of the Go runtime, whose stacks are memory
// that it has not seen allocated, testdata/go.supp suppresses.
func TestValgrind(t *testing.T) {
	testenv.Need(t, "valgrind")
	supp, err := filepath.Abs("testdata/go.supp")
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{static, dynamic} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			_, lib := fixture(t)
			program := debuggee(t, way)
			out := testenv.Tool(t, exec.Command("valgrind", "--undef-value-errors=no", "--suppressions="+supp, "--num-callers=4", program,
				"open "+lib, "call libshapes.so add_numbers 40 2", "call libshapes.so read_past 3", "mark past"))
			testenv.Expect(t, out, `^result 42$`, `Invalid read of size 4$`,
				fmt.Sprintf(`at 0x\w+: read_past \(shapes\.c:%d\)$`, line(t, "shapes.c", "behind the end")),
				`is 0 bytes after a block of size 12 alloc'd$`, `at 0x\w+: malloc `,
				fmt.Sprintf(`by 0x\w+: read_past \(shapes\.c:%d\)$`, line(t, "shapes.c", "malloc(3 ")),
				`^result 0$`, `^mark past$`)
			count(t, out, ` at 0x\w+: \w+ \(shapes\.c:\d+\)$`, 1)
			// Without any checks.
			out = testenv.Tool(t, exec.Command("valgrind", "--tool=none", program, "load "+lib, "back libshapes.so call_back 4"))
			testenv.Expect(t, out, `^result 10$`)
		})
	}
}
