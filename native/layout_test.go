package native

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"weld/internal/testenv"
)

// TestOffsets compares what gate_amd64.h says with the Go types.
func TestOffsets(t *testing.T) {
	data, err := os.ReadFile("gate_amd64.h")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, m := range regexp.MustCompile(`(?m)^#define\s+(\w+)\s+(-?\w+)`).FindAllStringSubmatch(string(data), -1) {
		v, err := strconv.ParseInt(m[2], 0, 64)
		if err != nil {
			u, err := strconv.ParseUint(m[2], 0, 64)
			if err != nil {
				t.Fatalf("%s: %v", m[0], err)
			}
			v = int64(u)
		}
		got[m[1]] = uint64(v)
	}
	var th thread
	var cf frame
	var uf upframe
	var d desc
	var p parking
	var n nestSlot
	want := map[string]uintptr{
		"T_goSP": unsafe.Offsetof(th.goSP), "T_goBP": unsafe.Offsetof(th.goBP), "T_goFS": unsafe.Offsetof(th.goFS),
		"T_fs": unsafe.Offsetof(th.fs), "T_sp": unsafe.Offsetof(th.sp), "T_era": unsafe.Offsetof(th.era),
		"T_mxcsr": unsafe.Offsetof(th.mxcsr), "T_status": unsafe.Offsetof(th.status),
		"T_gslot": unsafe.Offsetof(th.gslot), "T_mFS": unsafe.Offsetof(th.mFS),
		"T_frame": unsafe.Offsetof(th.frame), "T_why": unsafe.Offsetof(th.why), "T_errno": unsafe.Offsetof(th.errno),
		"T_tid": unsafe.Offsetof(th.tid), "T_fpcw": unsafe.Offsetof(th.fpcw), "T_ret": unsafe.Offsetof(th.ret),
		"T_fret": unsafe.Offsetof(th.fret), "T_gregs": unsafe.Offsetof(th.gregs),
		"T_guard": unsafe.Offsetof(th.guard), "T_keep": unsafe.Offsetof(th.keep), "T_mask": unsafe.Offsetof(th.mask), "T_enters": unsafe.Offsetof(th.enters),

		"C_Int": unsafe.Offsetof(cf.Int), "C_Float": unsafe.Offsetof(cf.Float), "C_NFloat": unsafe.Offsetof(cf.NFloat),
		"C_NStack": unsafe.Offsetof(cf.NStack), "C_Stack": unsafe.Offsetof(cf.Stack), "C_Ret": unsafe.Offsetof(cf.Ret),
		"C_FRet": unsafe.Offsetof(cf.FRet), "C_SRet": unsafe.Offsetof(cf.SRet),

		"U_saved": unsafe.Offsetof(uf.saved), "U_record": unsafe.Offsetof(uf.record), "U_done": unsafe.Offsetof(uf.done),
		"U_next": unsafe.Offsetof(uf.next), "U_fs": unsafe.Offsetof(uf.fs), "U_ret": unsafe.Offsetof(uf.ret),
		"U_mask": unsafe.Offsetof(uf.mask), "U_g": unsafe.Offsetof(uf.g), "U_depth": unsafe.Offsetof(uf.depth), "R_orphan": unsafe.Offsetof(record{}.orphan),
		"R_data": unsafe.Offsetof(record{}.data),

		"F_calls": unsafe.Offsetof(failure{}.calls), "F_from": unsafe.Offsetof(failure{}.from), "F_to": unsafe.Offsetof(failure{}.to),
		"F_location": unsafe.Offsetof(failure{}.location), "F_result": unsafe.Offsetof(failure{}.result),
		"F_errno": unsafe.Offsetof(failure{}.errno),

		"H_bx": unsafe.Offsetof(CallFrame{}.bx), "H_r10": unsafe.Offsetof(CallFrame{}.r10),
		"H_record": unsafe.Offsetof(CallFrame{}.record),

		"S_started": unsafe.Offsetof(startState.started), "S_interpreter": unsafe.Offsetof(startState.interpreter), "S_mask": unsafe.Offsetof(startState.mask),
		"S_ignored": unsafe.Offsetof(startState.ignored), "S_nofile": unsafe.Offsetof(startState.nofile),
		"S_closed": unsafe.Offsetof(startState.closed), "S_sp": unsafe.Offsetof(startState.sp),

		"D_fn": unsafe.Offsetof(d.fn), "D_flags": unsafe.Offsetof(d.flags), "D_ptr": unsafe.Offsetof(d.ptr),
		"D_nkeep": unsafe.Offsetof(d.nkeep), "D_keep": unsafe.Offsetof(d.keep),

		"P_fs": unsafe.Offsetof(p.fs), "P_sp": unsafe.Offsetof(p.sp), "P_stack": unsafe.Offsetof(p.stack),
		"P_ready": unsafe.Offsetof(p.ready), "P_mask": unsafe.Offsetof(p.mask),

		"N_g": unsafe.Offsetof(n.g), "N_t": unsafe.Offsetof(n.t), "N_more": unsafe.Offsetof(n.more),

		"leafCall": leafCall, "errnoAX": errnoAX, "errnoBX": errnoBX, "heldCall": heldCall, "lentCall": lentCall,
		"whyDone": whyDone, "whyUpcall": whyUpcall, "whyFault": whyFault,
		"thunkShift": uintptr(bits.TrailingZeros(thunkSize)), "handlerHalf": handlerHalf, "handlerFirst": handlerFirst,
		"signalSelfFrame": signalSelfFrame, "lastRound": lastRound, "nestShift": nestShift, "nestMultiplier": nestMultiplier,
	}
	for name, v := range want {
		if g, ok := got[name]; !ok || g != uint64(v) {
			t.Errorf("%s is %d in gate_amd64.h, %d in Go", name, g, v)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && regexp.MustCompile(`^[A-Z]_`).MatchString(name) && name != "M_tid" {
			t.Errorf("%s is not compared", name)
		}
	}
	for what, ok := range map[string]bool{
		"a slot of nests is three words":               unsafe.Sizeof(n) == 24,
		"nests.slots comes first":                      unsafe.Offsetof(nests.slots) == 0,
		"an upframe and its return address fill lines": (unsafe.Offsetof(uf.ret)+8)%16 == 0,
		"a record's target is its first word":          unsafe.Offsetof(record{}.target) == 0,
		"records lie as far apart as thunks":           unsafe.Sizeof(record{}) == thunkSize,
		"callGoBig has room":                           bigStack+8*(9+15) <= 4544,
		"callGo has room":                              smallStack+8*(9+15) <= 256,
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	if !hostTCB && int(int64(got["threadSlotFixed"])) != threadSlot {
		t.Errorf("threadSlotFixed is %d in gate_amd64.h, %d in Go", int64(got["threadSlotFixed"]), threadSlot)
	}
}

// TestFinishFrame looks at what unwind.go says of finishCall and fromNative: the text of one, the place of the other, and
// where the end of a goroutine's stack stands.
func TestFinishFrame(t *testing.T) {
	data, err := os.ReadFile("finish_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("#define L_frame  %d ", servedFrame), fmt.Sprintf("TEXT ·finishCall(SB), NOSPLIT, $%d-0\n", finishFrame)} {
		if !strings.Contains(string(data), want) {
			t.Errorf("finish_amd64.s does not say %q", want)
		}
	}
	call := Bytes(entry.fromNative+fromNativeSize-5, 5)
	if entry.fromNativeDone != entry.fromNative+fromNativeSize || call[0] != 0xe8 {
		t.Errorf("fromNative is at %#x, the function behind it at %#x, and the call before that is % x", entry.fromNative, entry.fromNativeDone, call)
	}
	if n := entry.signalSelfDone - entry.signalSelf; n < 64 || n > 128 {
		t.Errorf("signalSelf is at %#x, the function behind it at %#x", entry.signalSelf, entry.signalSelfDone)
	}
	here := 0
	lo, hi := *word(getg()), *word(getg() + DescribeGate().GoStackEnd)
	if at := uintptr(unsafe.Pointer(&here)); lo >= at || at >= hi || hi-lo > 1<<30 {
		t.Errorf("the goroutine's stack is from %#x to %#x, a variable in it at %#x", lo, hi, at)
	}
	runtime.KeepAlive(&here)
}

// TestLinknames compares the declarations of what package native links to with those of the runtime.
func TestLinknames(t *testing.T) {
	testenv.Need(t, "go")
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	runtimeDir := filepath.Join(strings.TrimSpace(string(root)), "src", "runtime")
	fset := token.NewFileSet()
	decls := map[string]*ast.FuncDecl{}
	names, err := filepath.Glob(filepath.Join(runtimeDir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources of the runtime in %s", runtimeDir)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				decls[d.Name.Name] = d
			}
		}
	}
	mine, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	links := map[string]string{}
	for _, name := range mine {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		for _, g := range f.Comments {
			for _, c := range g.List {
				if w := strings.Fields(c.Text); len(w) > 0 && w[0] == "//go:linkname" {
					if len(w) != 3 || !strings.HasPrefix(w[2], "runtime.") {
						t.Errorf("%s: %s", fset.Position(c.Pos()), c.Text)
						continue
					}
					links[w[1]] = strings.TrimPrefix(w[2], "runtime.")
				}
			}
		}
	}
	if len(links) != 4 {
		t.Errorf("linknames: %v", links)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(error) {}, IgnoreFuncBodies: true}
	pkg, _ := conf.Check("native", fset, files, nil)
	for local, remote := range links {
		o, ok := pkg.Scope().Lookup(local).(*types.Func)
		d := decls[remote]
		if !ok || d == nil {
			t.Errorf("%s or runtime.%s is not a function", local, remote)
			continue
		}
		got := o.Signature()
		if got.Params().Len() != 0 || d.Type.Params.NumFields() != 0 || got.Results().Len() != d.Type.Results.NumFields() ||
			got.Results().Len() == 1 && got.Results().At(0).Type().String() != types.ExprString(d.Type.Results.List[0].Type) {
			t.Errorf("%s is %s; the runtime's takes %d and returns %d values", local, got, d.Type.Params.NumFields(), d.Type.Results.NumFields())
		}
	}
}

// TestTLSWords looks at the words at a thread pointer: g below it, and in m.tls nothing above it but weld's.
func TestTLSWords(t *testing.T) {
	add := c[func(a, b int32) int32](t, "add32")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	add(1, 2) // the kernel thread has or wears a TCB since
	fs := tcb()
	if g := *word(fs + uintptr(gOffset)); g != getg() {
		t.Errorf("at offset %d of the thread pointer lies %#x, g is %#x", gOffset, g, getg())
	}
	if hostTCB {
		return
	}
	th := (*thread)(Pointer(*weldWord(fs, threadSlot)))
	m := th.mFS
	if th.fs != fs || m == 0 || *word(m) != 0 || *word(m + 8) != uintptr(syscall.Gettid()) || *word(m + 16) != 0 {
		t.Errorf("thread %#x of %#x is worn over %#x: %#x", th.fs, fs, m, Bytes(m, 24))
	}
}

// The handler of raised signals tells by the return address whether an entry lets the scheduler know of its call.
func TestEntryOrder(t *testing.T) {
	e := &entryPC
	list := slices.Concat(e.leaf[:], e.int[:], e.float[:], e.errno[:])
	if !slices.IsSorted(list) {
		t.Errorf("the entries lie at %#x", list)
	}
}
