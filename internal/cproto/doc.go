// Package cproto reads C function prototypes, as a person types them on a command line or copies them from a manual
// page, and turns text into the values such a function takes.
//
// [Parse] knows the declarators of ISO C (C11 6.7), the integer and floating types of the x86-64 psABI in every
// spelling and order, the fixed-width and POSIX type names, structs and unions whose members are written out, and
// whatever is behind a pointer. It lays structs out by the rules of the System V x86-64 psABI (section 3.1.2). A name it does not know
// is an error unless the value it describes is only pointed to.
//
// [ParseArg] and [ParseVarArg] make a [Value] of an argument's text, and [Prototype.GoType] gives the Go function type
// under which the function can be called. Nothing in this package calls native code.
//
// All functions may be used by several goroutines at once; a [Value] belongs to one goroutine at a time.
package cproto
