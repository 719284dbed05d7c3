package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// recorder is a loader that notes what it is told.
type recorder struct {
	log    []string
	refuse string
	seq    uint64
	locked int
}

func (r *recorder) say(what string) error {
	r.log = append(r.log, what)
	if what == r.refuse {
		return errors.New("refused")
	}
	return nil
}

func (r *recorder) Lock()                  { r.locked++ }
func (r *recorder) TryLock() bool          { r.locked++; return true }
func (r *recorder) Unlock()                { r.locked-- }
func (r *recorder) attach(o *Object) error { return r.say("attach " + o.Name()) }
func (r *recorder) detach(o *Object) error { return r.say("detach " + o.Name()) }
func (r *recorder) detached()              { r.say("detached") }
func (r *recorder) follows() bool          { return true }

func (r *recorder) definers(_ *Object, list []*Import) []definer { return make([]definer, len(list)) }

func (r *recorder) prepare(o *Object, c *committed) error {
	var list []string
	for _, s := range c.symbols {
		at := func(s Symbol) string {
			if s.Addr == 0 {
				return "-"
			}
			return fmt.Sprintf("%s:%d", s.Name, s.Size)
		}
		list = append(list, at(s.was)+">"+at(s.now))
	}
	slices.Sort(list)
	return r.say("prepare " + strings.Join(list, " "))
}

func (r *recorder) published(o *Object, c *committed) error {
	if c.seq != o.Seq() || r.locked != 1 {
		r.say("wrong")
	}
	for _, s := range c.symbols {
		if now, err := o.Lookup(s.now.Name); s.now.Addr != 0 && (err != nil || now != s.now) {
			r.say("not published: " + s.now.Name)
		}
	}
	r.seq = c.seq
	return nil
}

func TestLoader(t *testing.T) {
	r := &recorder{}
	o, err := create("test", Options{Folder: t.TempDir()}, r)
	check(t, err)
	a := emit(t, o, "a", returns(1))
	check(t, o.Bind("b", a, Size(5)))
	check(t, o.Commit())
	check(t, o.Bind("b", a, Size(6), Replace))
	check(t, o.Rename("a", "c"))
	r.refuse = "prepare ->c:11 a:11>- b:5>b:6"
	seq := o.Seq()
	if err := o.Commit(); !errors.Is(err, ErrLoader) {
		t.Error(err)
	}
	if s, err := o.Lookup("b"); err != nil || s.Size != 5 || o.Seq() != seq {
		t.Errorf("%v, %v: what was refused is there", s, err)
	}
	verify(t, o)
	r.refuse = ""
	check(t, o.Commit())
	check(t, a.Free())
	check(t, o.Commit())
	verify(t, o)
	check(t, o.Close())
	want := []string{
		"attach test", "prepare ->a:11 ->b:5", "prepare ->c:11 a:11>- b:5>b:6", "prepare ->c:11 a:11>- b:5>b:6",
		"prepare b:6>- c:11>-", "detach test", "detached",
	}
	if !slices.Equal(r.log, want) {
		t.Errorf("got %q\nwanted %q", r.log, want)
	}
	dir := t.TempDir()
	if _, err := create("test", Options{Folder: dir}, &recorder{refuse: "attach test"}); !errors.Is(err, ErrLoader) {
		t.Error(err)
	}
	if got := files(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
}
