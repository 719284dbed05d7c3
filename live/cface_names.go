package live

import (
	"fmt"

	"weld/native"
)

// cImported is struct dlimported.
type cImported struct{ slot, plt uintptr }

func cImport(u native.Upcall) error {
	const op = "import"
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	name, flags, to := native.String(u.Arg(1)), uint32(u.Arg(2)), u.Arg(4)
	fail := func(detail string) error {
		return &Error{Op: op, Object: c.o.name, Symbol: name, Reason: ErrArgument, Detail: detail}
	}
	var opts []BindOption
	switch {
	case flags&^cWeak != 0:
		return fail(fmt.Sprintf("flags %#x", flags))
	case to == 0:
		return fail("the result is to go to NULL")
	case flags != 0:
		opts = append(opts, Weak)
	}
	if v := u.Arg(3); v != 0 {
		if native.String(v) == "" {
			return fail("the version has no name")
		}
		opts = append(opts, Version(native.String(v)))
	}
	m, err := c.o.Import(name, opts...)
	if err != nil {
		return err
	}
	*(*cImported)(native.Pointer(to)) = cImported{m.Slot(), m.PLT()}
	return nil
}

func cRename(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	var opts []BindOption
	switch flags := uint32(u.Arg(3)); flags {
	case 0:
	case cReplace:
		opts = append(opts, Replace)
	default:
		return &Error{Op: "rename", Object: c.o.name, Reason: ErrArgument, Detail: fmt.Sprintf("flags %#x", flags)}
	}
	return c.o.Rename(native.String(u.Arg(1)), native.String(u.Arg(2)), opts...)
}

func cSave(u native.Upcall) error {
	c, err := cHandle(u)
	if err != nil {
		return err
	}
	path := native.String(u.Arg(1))
	if path == "" {
		return &Error{Op: "save", Object: c.o.name, Reason: ErrArgument, Detail: "the path is empty"}
	}
	return c.o.Save(path)
}
