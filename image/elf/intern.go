package elf

import "sync/atomic"

// Libraries are opened again and again, and all of them name the same few
// libraries and versions: the strings that such names were made into are kept
// for the next time, the last one in each place of a table.

const (
	nameBits = 11
	longName = 64 // longer ones are not kept
)

var names [1 << nameBits]atomic.Pointer[string]

// intern returns string(b).
func intern(b []byte) string {
	if len(b) > longName {
		return string(b)
	}
	var h uint64 // such names differ at their end
	if len(b) >= 8 {
		h = le.Uint64(b[len(b)-8:])
	} else {
		for _, c := range b {
			h = h<<8 | uint64(c)
		}
	}
	h = (h ^ uint64(len(b))) * 0x9e3779b97f4a7c15
	place := &names[h>>(64-nameBits)]
	if s := place.Load(); s != nil && *s == string(b) {
		return *s
	}
	s := string(b)
	place.Store(&s)
	return s
}
