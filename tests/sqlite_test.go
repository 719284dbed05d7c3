package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// sqlite is the part of SQLite's interface that the test uses. Handles are
// addresses of memory that SQLite owns.
type sqlite struct {
	Open            func(path string, db *uintptr) int32                                                                                     `sym:"sqlite3_open"`
	Close           func(db uintptr) int32                                                                                                   `sym:"sqlite3_close"`
	Errmsg          func(db uintptr) string                                                                                                  `sym:"sqlite3_errmsg"`
	Exec            func(db uintptr, sql string, row *weld.Callback, arg uintptr, msg *uintptr) int32                                        `sym:"sqlite3_exec"`
	Prepare         func(db uintptr, sql string, n int32, stmt *uintptr, rest *uintptr) int32                                                `sym:"sqlite3_prepare_v2"`
	Step            func(stmt uintptr) int32                                                                                                 `sym:"sqlite3_step"`
	Reset           func(stmt uintptr) int32                                                                                                 `sym:"sqlite3_reset"`
	Finalize        func(stmt uintptr) int32                                                                                                 `sym:"sqlite3_finalize"`
	BindText        func(stmt uintptr, at int32, text string, n int32, destructor uintptr) int32                                             `sym:"sqlite3_bind_text"`
	BindInt         func(stmt uintptr, at int32, v int64) int32                                                                              `sym:"sqlite3_bind_int64"`
	BindDouble      func(stmt uintptr, at int32, v float64) int32                                                                            `sym:"sqlite3_bind_double"`
	ColumnText      func(stmt uintptr, at int32) string                                                                                      `sym:"sqlite3_column_text"`
	ColumnInt       func(stmt uintptr, at int32) int64                                                                                       `sym:"sqlite3_column_int64"`
	ColumnDouble    func(stmt uintptr, at int32) float64                                                                                     `sym:"sqlite3_column_double"`
	CreateFunction  func(db uintptr, name string, args, rep int32, app uintptr, fn *weld.Callback, step, final uintptr) int32                `sym:"sqlite3_create_function"`
	CreateAggregate func(db uintptr, name string, args, rep int32, app uintptr, fn uintptr, step *weld.Callback, final *weld.Callback) int32 `sym:"sqlite3_create_function"`
	CreateCollation func(db uintptr, name string, rep int32, app uintptr, compare *weld.Callback) int32                                      `sym:"sqlite3_create_collation"`
	ValueText       func(v uintptr) string                                                                                                   `sym:"sqlite3_value_text"`
	ValueInt        func(v uintptr) int64                                                                                                    `sym:"sqlite3_value_int64"`
	ResultText      func(ctx uintptr, text string, n int32, destructor uintptr)                                                              `sym:"sqlite3_result_text"`
	ResultInt       func(ctx uintptr, v int64)                                                                                               `sym:"sqlite3_result_int64"`
	ResultError     func(ctx uintptr, text string, n int32)                                                                                  `sym:"sqlite3_result_error"`
	Mprintf         func(format string, args ...any) uintptr                                                                                 `sym:"sqlite3_mprintf"`
	Free            func(p uintptr)                                                                                                          `sym:"sqlite3_free"`
	LibVersion      func() string                                                                                                            `sym:"sqlite3_libversion"`
}

const (
	sqliteOK        = 0
	sqliteRow       = 100
	sqliteDone      = 101
	sqliteUTF8      = 1
	sqliteTransient = ^uintptr(0)
)

func TestSQLite(t *testing.T) {
	lib := open(t, testenv.Library(t, "libsqlite3-0", "libsqlite3.so.0"))
	var sq sqlite
	bindAll(t, lib, &sq)
	if v := sq.LibVersion(); !strings.HasPrefix(v, "3.") {
		t.Errorf("version %q", v)
	}
	file := filepath.Join(t.TempDir(), "test.db")
	for _, path := range []string{":memory:", file} {
		t.Run(filepath.Base(path), func(t *testing.T) { useDatabase(t, &sq, path) })
	}
	data, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(data, []byte("SQLite format 3\x00")) {
		t.Errorf("the file of the database: %v, begins with %.16q", err, data)
	}
}

