/* Needs box: the call goes through the PLT. */
int box_add(int a, int b);
int lid_add(int a, int b) { return box_add(a, b); }
