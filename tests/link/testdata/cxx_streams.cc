// Streams, strings and containers of the C++ library: many COMDAT groups and data that is copied.
// cflags: -O0 | -O2 -fno-pie -g
// link: pie | no-pie | static | no-pie --gc-sections
// norun: -fno-pie+pie
#include <iostream>
#include <map>
#include <string>
int main() { std::map<std::string, int> m{{"b", 2}, {"a", 1}}; for (auto &e : m) std::cout << e.first << e.second << std::endl; }