func useDatabase(t *testing.T, sq *sqlite, path string) {
	var db uintptr
	if rc := sq.Open(path, &db); rc != sqliteOK {
		t.Fatalf("sqlite3_open: %d", rc)
	}
	closed := false
	defer func() {
		if !closed {
			sq.Close(db)
		}
	}()
	exec := func(sql string) {
		t.Helper()
		if rc := sq.Exec(db, sql, nil, 0, nil); rc != sqliteOK {
			t.Fatalf("%s: %d %s", sql, rc, sq.Errmsg(db))
		}
	}
	query := func(sql string, row func(stmt uintptr)) {
		t.Helper()
		var stmt uintptr
		if rc := sq.Prepare(db, sql, -1, &stmt, nil); rc != sqliteOK {
			t.Fatalf("%s: %d %s", sql, rc, sq.Errmsg(db))
		}
		for {
			rc := sq.Step(stmt)
			if rc == sqliteDone {
				break
			}
			if rc != sqliteRow {
				t.Fatalf("%s: step: %d %s", sql, rc, sq.Errmsg(db))
			}
			row(stmt)
		}
		sq.Finalize(stmt)
	}

	const rows = 1000
	exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, weight REAL)")
	exec("BEGIN")
	var insert uintptr
	if rc := sq.Prepare(db, "INSERT INTO t VALUES (?, ?, ?)", -1, &insert, nil); rc != sqliteOK {
		t.Fatal(sq.Errmsg(db))
	}
	for i := range rows {
		sq.BindInt(insert, 1, int64(i))
		sq.BindText(insert, 2, fmt.Sprintf("name %d", i), -1, sqliteTransient)
		sq.BindDouble(insert, 3, float64(i)/4)
		if rc := sq.Step(insert); rc != sqliteDone {
			t.Fatalf("insert %d: %d %s", i, rc, sq.Errmsg(db))
		}
		sq.Reset(insert)
	}
	sq.Finalize(insert)
	exec("COMMIT")

	// A Go function as SQL function, which itself calls SQLite.
	calls := 0
	upper := callback(t, func(ctx uintptr, n int32, args *uintptr) {
		calls++
		values := unsafe.Slice(args, n)
		if n != 1 {
			sq.ResultError(ctx, "go_upper takes one argument", -1)
			return
		}
		sq.ResultText(ctx, strings.ToUpper(sq.ValueText(values[0])), -1, sqliteTransient)
	})
	if rc := sq.CreateFunction(db, "go_upper", -1, sqliteUTF8, 0, upper, 0, 0); rc != sqliteOK {
		t.Fatal(sq.Errmsg(db))
	}
	n := 0
	query("SELECT id, go_upper(name), weight FROM t ORDER BY id", func(stmt uintptr) {
		if id, name, w := sq.ColumnInt(stmt, 0), sq.ColumnText(stmt, 1), sq.ColumnDouble(stmt, 2); id != int64(n) || name != fmt.Sprintf("NAME %d", n) || w != float64(n)/4 {
			t.Errorf("row %d: %d, %q, %v", n, id, name, w)
		}
		n++
	})
	if n != rows || calls != rows {
		t.Errorf("%d rows, %d calls of the function, want %d", n, calls, rows)
	}
	if rc := sq.Exec(db, "SELECT go_upper(1, 2)", nil, 0, nil); rc == sqliteOK || sq.Errmsg(db) != "go_upper takes one argument" {
		t.Errorf("an error of the Go function: %d %q", rc, sq.Errmsg(db))
	}

	// A Go aggregate: step and final.
	sum := int64(0)
	step := callback(t, func(ctx uintptr, n int32, args *uintptr) { sum += sq.ValueInt(*args) })
	final := callback(t, func(ctx uintptr) { sq.ResultInt(ctx, sum) })
	if rc := sq.CreateAggregate(db, "go_sum", 1, sqliteUTF8, 0, 0, step, final); rc != sqliteOK {
		t.Fatal(sq.Errmsg(db))
	}
	query("SELECT go_sum(id), sum(id) FROM t", func(stmt uintptr) {
		if a, b := sq.ColumnInt(stmt, 0), sq.ColumnInt(stmt, 1); a != b || a != rows*(rows-1)/2 {
			t.Errorf("go_sum %d, sum %d", a, b)
		}
	})

	// A Go function as collation: by length, then backwards.
	compared := 0
	collate := callback(t, func(app uintptr, n int32, a *byte, m int32, b *byte) int32 {
		compared++
		if n != m {
			return n - m
		}
		return int32(bytes.Compare(unsafe.Slice(b, m), unsafe.Slice(a, n)))
	})
	if rc := sq.CreateCollation(db, "go_order", sqliteUTF8, 0, collate); rc != sqliteOK {
		t.Fatal(sq.Errmsg(db))
	}
	var names []string
	query("SELECT name FROM t WHERE id < 20 ORDER BY name COLLATE go_order", func(stmt uintptr) { names = append(names, sq.ColumnText(stmt, 0)) })
	if len(names) != 20 || names[0] != "name 9" || names[9] != "name 0" || names[10] != "name 19" || names[19] != "name 10" || compared == 0 {
		t.Errorf("order of the Go collation after %d comparisons: %q", compared, names)
	}

	// A Go function for each row of sqlite3_exec.
	var seen []string
	row := callback(t, func(arg uintptr, n int32, values, columns *unsafe.Pointer) int32 {
		v, c := unsafe.Slice(values, n), unsafe.Slice(columns, n)
		seen = append(seen, cstring(c[0])+"="+cstring(v[0]))
		if len(seen) == 3 {
			return 1 // ends the query
		}
		return 0
	})
	if rc := sq.Exec(db, "SELECT id FROM t ORDER BY id DESC", row, 0, nil); rc != 4 {
		t.Errorf("a query that the row function ends: %d, want SQLITE_ABORT", rc)
	}
	if got := strings.Join(seen, " "); got != "id=999 id=998 id=997" {
		t.Errorf("rows of sqlite3_exec: %s", got)
	}

	p := sq.Mprintf("%d %s %.3f %lld %q", int32(-5), "text", 1.5, int64(1)<<40, "it's")
	if got := cstring(pointer(p)); got != "-5 text 1.500 1099511627776 it''s" {
		t.Errorf("sqlite3_mprintf: %q", got)
	}
	sq.Free(p)

	if path != ":memory:" {
		closed = true
		if rc := sq.Close(db); rc != sqliteOK {
			t.Errorf("close: %d", rc)
		}
		if rc := sq.Open(path, &db); rc != sqliteOK {
			t.Fatalf("second open: %d", rc)
		}
		closed = false
		query("SELECT count(*) FROM t", func(stmt uintptr) {
			if n := sq.ColumnInt(stmt, 0); n != rows {
				t.Errorf("%d rows after opening again", n)
			}
		})
	}
}

// cstring copies a NUL-terminated string.
func cstring(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
