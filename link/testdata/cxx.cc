// Exceptions through frames with destructors, iostream, threads with thread_local, templates in COMDAT groups.
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

thread_local int counter = 5;

struct Named {
  std::string name;
  Named(const char *n) : name(n) {}
  ~Named() { std::cout << "end of " << name << "\n"; }
};

static Named global("global");
thread_local Named *per_thread = nullptr;

template <typename T> T twice(T v) { return v + v; }
int other(int);

static int thrower(int depth) {
  Named n("frame");
  if (depth == 0)
    throw std::runtime_error("deep");
  return thrower(depth - 1) + 1;
}

int main() {
  try {
    thrower(2);
  } catch (const std::exception &e) {
    std::cout << "caught " << e.what() << "\n";
  }
  try {
    std::vector<int>().at(3);
  } catch (const std::out_of_range &) {
    std::cout << "out of range\n";
  }
  std::thread t([] { counter++; std::cout << "in thread " << counter << "\n"; });
  t.join();
  std::map<std::string, int> m{{"a", 1}, {"b", 2}};
  std::cout << counter << " " << m["b"] << " " << twice(21) << " " << other(4) << std::endl;
  try {
    other(-1);
  } catch (int v) {
    return v;
  }
  return 1;
}
