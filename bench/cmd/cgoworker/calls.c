#include "../../testdata/calls.c"
