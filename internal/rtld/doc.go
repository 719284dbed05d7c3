// Package rtld is the run-time linker: it loads images into the process, binds them, initialises them and takes them
// out again. It knows images only; where they come from and what code calls them is the business of other packages.
//
// The way of one load is: search, open, check the headers, map, read and check the tables (load.go), plan order and
// scopes and check versions (plan.go, closure.go), relocate (binder.go, reloc.go, lookup.go, tls.go, lazy.go), protect
// (map.go), publish to debuggers (linkmap.go), initialise (init.go). Nothing is written to, and nobody knows of it,
// before the whole closure has been read and checked, and a failure at any step undoes all of it. close.go is the way
// back. dlfcn.go serves what loaded code asks of its run-time linker. A Tracer (trace.go) sees all of that.
//
// Locks (lock.go). linker.mu guards everything that opening and closing changes; it may be taken again by the goroutine
// that holds it, since a resolver of an IFUNC may call dlopen. It is not held while initialisers and finalisers run,
// unless a resolver has opened something: the open that it interrupts is half done. Lookups take scopes.RLock only: what
// they read is replaced, never changed, and an object is unmapped after a write lock has let all lookups that saw it
// finish. Who needs an object for longer holds it (Object.hold).
package rtld
