package module_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"weld/link"
	"weld/module"
)

const greeter = `
const char *host_name(void);
int host_print(const char *format, const char *name);
int greet(int times)
{
	int n = 0;
	while (times-- > 0)
		n += host_print("hello, %s", host_name());
	return n;
}
`

// What a module sees of its host are the functions that it is given, checked by type. The module is compiled and linked here; a
// program reads one from a file: gcc -g -fPIC -c greeter.c && weld link --module -o greeter.so greeter.o
func Example() {
	data, err := compileModule(greeter)
	if err != nil {
		log.Fatal(err)
	}
	name := []byte("gopher\x00")
	var host module.Exports
	defer host.Close()
	host.Func("const char *host_name(void)", func() *byte { return &name[0] })
	host.Func("host_print", func(format *byte, name int64) int32 { return 1 }) // not what the module wants

	r := bytes.NewReader(data)
	_, err = module.Load(r, r.Size(), &host, &module.Options{Name: "greeter", MaxSize: 1 << 20})
	fmt.Println(err)

	var right module.Exports
	defer right.Close()
	right.Func("const char *host_name(void)", func() *byte { return &name[0] })
	right.Func("host_print", func(format, name *byte) int32 {
		fmt.Println("the module prints")
		return 1
	})
	m, err := module.Load(r, r.Size(), &right, &module.Options{Name: "greeter"})
	if err != nil {
		log.Fatal(err)
	}
	greet, err := module.Import[func(times int32) int32](m, "greet")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(greet(2))
	_, err = module.Import[func(times int64) int32](m, "greet")
	fmt.Println(err != nil)
	for _, s := range m.Imports() {
		fmt.Println(s.Signature.Text)
	}
	fmt.Println(m.Free(), errors.Is(m.Free(), module.ErrFreed))
	// Output:
	// module greeter: 1 import cannot be bound:
	// host_print: of another type: argument 2: C passes const char *, Go takes int64, which is no pointer
	// 	module: int host_print(const char *, const char *)
	// 	host:   Go func(*uint8, int64) int32
	// the module prints
	// the module prints
	// 2
	// true
	// fn()*s8
	// fn(*s8,*s8)s32
	// <nil> true
}

func compileModule(source string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "module")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	src, object := filepath.Join(dir, "m.c"), filepath.Join(dir, "m.o")
	if err := os.WriteFile(src, []byte(source), 0o666); err != nil {
		return nil, err
	}
	if msg, err := exec.Command("gcc", "-g", "-fPIC", "-c", src, "-o", object).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, msg)
	}
	res, err := link.Link(context.Background(), link.Options{Inputs: []link.Input{{Path: object}}, Module: true, Strip: link.StripAll})
	if err != nil {
		return nil, err
	}
	return res.Data, nil
}
