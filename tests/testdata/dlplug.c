long plug_value(void) { return 4711; }
