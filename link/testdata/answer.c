int answer(void) { return 41; }
int same(void) { return 12; }
