// Exceptions: through C frames, across threads, out of a handler, and uncaught.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>
struct Guard { ~Guard() { std::puts("unwound"); } };
static int compare(const void *, const void *) { Guard g; throw std::runtime_error("through qsort"); }
int main(int argc, char **)
{
	int v[2] = {2, 1};
	try { std::qsort(v, 2, sizeof *v, compare); } catch (const std::exception &e) { std::puts(e.what()); }
	std::exception_ptr kept;
	std::thread([&] { try { Guard g; throw 42; } catch (...) { kept = std::current_exception(); } }).join();
	try { std::rethrow_exception(kept); } catch (int i) { std::printf("rethrown %d\n", i); }
	auto f = std::async(std::launch::async, [] { throw std::logic_error("from a future"); return 1; });
	try { f.get(); } catch (const std::logic_error &e) { std::puts(e.what()); }
	std::vector<std::thread> ts; std::atomic<int> caught{0};
	for (int i = 0; i < 4; i++) ts.emplace_back([&] { for (int j = 0; j < 500; j++) try { throw j; } catch (int) { caught++; } });
	for (auto &t : ts) t.join();
	std::printf("caught %d\n", caught.load());
	try { std::vector<int>(3).at(7); } catch (const std::out_of_range &) { std::puts("out of range"); }
	try { throw std::bad_alloc(); } catch (...) { try { throw; } catch (const std::bad_alloc &e) { std::puts(e.what()); } }
	std::fflush(stdout);
	if (argc > 1) throw std::runtime_error("uncaught");
}
