// A member that nothing needs is not linked: its undefined symbol does not matter.
// parts: MAIN
// archive: NEEDED
// archive: UNUSED
// link: pie | static
#ifdef MAIN
int needed(void);
int main(void) { return needed(); }
#elif defined(NEEDED)
int needed(void) { return 6; }
#else
int nowhere(void);
int unused(void) { return nowhere(); }
#endif
