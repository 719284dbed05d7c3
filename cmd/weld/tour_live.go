package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"weld"
	"weld/live"
)

// The code of int add(int, int), and of int multiply(int, int).
var (
	addCode = []byte{
		0x8d, 0x04, 0x37, // lea (%rdi,%rsi), %eax
		0xc3, // ret
	}
	multiplyCode = []byte{
		0x89, 0xf8, // mov %edi, %eax
		0x0f, 0xaf, 0xc6, // imul %esi, %eax
		0xc3, // ret
	}
)

// generate makes a function at run time, calls it, replaces it while it is in use, and finds it as others would.
func (t *tour) generate() (err error) {
	start := time.Now()
	o, err := live.New(nil, "tour", live.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	put := func(name string, code []byte) (*live.Block, error) {
		b, err := o.Alloc(len(code), 16, live.Text)
		if err != nil {
			return nil, err
		}
		return b, errors.Join(b.Write(0, code), o.Bind(name, b, live.Replace), o.Commit())
	}
	b, err := put("combine", addCode)
	if err != nil {
		return err
	}
	t.say("%d bytes of code, bound to the name combine at %#x, %v", len(addCode), b.Addr(), rounded(time.Since(start)))

	lib := o.Library()
	f, err := weld.Func[func(a, b int32) int32](lib, "combine", weld.Leaf)
	if err != nil {
		return err
	}
	if got := f(6, 7); got != 13 {
		return fmt.Errorf("combine(6, 7) is %d, not 13", got)
	}
	const calls = 100_000
	start = time.Now()
	for i := range int32(calls) {
		f(i, i)
	}
	t.say("combine(6, 7) = 13; a call takes %v", rounded(time.Since(start)/calls))

	start = time.Now()
	if _, err := put("combine", multiplyCode); err != nil {
		return err
	}
	t.say("replaced in %v, and the same func value: combine(6, 7) = %d", rounded(time.Since(start)), f(6, 7))
	if got := f(6, 7); got != 42 {
		return fmt.Errorf("combine(6, 7) is %d, not 42", got)
	}

	sym, err := lib.Lookup("combine")
	if err != nil {
		return err
	}
	at, ok := weld.FindAddr(sym.Addr + 2)
	if !ok || at.Symbol != "combine" || at.Offset != 2 {
		return fmt.Errorf("what is known of %#x, two bytes into combine: %+v", sym.Addr+2, at)
	}
	t.say("%#x is %s+%d, at offset %#x of the file", sym.Addr+2, at.Symbol, at.Offset, at.FileOffset)
	if !slices.Contains(weld.Libraries(), lib) {
		return errors.New("it is not in the link map")
	}
	t.say("in the link map: %#x %d %s", lib.Base, lib.Size, lib.Path)
	return nil
}
