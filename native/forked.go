package native

func orphanEntries(p *[1]uintptr)

var orphanEntry = func() (e struct{ fail uintptr }) {
	var a [1]uintptr
	orphanEntries(&a)
	e.fail = a[0]
	return e
}()

// OrphanFail is for Thunk.OnOrphan: a function that returns -1.
func OrphanFail() uintptr { return orphanEntry.fail }
