//go:build !cgo

#include "textflag.h"

// In a static executable debuggers look for these names, which have no package prefix.
#define RECORD _r_debug
#define STATE  _dl_debug_state

#include "rendezvous_amd64.h"
