// A library with the probes that weld's calls of it stand for.
#include "probe.h"

int value(void)
{
	PROBE(reloc_start);
	for (volatile int i = 0; i < 1000; i++)
		;
	PROBE(reloc_complete);
	return 5;
}
