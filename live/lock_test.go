package live

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"weld/internal/rtld"
	"weld/internal/testenv"
)

// TestCommitMeetsLoader has the run-time linker's lock with somebody who uses the object that is committed, as a resolver or what
// decides of interpositions does that generates code: neither waits for the other for ever, and nothing is lost.
func TestCommitMeetsLoader(t *testing.T) {
	o := newObject(t, Options{})
	emit(t, o, "first", returns(1))
	check(t, o.Commit())
	seq := o.Seq()
	b := emit(t, o, "second", returns(2))
	done := make(chan error)
	rtld.LockLive()
	go func() { done <- o.Commit() }()
	select {
	case err := <-done:
		t.Fatalf("it is committed while the run-time linker is locked: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	check(t, o.Bind("third", b)) // it has the object's lock to give
	if o.Seq() != seq {
		t.Error("something is published")
	}
	if _, err := o.Lookup("second"); err == nil {
		t.Error("what is to be committed is found")
	}
	emit(t, o, "fourth", returns(4))
	check(t, o.Commit()) // the goroutine may lock it again
	verify(t, o)
	rtld.UnlockLive()
	check(t, <-done)
	for _, name := range []string{"first", "second", "third", "fourth"} {
		if _, err := o.Lookup(name); err != nil {
			t.Error(err)
		}
	}
	verify(t, o)
	readelf(t, o)
}

// TestCommitsMeet commits from several goroutines while the lock comes and goes.
func TestCommitsMeet(t *testing.T) {
	objects := []*Object{newObject(t, Options{Memory: true}), newObject(t, Options{Memory: true})}
	each, workers := 400, 3
	if testenv.Race {
		each = 100
	}
	var all sync.WaitGroup
	stop := make(chan bool)
	locker := make(chan bool)
	go func() {
		defer close(locker)
		for {
			select {
			case <-stop:
				return
			default:
			}
			rtld.LockLive()
			time.Sleep(50 * time.Microsecond)
			rtld.UnlockLive()
			time.Sleep(50 * time.Microsecond)
		}
	}()
	for w := range workers {
		all.Go(func() {
			for i := range each {
				o := objects[(w+i)%len(objects)]
				b, err := o.Alloc(16, 16, Text)
				if err == nil {
					err = b.Write(0, returns(uint32(i)))
				}
				if err == nil {
					err = o.Bind(fmt.Sprintf("f%d_%d", w, i), b)
				}
				if err == nil {
					err = o.Commit()
				}
				if err == nil {
					_, err = o.Lookup(fmt.Sprintf("f%d_%d", w, i))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	<-locker
	n := 0
	for _, o := range objects {
		n += o.Usage().Symbols
		verify(t, o)
	}
	if n != each*workers {
		t.Errorf("%d symbols, wanted %d", n, each*workers)
	}
}
