package live

// Loader is told of what is done to an object by the run-time linker that finds it for others. Its functions are called with
// the object locked; they may use Base, Size, Path, Name, Program, Dynamic and EhFrameHdr, Lookup, LookupVersion, FindAddr
// and Symbols.
type Loader interface {
	// Attach is called when the object is made, mapped, and valid. If it fails, so does New.
	Attach(o *Object) error
	// Prepare is called before a commit changes anything that others see. If it fails nothing has changed.
	Prepare(o *Object, c *Change) error
	// Published is called when what was committed is there for all, and the file says so.
	Published(o *Object, c *Change)
	// Detach is called before the object is unmapped.
	Detach(o *Object)
}

// Change is what a commit does.
type Change struct {
	Seq     uint64
	Symbols []SymbolChange
	Dynamic uintptr // address of .dynamic: a new one, if Moved
	Moved   bool
}

// SymbolChange is what becomes of a name: Was is zero if it was not bound before, Now if it is not any more. A name that has
// other versions, or was given by Rename, is a change for each.
type SymbolChange struct {
	Was, Now Symbol
}

// Program returns the address of the program headers, which is another one after some commits, and how many there are. The
// object must be locked.
func (o *Object) Program() (addr uintptr, n int) {
	return o.base + uintptr(o.heads.phdrs.off), len(o.heads.progs)
}

// Dynamic returns the address of .dynamic, which is another one after some commits. The object must be locked.
func (o *Object) Dynamic() uintptr { return o.base + uintptr(o.dyn.dynamic.off) }

// EhFrameHdr returns the address of .eh_frame_hdr, which is another one after some commits. The object must be locked.
func (o *Object) EhFrameHdr() uintptr { return o.base + uintptr(o.eh.hdr.off) }
