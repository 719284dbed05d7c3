package live

// rows is what is kept of each row of a table. It grows without being copied, as there may be many.
type rows[T any] struct {
	parts []*[1 << rowBits]T
	n     int
}

const rowBits = 7 // of the number of a row in its part

func (r *rows[T]) at(i int) *T { return &r.parts[i>>rowBits][i&(1<<rowBits-1)] }

func (r *rows[T]) add(v T) {
	if r.n>>rowBits == len(r.parts) {
		r.parts = append(r.parts, new([1 << rowBits]T))
	}
	r.n++
	*r.at(r.n - 1) = v
}

// drop takes the last one away.
func (r *rows[T]) drop() {
	r.n--
	*r.at(r.n) = *new(T)
	if r.n>>rowBits+1 < len(r.parts) { // one without any stays, for those that come
		r.parts = r.parts[:len(r.parts)-1]
	}
}
