/* Refers to what nothing defines. */
int hole_a(void);
extern int hole_b;
int hole(void) { return hole_a() + hole_b; }
