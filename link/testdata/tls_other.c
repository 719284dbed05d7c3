__thread int from_other = 4;
static __thread int pad[3] = {1, 2, 3};
int *other_address(void) { return pad[1] == 2 ? &from_other : 0; }
