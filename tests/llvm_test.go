package tests

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

type llvm struct {
	ContextCreate  func() uintptr                                                                     `sym:"LLVMContextCreate"`
	ContextDispose func(ctx uintptr)                                                                  `sym:"LLVMContextDispose"`
	BufferCopy     func(data []byte, n uint64, name string) uintptr                                   `sym:"LLVMCreateMemoryBufferWithMemoryRangeCopy"`
	Parse          func(ctx, buffer uintptr, module *uintptr, message *unsafe.Pointer) int32          `sym:"LLVMParseIRInContext"`
	Verify         func(module uintptr, action int32, message *unsafe.Pointer) int32                  `sym:"LLVMVerifyModule"`
	Print          func(module uintptr) unsafe.Pointer                                                `sym:"LLVMPrintModuleToString"`
	Named          func(module uintptr, name string) uintptr                                          `sym:"LLVMGetNamedFunction"`
	CountParams    func(fn uintptr) uint32                                                            `sym:"LLVMCountParams"`
	DisposeText    func(p unsafe.Pointer)                                                             `sym:"LLVMDisposeMessage"`
	DisposeModule  func(module uintptr)                                                               `sym:"LLVMDisposeModule"`
	TargetInfo     func()                                                                             `sym:"LLVMInitializeX86TargetInfo"`
	Target         func()                                                                             `sym:"LLVMInitializeX86Target"`
	TargetMC       func()                                                                             `sym:"LLVMInitializeX86TargetMC"`
	AsmPrinter     func()                                                                             `sym:"LLVMInitializeX86AsmPrinter"`
	LinkInMCJIT    func()                                                                             `sym:"LLVMLinkInMCJIT"`
	CreateEngine   func(engine *uintptr, module uintptr, level uint32, message *unsafe.Pointer) int32 `sym:"LLVMCreateJITCompilerForModule"`
	DisposeEngine  func(engine uintptr)                                                               `sym:"LLVMDisposeExecutionEngine"`
	FunctionAddr   func(engine uintptr, name string) uintptr                                          `sym:"LLVMGetFunctionAddress"`
	MapGlobal      func(engine, global, addr uintptr)                                                 `sym:"LLVMAddGlobalMapping"`
}

const llvmModule = `
declare i64 @helper(i64)
define i64 @power(i64 %base, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %v = phi i64 [ 1, %entry ], [ %product, %body ]
  %done = icmp uge i64 %i, %n
  br i1 %done, label %exit, label %body
body:
  %product = mul i64 %v, %base
  %next = add i64 %i, 1
  br label %loop
exit:
  %r = call i64 @helper(i64 %v)
  ret i64 %r
}
`

func TestLLVM(t *testing.T) {
	path := testenv.Library(t, "libllvm14", "libLLVM-*[0-9].so.1", "libLLVM.so.*", "libLLVM-*[0-9].so")
	start := time.Now()
	// LLVM's static objects register destructors for exit.
	lib := open(t, path, weld.Now, weld.NoDelete)
	t.Logf("%s opened with immediate binding in %v", path, time.Since(start))
	var l llvm
	bindAll(t, lib, &l)
	message := func(p unsafe.Pointer) string {
		s := cstring(p)
		if p != nil {
			l.DisposeText(p)
		}
		return s
	}
	ctx := l.ContextCreate()
	defer l.ContextDispose(ctx)
	parse := func(text string) (module uintptr, trouble string) {
		var m unsafe.Pointer
		// The parser takes the buffer over.
		if l.Parse(ctx, l.BufferCopy([]byte(text), uint64(len(text)), "weld"), &module, &m) != 0 {
			return 0, message(m)
		}
		return module, ""
	}
	const returnStatus = 2

	module, trouble := parse(llvmModule)
	if module == 0 {
		t.Fatalf("the module is not parsed: %s", trouble)
	}
	var m unsafe.Pointer
	if rc := l.Verify(module, returnStatus, &m); rc != 0 {
		t.Errorf("the module is not verified: %s", message(m))
	} else {
		message(m)
	}
	if text := message(l.Print(module)); !strings.Contains(text, "define i64 @power(i64 %base, i64 %n)") {
		t.Errorf("the module is printed as\n%s", text)
	}
	if fn := l.Named(module, "power"); fn == 0 || l.CountParams(fn) != 2 {
		t.Error("the function power is not found with two parameters")
	}

	if bad, trouble := parse("define i64 @f( { this is no IR }"); bad != 0 || trouble == "" {
		t.Errorf("a text that is no IR: %q", trouble)
	}
	// Parsed, but wrong: the parser's verifier or ours says so.
	wrong, trouble := parse("define i64 @f(i64 %x) {\nentry:\n  br label %other\nother:\n  %y = add i64 %z, 1\n  %z = add i64 %y, 1\n  ret i64 %z\n}\n")
	if wrong != 0 {
		var m unsafe.Pointer
		if l.Verify(wrong, returnStatus, &m) == 0 {
			t.Error("a use before its definition is verified")
		}
		trouble = message(m)
		l.DisposeModule(wrong)
	}
	if !strings.Contains(trouble, "does not dominate") {
		t.Errorf("a use before its definition: %q", trouble)
	}

	// Compiled in the process and called, calling Go in its turn.
	l.TargetInfo()
	l.Target()
	l.TargetMC()
	l.AsmPrinter()
	l.LinkInMCJIT()
	var engine uintptr
	if l.CreateEngine(&engine, module, 2, &m) != 0 {
		t.Fatalf("no compiler: %s", message(m))
	}
	defer l.DisposeEngine(engine)
	calls := 0
	helper := callback(t, func(v int64) int64 { calls++; return v + 1 })
	l.MapGlobal(engine, l.Named(module, "helper"), helper.Addr())
	power, err := weld.FuncAt[func(base, n int64) int64](l.FunctionAddr(engine, "power"))
	if err != nil {
		t.Fatal(err)
	}
	if got := power(3, 20); got != 3486784401+1 || calls != 1 {
		t.Errorf("3 to the 20th plus 1 is %d after %d calls into Go", got, calls)
	}
}
