package cproto

import "sync"

// scalar is shorthand for the tables below.
func scalar(k Kind, name string, size uintptr, signed bool) Type {
	return Type{Kind: k, Name: name, Size: size, Align: size, Signed: signed}
}

// predefined has the type names that are known without description. The integer ones are those of <stdint.h>,
// <stddef.h>, <sys/types.h> and their neighbours, where glibc and musl agree on x86-64. (They do not on
// int_fast16_t and int_fast32_t, which are therefore not here.)
var predefined = sync.OnceValue(func() map[string]*Type {
	m := map[string]*Type{}
	ints := func(size uintptr, signed bool, names ...string) {
		for _, n := range names {
			t := scalar(Int, n, size, signed)
			m[n] = &t
		}
	}
	ints(1, true, "int8_t", "int_least8_t", "int_fast8_t")
	ints(1, false, "uint8_t", "uint_least8_t", "uint_fast8_t", "u_int8_t", "u_char", "char8_t")
	ints(2, true, "int16_t", "int_least16_t")
	ints(2, false, "uint16_t", "uint_least16_t", "u_int16_t", "u_short", "ushort", "char16_t", "sa_family_t", "in_port_t")
	ints(4, true, "int32_t", "int_least32_t", "wchar_t", "pid_t", "key_t", "clockid_t", "sig_atomic_t")
	ints(4, false, "uint32_t", "uint_least32_t", "u_int32_t", "u_int", "uint", "char32_t", "wint_t", "mode_t", "uid_t",
		"gid_t", "id_t", "socklen_t", "useconds_t", "in_addr_t")
	ints(8, true, "int64_t", "int_least64_t", "int_fast64_t", "intmax_t", "intptr_t", "ptrdiff_t", "ssize_t", "off_t",
		"off64_t", "loff_t", "time_t", "clock_t", "suseconds_t", "blksize_t", "blkcnt_t", "quad_t")
	ints(8, false, "uint64_t", "uint_least64_t", "uint_fast64_t", "u_int64_t", "uintmax_t", "uintptr_t", "size_t", "rsize_t", "dev_t",
		"ino_t", "ino64_t", "nlink_t", "u_long", "ulong", "nfds_t", "rlim_t", "pthread_t", "u_quad_t", "fsblkcnt_t", "fsfilcnt_t")

	b := scalar(Bool, "bool", 1, false)
	m["bool"] = &b

	pair := func(name string, elem Type) {
		t := Type{Kind: Struct, Name: name, Fields: []Field{{Name: "quot", Type: elem}, {Name: "rem", Type: elem}}}
		t.layout()
		m[name] = &t
	}
	pair("div_t", scalar(Int, "int", 4, true))
	pair("ldiv_t", scalar(Int, "long", 8, true))
	pair("lldiv_t", scalar(Int, "long long", 8, true))
	return m
})

// word is what an identifier means at the beginning of a declaration.
type word uint8

const (
	wName      word = iota // a type name or a declared name
	wType                  // a part of a basic type
	wTag                   // struct, union, enum
	wConst                 // qualifiers
	wVolatile              //
	wRestrict              //
	wStorage               // has no part in the type and is passed over
	wAttribute             // __attribute__
	wAsm                   // an assembler name
	wReserved              // cannot stand in a prototype
)

var words = sync.OnceValue(func() map[string]word {
	m := map[string]word{}
	add := func(w word, names ...string) {
		for _, n := range names {
			m[n] = w
		}
	}
	add(wType, "void", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "_Bool", "_Complex",
		"__signed__", "__signed", "__complex__", "__complex", "complex", "__int128", "__int128_t", "__uint128_t")
	add(wTag, "struct", "union", "enum")
	add(wConst, "const", "__const", "__const__")
	add(wVolatile, "volatile", "__volatile", "__volatile__")
	add(wRestrict, "restrict", "__restrict", "__restrict__")
	add(wStorage, "extern", "static", "inline", "__inline", "__inline__", "register", "_Noreturn", "__extension__")
	add(wAttribute, "__attribute__", "__attribute")
	add(wAsm, "asm", "__asm", "__asm__")
	add(wReserved, "typedef", "auto", "_Thread_local", "_Atomic", "_Alignas", "_Alignof", "_Generic", "_Imaginary",
		"_Static_assert", "__typeof__", "__typeof", "typeof", "_Float16", "_Float32", "_Float64", "_Float128", "_Float32x", "_Float64x",
		"__float128", "_BitInt", "_Decimal32", "_Decimal64", "_Decimal128", "sizeof", "return", "if", "else", "for", "while", "do", "switch",
		"case", "default", "break", "continue", "goto", "class", "template", "namespace", "operator")
	return m
})

// layoutAttributes are the attributes (without underscores) that change how a type is laid out or passed, so that
// passing over them would make a wrong call.
var layoutAttributes = map[string]bool{
	"packed": true, "aligned": true, "vector_size": true, "mode": true, "ms_abi": true, "ms_struct": true,
	"transparent_union": true, "scalar_storage_order": true, "warn_if_not_aligned": true, "regcall": true, "vectorcall": true,
	"preserve_most": true, "preserve_all": true, "swiftcall": true, "ext_vector_type": true, "address_space": true,
}
