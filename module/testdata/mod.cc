extern "C" {
int host_add(int a, int b);
int cxx_get(void);
int cxx_catch(int n);
int cxx_object(int n);
}

struct Object {
	int value;
	explicit Object(int v) : value(host_add(v, 0)) {}
	virtual ~Object() { host_add(value, -1000); }
	virtual int twice() { return host_add(value, value); }
};

struct Derived : Object {
	using Object::Object;
	int twice() override { return 2 * Object::twice(); }
};

static Derived global(7);
inline int &shared() { static int n = 3; return n; }
template <typename T> T most(T a, T b) { return a > b ? a : b; }

int cxx_get(void) { return global.value + ++shared(); }

int cxx_catch(int n)
{
	try {
		if (n > 2)
			throw n;
		return 0;
	} catch (int k) {
		return most(k, 4) * 2;
	}
}

int cxx_object(int n)
{
	Object *o = new Derived(n);
	int r = o->twice();
	delete o;
	return r;
}
