// iostream objects, whose storage a fixed-address program copies, and what C++ does at the start and end.
#include <fstream>
#include <iomanip>
#include <iostream>
#include <locale>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <typeinfo>
struct Global { const char *n; Global(const char *n) : n(n) { std::cout << "made " << n << std::endl; } ~Global() { std::cout << "gone " << n << std::endl; } };
static Global a("a"), b("b");
thread_local Global local("thread-local");
struct Base { virtual ~Base() {} virtual int f() { return 1; } };
struct Derived : Base { int f() override { return 2; } };
int main()
{
	std::string line; int n = 0;
	while (std::getline(std::cin, line)) n += line.size();
	std::cout << n << ' ' << std::setprecision(3) << 3.14159 << ' ' << std::hex << 255 << std::endl;
	static Global in_main("static of main");
	local.n = "changed";
	std::unique_ptr<Base> p(new Derived); std::cout << p->f() << ' ' << typeid(*p).name() << ' ' << (dynamic_cast<Derived *>(p.get()) != nullptr) << '\n';
	std::ostringstream s; s << std::boolalpha << true; std::cerr << s.str() << '\n'; std::clog << std::locale().name() << '\n';
	std::cout << std::regex_replace(std::string("a1b22"), std::regex("[0-9]+"), "#") << '\n';
	try { std::map<int, int>().at(3); } catch (const std::exception &e) { std::cout << e.what() << '\n'; }
	try { std::locale("no such locale"); } catch (const std::runtime_error &e) { std::cout << e.what() << '\n'; }
	return 3;
}
