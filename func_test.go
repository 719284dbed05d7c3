package weld_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"weld"
)

func TestBind(t *testing.T) {
	d := fixtures(t)
	lib := openAt(t, d.Join("libbox.so"))
	defer closeLib(t, lib)

	var b struct {
		Add     func(a, b int32) int32 `sym:"box_add"`
		Leaf    func(a, b int32) int32 `sym:"box_add,leaf"`
		Old     func(int32) int32      `sym:"box_twice@BOX_1"`
		New     func(int32) int32      `sym:"box_twice"`
		Both    func(int32) int32      `sym:"box_twice@BOX_1,leaf,optional"`
		None    func()                 `sym:"box_none,optional"`
		NoVer   func()                 `sym:"box_add@BOX_9,optional"`
		NoPtr   *int32                 `sym:"box_none,optional"`
		Answer  *int32                 `sym:"box_answer"`
		Raw     unsafe.Pointer         `sym:"box_answer"`
		Address uintptr                `sym:"box_add"`
		Other   string                 `json:"other"`
		private int
	}
	none := func() {}
	b.None, b.Other, b.private = none, "as it was", 7
	if err := weld.Bind(lib, &b); err != nil {
		t.Fatal(err)
	}
	if b.Add(1, 2) != 3 || b.Leaf(3, 4) != 7 || b.Old(5) != 10 || b.New(5) != 1000 || b.Both(6) != 12 {
		t.Error("a function is not what its tag says")
	}
	if b.None == nil || b.NoVer != nil || b.NoPtr != nil || b.Other != "as it was" || b.private != 7 {
		t.Error("a field was changed that should have been left alone")
	}
	if s, err := lib.Lookup("box_add"); err != nil || *b.Answer != 42 || *(*int32)(b.Raw) != 42 || b.Address != s.Addr {
		t.Errorf("%v, %v, %#x, %v", *b.Answer, b.Raw, b.Address, err)
	}
}

func TestBindErrors(t *testing.T) {
	d := fixtures(t)
	lib := openAt(t, d.Join("libbox.so"))
	defer closeLib(t, lib)
	type missing struct {
		Add func(a, b int32) int32 `sym:"box_add"`
		One func()                 `sym:"box_one"`
		Two *int                   `sym:"box_two@BOX_2"`
	}
	for _, c := range []struct {
		name string
		dst  any
		want []string // in the message
	}{
		{"nil", nil, []string{"<nil> is not a pointer to a struct"}},
		{"a struct", struct{}{}, []string{"struct {} is not a pointer to a struct"}},
		{"a nil pointer", (*missing)(nil), []string{"*weld_test.missing is not a pointer to a struct"}},
		{"a pointer to another", new(int), []string{"*int is not a pointer to a struct"}},
		{"missing symbols", &missing{}, []string{"2 undefined symbols: ", "box_one (" + lib.Path + ")", "box_two@BOX_2 ("}},
		{"a word", &struct {
			Add func() `sym:"box_add,fast"`
		}{}, []string{`field Add: unknown word "fast" in its tag`}},
		{"a private field", &struct {
			add func() `sym:"box_add"`
		}{}, []string{"field add is not exported"}},
		{"a type", &struct {
			Add int `sym:"box_add"`
		}{}, []string{"field Add: a int cannot stand for a symbol"}},
		{"a signature", &struct {
			Add func(chan int) `sym:"box_add,optional"`
		}{}, []string{"argument #1 chan int"}},
		{"several", &struct {
			Add func(chan int) `sym:"box_add"`
			One func()         `sym:"box_one"`
		}{}, []string{"undefined symbol box_one", "argument #1 chan int"}},
	} {
		err := weld.Bind(lib, c.dst)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %q", c.name, want, err)
			}
		}
		if v := reflect.ValueOf(c.dst); v.Kind() == reflect.Pointer && !v.IsNil() && !v.Elem().IsZero() {
			t.Errorf("%s: the error has changed it to %+v", c.name, c.dst)
		}
	}
	var m missing
	var u *weld.UndefinedError
	if err := weld.Bind(lib, &m); !errors.As(err, &u) || len(u.Symbols) != 2 || !errors.Is(err, weld.ErrNotFound) {
		t.Errorf("%v", err)
	} else if s := u.Symbols[1]; s.Name != "box_two" || s.Version != "BOX_2" || s.Library != lib.Path {
		t.Errorf("the second is %+v", s)
	}
}

func TestFuncErrors(t *testing.T) {
	d := fixtures(t)
	lib := openAt(t, d.Join("libbox.so"))
	defer closeLib(t, lib)
	isSignature := func(err error) bool { return errors.As(err, new(*weld.SignatureError)) }
	isSymbol := func(err error) bool {
		return errors.As(err, new(*weld.SymbolError)) && errors.Is(err, weld.ErrNotFound)
	}
	s, err := lib.Lookup("box_add")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		err  error
		is   func(error) bool
	}{
		{"no func", second(weld.Func[int](lib, "box_add")), isSignature},
		{"a map", second(weld.Func[func(map[int]int)](lib, "box_add")), isSignature},
		{"two results", second(weld.Func[func() (int, int)](lib, "box_add")), isSignature},
		{"a version", second(weld.Func[func()](lib, "box_add", weld.Version("BOX_2"))), isSymbol},
		{"a name", second(weld.Func[func()](lib, "box_sub")), isSymbol},
		{"FuncAt", second(weld.FuncAt[func(any)](s.Addr)), isSignature},
		{"MakeFunc", second(weld.MakeFunc(s.Addr, reflect.TypeFor[string]())), isSignature},
		{"MakeFunc(nil)", second(weld.MakeFunc(s.Addr, nil)), isSignature},
		{"NewCallback", second(weld.NewCallback(func(...any) {})), isSignature},
		{"NewCallback(int)", second(weld.NewCallback(1)), isSignature},
		{"NewCallback(nil)", second(weld.NewCallback(nil)), isSignature},
		{"NewCallback(nil func)", second(weld.NewCallback((func())(nil))), isSignature},
	} {
		if c.err == nil || !c.is(c.err) {
			t.Errorf("%s: %v (%T)", c.name, c.err, c.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestClosedCallback(t *testing.T) {
	d := fixtures(t)
	lib := openAt(t, d.Join("libbox.so"))
	defer closeLib(t, lib)
	call, err := weld.Func[func(f uintptr, a int32) int32](lib, "box_call")
	if err != nil {
		t.Fatal(err)
	}
	cb, err := weld.NewCallback(func(a int32) int32 { return -a })
	if err != nil {
		t.Fatal(err)
	}
	if got := call(cb.Addr(), 8); got != -8 {
		t.Errorf("the callback returned %d", got)
	}
	if err := cb.Close(); err != nil {
		t.Error(err)
	}
	if err := cb.Close(); err != weld.ErrClosed {
		t.Errorf("the second Close: %v", err)
	}
	v := panicOf(func() { call(cb.Addr(), 8) })
	if e, ok := v.(*weld.CallbackError); !ok || e.Addr == 0 {
		t.Errorf("the call of a closed callback panics with %v", v)
	} else if at, ok := weld.FindAddr(e.Addr); !ok || at.Library != lib || at.Symbol != "box_call" {
		t.Errorf("its caller is %+v", at)
	}
}
