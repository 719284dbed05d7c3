// Exceptions, streams, locales, regular expressions, threads of libstdc++.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>
#include "cxx_common.h"

extern "C" long catch_it(long what)
{
	try {
		Guard guard("catcher");
		throw_it((int)what);
	} catch (int v) {
		say("  int %d\n", v);
		return 1;
	} catch (const Trouble &t) {
		say("  Trouble %d %s\n", t.code, t.what());
		return 2;
	} catch (const std::out_of_range &) {
		say("  out of range\n");
		return 3;
	} catch (...) {
		say("  something\n");
		return 4;
	}
	return 0;
}
static void rethrower()
{
	try {
		throw_it(1);
	} catch (...) {
		Guard guard("rethrower");
		throw;
	}
}
extern "C" long through()
{
	try {
		throw_through(rethrower);
	} catch (std::runtime_error &e) {
		say("  caught %s\n", e.what());
		return dynamic_cast<Trouble *>(&e)->code;
	}
	return -1;
}
extern "C" long casts()
{
	std::unique_ptr<Base> b(make_derived());
	return b->kind() * 10 + (dynamic_cast<Derived *>(b.get()) != nullptr);
}
extern "C" long pointers()
{
	std::exception_ptr p;
	std::thread([&] { try { throw_it(2); } catch (...) { p = std::current_exception(); } }).join();
	try { std::rethrow_exception(p); } catch (std::exception &e) { return std::string(e.what()) == "far"; }
}
extern "C" long many_throws(long n)
{
	std::atomic<long> caught{0};
	std::vector<std::thread> threads;
	for (int i = 0; i < 4; i++)
		threads.emplace_back([&] {
			for (long k = 0; k < n; k++)
				try { throw_quietly(1); } catch (Trouble &t) { caught += t.code; }
		});
	for (auto &t : threads)
		t.join();
	return caught;
}
extern "C" const char *streams()
{
	static std::string result;
	std::ostringstream out;
	out << std::hex << std::setw(8) << std::setfill('0') << 48879 << ' ' << std::fixed << std::setprecision(3) << 3.14159 << ' ' << std::boolalpha << true;
	std::istringstream in("12 3.5 word");
	int i; double d; std::string w;
	in >> i >> d >> w;
	out << ' ' << i + d << ' ' << w;
	std::regex re("(\\w+)@(\\w+)\\.org");
	std::smatch m;
	std::string mail("write to weld@example.org");
	if (std::regex_search(mail, m, re))
		out << ' ' << m[1] << ' ' << m[2];
	result = out.str();
	return result.c_str();
}
extern "C" long standard_output()
{
	std::cout << "  through std::cout " << 17 << std::endl;
	std::cerr << "";
	std::ifstream none("/nonexistent/file");
	return none.good();
}
thread_local std::map<int, std::string> per_thread{{1, "one"}};
struct Counted {
	static std::atomic<long> live, made;
	Counted() { live++, made++; }
	~Counted() { live--; }
};
std::atomic<long> Counted::live, Counted::made;
thread_local Counted counted;
extern "C" long thread_locals(long n)
{
	std::vector<std::thread> threads;
	std::atomic<long> sum{0};
	for (long i = 0; i < n; i++)
		threads.emplace_back([&, i] {
			per_thread[(int)i + 2] = "more";
			(void)&counted;
			sum += per_thread.size() + (Counted::live > 0);
		});
	for (auto &t : threads)
		t.join();
	return sum * 10000 + Counted::made * 100 + Counted::live;
}
extern "C" long waits()
{
	std::mutex m;
	std::condition_variable ready;
	bool flag = false;
	std::once_flag once;
	std::atomic<int> ran{0};
	std::thread t([&] { std::unique_lock<std::mutex> l(m); ready.wait(l, [&] { return flag; }); });
	auto f = std::async(std::launch::async, [&] { for (int i = 0; i < 5; i++) std::call_once(once, [&] { ran++; }); return 40; });
	std::call_once(once, [&] { ran++; });
	int v = f.get();
	{ std::lock_guard<std::mutex> l(m); flag = true; }
	ready.notify_all();
	t.join();
	return v + ran;
}
// n threads, each of which calls back times times; the sum of the answers.
extern "C" long call_from_threads(long n, long times, long (*call)(long thread, long i))
{
	std::vector<std::thread> threads;
	std::atomic<long> sum{0};
	for (long i = 0; i < n; i++)
		threads.emplace_back([=, &sum] { for (long k = 0; k < times; k++) sum += call(i, k); });
	for (auto &t : threads)
		t.join();
	return sum;
}
extern "C" void sort_with(long *v, long n, long (*less)(long, long))
{
	std::sort(v, v + n, [=](long a, long b) { return less(a, b) != 0; });
}
