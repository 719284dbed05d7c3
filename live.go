package weld

import (
	"reflect"

	"weld/internal/rtld"
)

// Packages above this one get at what its types stand for.
func init() {
	rtld.Faces.Namespace = func(ns any) *rtld.Namespace {
		if n, _ := ns.(*Namespace); n != nil {
			return n.ns
		}
		return rtld.Default
	}
	rtld.Faces.Object = func(lib any) *rtld.Object { return lib.(*Library).obj }
	rtld.Faces.Library = func(o *rtld.Object) any { return libraryOf(o) }
}

// keyOf returns what tells a function from the others of the library. That of a live object is known by its name.
func (l *Library) keyOf(s *Symbol, t reflect.Type, o FuncOption) funcKey {
	if of := rtld.FindObject(s.Addr); of != nil && of.IsLive() {
		return funcKey{typ: t, leaf: o.leaf, name: s.Name + "@" + s.Version}
	}
	return funcKey{addr: s.Addr, typ: t, leaf: o.leaf}
}

// follow has a function of a live object go where its name does when that is bound anew.
func (l *Library) follow(key funcKey, s *Symbol) {
	of := rtld.FindObject(s.Addr)
	if of == nil || !of.IsLive() {
		return
	}
	of.FollowLive(s.Name, s.Version, s.Addr, func(addr uintptr) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if f := l.funcs[key]; f != nil {
			f.SetAddr(addr)
		}
	})
}
