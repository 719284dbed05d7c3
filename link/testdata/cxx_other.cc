template <typename T> T twice(T v) { return v + v; }
int other(int v) {
  if (v < 0)
    throw 7;
  return twice(v);
}
