package live

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"weld/native"
)

// After fork (that of the C library: vfork and posix_spawn have no child that goes on, _Fork and clone ask nobody) the child
// has the memory of the objects as it was, in copies, so it calls their code and unwinds through it whatever the parent does
// with the file. The parent goes on when these are made, so fork takes longer by a copy of what is in use. The child has
// no alias, and cannot change the objects: with Go in it, their methods return ErrForked.

// objects are those there are. A fork locks them all.
var objects objectSet

type objectSet struct {
	mu sync.Mutex
	m  map[*Object]bool
}

func init() {
	s := &objects
	native.WatchForks(&native.ForkWatcher{Before: s.beforeFork, After: s.afterFork, Child: s.inChild})
}

// dontFork is the advice that a child does not get a mapping (madvise(2)).
const dontFork = 10

func (s *objectSet) add(o *Object) {
	native.HandleForks()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[*Object]bool{}
	}
	s.m[o] = true
}

func (s *objectSet) remove(o *Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, o)
}

// beforeFork locks all, from the outside in, and returns what is a file's of the memory of objects.
func (s *objectSet) beforeFork() (list []native.ForkCopy) {
	s.mu.Lock()
	for o := range s.m {
		o.mu.Lock()
		if !o.shut.Load() && !o.forked {
			list = o.copies(list)
		}
	}
	cObjects.Lock()
	for _, c := range cObjects.m {
		c.mu.Lock()
	}
	swept.Lock()
	named.mu.Lock()
	return list
}

// copies appends the mappings of the object's file. The object is locked. One whose file was truncated has no memory to copy.
func (o *Object) copies(list []native.ForkCopy) []native.ForkCopy {
	if errors.Is(o.file.check(), ErrTruncated) {
		return list
	}
	for i := range o.regions {
		r := &o.regions[i]
		if r.prot == 0 || !r.file {
			continue
		}
		for _, c := range r.chunks {
			if c.mapped > 0 {
				list = append(list, native.ForkCopy{Addr: o.base + uintptr(c.at), Size: uintptr(c.mapped), Prot: r.prot})
			}
		}
	}
	return list
}

func (s *objectSet) afterFork() {
	named.mu.Unlock()
	swept.Unlock()
	for _, c := range cObjects.m {
		c.mu.Unlock()
	}
	cObjects.Unlock()
	for o := range s.m {
		o.mu.Unlock()
	}
	s.mu.Unlock()
}

// inChild makes the locks anew: who waited for one is not there, and must not be handed it.
func (s *objectSet) inChild() {
	named = fileSet{m: map[*file]bool{}}
	swept.Mutex = sync.Mutex{}
	for _, c := range slices.Collect(maps.Values(cObjects.m)) {
		c.mu = sync.Mutex{}
	}
	cObjects.RWMutex = sync.RWMutex{}
	for o := range s.m {
		o.mu = sync.Mutex{}
		o.forked = true
	}
	s.mu = sync.Mutex{}
}
