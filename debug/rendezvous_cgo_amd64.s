//go:build cgo

#include "textflag.h"

// With cgo the executable is linked with a C library that may define the names debuggers look for.
#define RECORD weld_r_debug
#define STATE  weld_dl_debug_state

#include "rendezvous_amd64.h"
