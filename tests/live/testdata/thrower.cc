// A C++ program whose generated function calls back, is thrown through, and is replaced while threads call it.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weld/dlbind.h"

namespace {

struct Error : std::runtime_error {
	Error() : std::runtime_error(dlerror()) {}
};

class Jit {
public:
	explicit Jit(const char *name) : handle(dlcreate(name))
	{
		if (!handle)
			throw Error();
	}
	~Jit() { dldelete(handle); }
	Jit(const Jit &) = delete;
	Jit &operator=(const Jit &) = delete;

	void *make(const char *name, const std::vector<unsigned char> &code)
	{
		void *at = dlalloc(handle, code.size(), SHF_EXECINSTR);
		if (!at || dlwrite(handle, at, code.data(), code.size()) ||
		    !dlbind(handle, name, at, code.size(), STT_FUNC | DL_REPLACE) || dlcommit(handle))
			throw Error();
		return at;
	}
	void *const handle;
};

// Calls its first argument with its second.
std::vector<unsigned char> apply(int add)
{
	return {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, 0x48, 0x83, 0xc0, (unsigned char)add, 0x5d, 0xc3};
}

using Apply = long (long (*)(long), long);

long picky(long n)
{
	if (n > 100)
		throw std::out_of_range(std::to_string(n));
	return n;
}

} // namespace

int main(int, char **argv)
try {
	Jit jit("thrower");
	auto *f = reinterpret_cast<Apply *>(jit.make("apply", apply(1)));
	std::printf("%ld\n", f(picky, 41));
	try {
		f(picky, 101);
		std::puts("nothing was thrown");
	} catch (const std::out_of_range &e) {
		std::printf("caught %s\n", e.what());
	}
	std::atomic<bool> stop{false};
	std::atomic<long> calls{0}, wrong{0};
	std::vector<std::thread> threads;
	for (int i = 0; i < 3; i++)
		threads.emplace_back([&] {
			while (!stop) {
				auto *g = reinterpret_cast<Apply *>(dlsym(jit.handle, "apply"));
				try {
					long n = g(picky, calls++ % 200);
					wrong += n < 1 || n > 109;
				} catch (const std::out_of_range &) {
				}
			}
		});
	// What is replaced is freed, filled with int3 when nobody is in it any more, and used again.
	auto *last = reinterpret_cast<void *>(f);
	std::set<void *> freed;
	int again = 0;
	const int most = std::strcmp(argv[argv[1] != nullptr], "leave") ? 2000 : 0;
	for (int i = 1; i < most && (i < 250 || !again); i++) {
		void *next = jit.make("apply", apply(1 + i % 9));
		again += freed.count(next);
		if (dlfree(jit.handle, last))
			throw Error();
		freed.insert(last);
		last = next;
		std::this_thread::sleep_for(std::chrono::milliseconds(4));
	}
	while (calls < 300)
		std::this_thread::yield();
	stop = true;
	for (auto &t : threads)
		t.join();
	std::printf("wrong: %ld, used again: %d\n", wrong.load(), again > 0);
	// exit takes the file away.
	if (std::strcmp(argv[argv[1] != nullptr], "leave") == 0)
		new Jit("left");
} catch (const Error &e) {
	std::printf("%s\n", e.what());
	return 1;
}
