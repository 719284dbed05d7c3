/* Data that the linker puts under PT_GNU_RELRO, and data that stays writable. */
static int target;
int *const sealed[1024] = {&target, &target};
int open_data[1024] = {1};
int first(void) { return *sealed[0] + open_data[0]; }
