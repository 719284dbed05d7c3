// A library with SIZE bytes of initial-exec variables; NAME is its function.
__thread char variables[SIZE] __attribute__((tls_model("initial-exec"), visibility("hidden"))) = "initial";
char *NAME(void) { return variables; }
