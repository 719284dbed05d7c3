package live

import (
	"errors"
	"iter"
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
	if errors.Is(o.file.check(), ErrTruncated) {
		return o.truncated(op)
	}
	err = o.guard(op, func() error {
		o.dyn.resort = !o.dyn.sorted || o.dyn.dead > 0
		defer func() { o.dyn.resort = false }()
		return o.publish(op, func() bool { return true })
	})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fail(err)
	}
	err = o.guard(op, func() error {
		end := uint64(0)
		for i := range o.regions {
			r := &o.regions[i]
			for _, c := range r.chunks {
				if !r.file {
					continue
				}
				end = max(end, c.off+c.mapped)
				for at, n := range r.parts(c) {
					if _, err := f.WriteAt(o.bytes(at, n), int64(c.off+at-c.at)); err != nil {
						return err
					}
				}
			}
		}
		if err := f.Truncate(int64(end)); err != nil {
			return err
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

// parts yields where a chunk of the file has something, and how many bytes.
func (r *region) parts(c *chunk) iter.Seq2[uint64, uint64] {
	return func(yield func(at, n uint64) bool) {
		if r.kind < numKinds {
			yield(c.at, c.mapped)
			return
		}
		end := c.mapped / page
		for i := uint64(0); i < end; i++ {
			from := i
			for i < end && c.backed.has(i) {
				i++
			}
			if i > from && !yield(c.at+from*page, (i-from)*page) {
				return
			}
		}
	}
}
