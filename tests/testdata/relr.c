/* Many relative relocations, so that DT_RELR has bitmaps as well as addresses. */
static int cell[4];
#define P4 &cell[0], &cell[1], 0, &cell[3],
#define P16 P4 P4 P4 P4
#define P64 P16 P16 P16 P16
#define P256 P64 P64 P64 P64
int *table[] = {P256 P256 P256 P256 P64 P4 &cell[2]};
int *volatile one = &cell[2];
int count(void)
{
	int n = 0;
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		n += table[i] != 0 && table[i] >= cell && table[i] < cell + 4;
	return n;
}
int sole(void) { return one == &cell[2]; }
