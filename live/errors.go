package live

import (
	"errors"
	"strings"
)

// Reasons that errors.Is finds in an *Error.
var (
	ErrBound     = errors.New("the name is bound already")
	ErrNotFound  = errors.New("not found")
	ErrFreed     = errors.New("the block is freed")
	ErrForeign   = errors.New("the block belongs to another object")
	ErrKind      = errors.New("not possible for this kind of memory")
	ErrRange     = errors.New("out of range")
	ErrAlign     = errors.New("the alignment is not a power of two, or too large")
	ErrName      = errors.New("the name is empty, too long or has a NUL")
	ErrLines     = errors.New("the line table is not in order")
	ErrUnwind    = errors.New("the description of the frame is not valid")
	ErrClosed    = errors.New("the object is closed")
	ErrFull      = errors.New("the address range of the object is full")
	ErrNoMemory  = errors.New("the kernel gives no memory or no address range")
	ErrNoSpace   = errors.New("no space for the file")
	ErrFolder    = errors.New("the folder cannot be used")
	ErrTruncated = errors.New("the file was truncated by someone else")
	ErrInUse     = errors.New("the object is in use")
	ErrUndefined = errors.New("a name that is imported is not defined")
	ErrLoader    = errors.New("the run-time linker does not take the object")
	// ErrForked is what all that changes an object returns in a child of fork.
	ErrForked   = errors.New("the object belongs to the process that has forked this one")
	ErrArgument = errors.New("an argument is not valid")
	ErrNoBlock  = errors.New("no block of the object is there")
	ErrDeleted  = errors.New("the file was deleted by someone else")
)

// Error is what every function of this package returns: what was being done, to what, and why it cannot be.
type Error struct {
	Op     string // alloc, bind, commit...
	Object string // the name of the object
	Symbol string // the name that it is about, "" if about none
	Path   string // the file or folder that it is about, "" if about none
	Detail string // numbers, "" if there are none
	Reason error  // one of the Err variables
	Err    error  // the cause, such as a syscall.Errno; nil if there is none
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("live: ")
	b.WriteString(e.Op)
	if e.Symbol != "" {
		b.WriteString(" " + e.Symbol)
	}
	if e.Object != "" {
		b.WriteString(" in " + e.Object)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	b.WriteString(": " + e.Reason.Error())
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}
