// A class, and an exception that is caught where it is thrown from.
class Square {
	int side;

public:
	explicit Square(int s) : side(s) {}
	int area(int times) const;
};

int Square::area(int times) const
{
	int one = side * side;
	if (times < 0)
		throw times;
	return one * times;
}

extern "C" int area_of(int side, int times)
{
	Square square(side);
	try {
		return square.area(times);
	} catch (int n) {
		return n;
	}
}
