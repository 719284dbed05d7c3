// Package ctype knows the types of C symbols: it reads them from DWARF and BTF, brings them into a form that can be compared
// whatever compiler made them, and says in words how two differ, or how a Go func type differs from a C function.
//
//	in, err := ctype.Open("libz.so.1", nil)
//	k, err := in.Lookup(ctype.Query{Name: "crc32", Addr: sym.Value, Type: sym.Type()})
//	fmt.Println(k.Type)                          // unsigned long (unsigned long, const unsigned char *, unsigned int)
//	sig, err := ctype.SignatureOf(k.Type)        // fn(u64,*u8,u32)u64
//	err = ctype.Check(k.Type, reflect.TypeFor[func(uint64, []byte, uint32) uint64](), ctype.Call)
//
// # Reading
//
// DWARF 4 and 5 (and 2 and 3, as far as they say the same) of 64-bit little-endian ELF files: units of types, split files
// (.dwo, .dwp), what dwz has moved to a supplementary file, sections compressed with zlib or zstd, separate files of
// debugging information by build-id or .gnu_debuglink, and relocatable objects. BTF where there is no DWARF. Nothing is read before the
// first Lookup, which reads whole sections, and what it takes to find a symbol: .debug_aranges or
// the unit entries lead to a unit, and its outermost level to the function. Only names, and variables, need a look at all
// units. What was found is kept.
//
// The input is not trusted: every offset is checked, work and memory are bounded by the size of the sections, and those by
// Options.MaxBytes. Damage is a *FormatError that names the file, the section and the offset.
//
// # Signatures
//
// A signature is a text, and a hash of it, that is the same for the same declaration whether gcc or clang has compiled it,
// in DWARF 4 or 5, with or without optimisation. These are its rules; TestChanges has each of the changes below.
//
//   - Arithmetic types are kind and bits: b8, s32, u64, f64, f80x (long double of x86), f128, cf64 (double _Complex). long and
//     long long are the same, so are char and signed char where char is signed.
//   - typedef, const, volatile, restrict and _Atomic are dropped.
//   - An enum is e and its bits.
//   - A pointer is * and what it points to. Of a struct or union that is its tag, never its members, so that one that is
//     declared only is the same as one that is described. One without a tag is <anon>, also if a typedef names it.
//   - A struct by value (a parameter, a result, a variable, a member of such) is its layout: for each member @offset, in
//     bits, :width if it is a bit-field, and type; then the size, and the alignment if more was asked for than the members
//     have. A union begins with |. Tags and names are dropped. The second of the same layout is # and a number.
//   - An array is [n], [] if it is flexible, variable or of length 0. The length of a variable that is an array is dropped, as its
//     declaration may leave it out. A vector is vec(n,type).
//   - A parameter that is a union of pointers is *void, which is how it is passed.
//   - A function is fn(parameters)result, with ... for variable arguments, and a calling convention if it has one of its own. One
//     without a prototype has no signature; a pointer to such is *fn(?)result.
//   - C++: references are pointers, classes structs, a class whose copying is not trivial is byref and the pointer it is passed as: clang says which those are,
//     with gcc the constructors that are declared do.
//   - Rust: an enum with data has none; c_void and () are void. Of languages that do not call as C does, no function has one.
//
// What a change to a declaration does:
//
//	change                                               told by a signature
//	 1 parameter added, 2 removed, 3 two exchanged       yes, unless of the same type
//	 4 int to long, 5 long to int, 6 short to int        yes
//	 7 int to unsigned, 8 char to unsigned char          yes
//	 9 long to long long                                 no: the same in the psABI
//	10 float to double, 11 double to long double         yes
//	12 int to float, 13 int to bool                      yes
//	14 long double to _Float128                          yes: of one size, but passed differently
//	15 int to enum, 16 enum to another enum              yes; no: the values are not the type's
//	17 enum widened, 18 enumerator added                 yes; no
//	19 result changed, 20 result to void                 yes
//	21 const, 22 volatile, 23 restrict dropped           no: the same in the psABI
//	24 pointer to value, 25 pointer to pointer           yes
//	26 pointee int to long, 27 void * to int *           yes
//	28 pointer to another struct                         yes, by its tag
//	29 member added to a struct pointed to               no: Diff tells it
//	30 member added, 32 of another type                  yes, if by value
//	31 two members exchanged                             yes, if by value and not of the same type
//	33 member renamed, 34 struct renamed                 no, if by value; 34 yes if pointed to
//	35 bit-field widened, 36 packed, 37 aligned          yes, if by value
//	38 array length in a struct                          yes, if by value
//	39 variable arguments added                          yes
//	40 callback's argument, 41 its result                yes
//	42 calling convention                                yes from clang; gcc does not write it down
//	43 typedef for the same type, 44 parameter renamed   no
//	45 length of an array that is a variable             no: Diff tells it
//
// BTF has neither calling conventions, nor alignments that were asked for, nor arrays of several dimensions, and says nothing
// of symbols' addresses: the signatures of such types differ from those of DWARF.
package ctype
