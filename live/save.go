package live

import (
	"os"
	"path/filepath"
)

// Save commits, and writes a copy of the object's file with that name, replacing one that is there: to be kept, opened by
// weld.Open or dlopen in any process, and given to tools. Data has the values of the last commit before which it
// was written. The error is one of Commit's, or an *Error with ErrFolder.
func (o *Object) Save(path string) error {
	const op = "save"
	unlock, err := o.lockAll(op)
	if err != nil {
		return err
	}
	defer unlock()
	fail := func(err error) error {
		return &Error{Op: op, Object: o.name, Path: path, Reason: ErrFolder, Err: err}
	}
	err = o.guard(op, func() error {
		o.dyn.resort = !o.dyn.sorted || o.dyn.dead > 0
		defer func() { o.dyn.resort = false }()
		return o.publish(op)
	})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fail(err)
	}
	err = o.guard(op, func() error {
		for i := range o.regions {
			for _, c := range o.regions[i].chunks {
				if !o.regions[i].file {
					continue
				}
				if _, err := f.WriteAt(o.bytes(c.at, c.mapped), int64(c.off)); err != nil {
					return err
				}
			}
		}
		return f.Chmod(0o755)
	})
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fail(err)
	}
	return nil
}
