// A library that cannot be relocated.
extern int nobody_defines_this;

int *want_it(void)
{
	return &nobody_defines_this;
}
