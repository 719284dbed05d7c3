/* Calls what another library defines, lazily bound unless told otherwise. */
int which(void);
extern int shared;
int caller_which(void) { return which(); }
int caller_shared(void) { return shared; }
