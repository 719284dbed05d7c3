package native

// LazyBinder finds the target of a lazily bound call: object is the value of GOT[1], index that of the relocation in
// DT_JMPREL, caller the address after the call. rtld sets it. It may panic: then the call does not happen.
var LazyBinder func(object, index, caller uintptr) (target uintptr)

func serveLazy(u Upcall) {
	u.SetResult(LazyBinder(u.Arg(0), u.Arg(1), u.Arg(2)))
}
