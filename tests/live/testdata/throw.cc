// An exception that passes through code made at run time.
extern "C" int thrower(int n)
{
	if (n < 0)
		throw n;
	return n;
}

extern "C" int catcher(int (*apply)(int (*)(int), int), int n)
{
	try {
		return apply(thrower, n);
	} catch (int e) {
		return 100 - e;
	}
}
