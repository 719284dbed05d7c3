// Package wire is the line protocol between the driver and its workers.
//
// A request is one line of fields separated by tabs: an operation, a count, and its arguments. An answer is one line:
// "ok" and key=value fields, or "error" and a text. Times are in nanoseconds, memory is in bytes. The worker written
// in C, testdata/dlworker.c, speaks the same.
package wire

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Request asks a worker for one measurement.
type Request struct {
	Op   string
	N    int // how often, for the operations that repeat
	Args []string
}

// Values is what a worker measured, by name.
type Values map[string]string

// Set stores a number.
func (v Values) Set(key string, x float64) {
	v[key] = strconv.FormatFloat(x, 'g', -1, 64)
}

// Float returns a number that the worker must have measured.
func (v Values) Float(key string) (float64, error) {
	text, ok := v[key]
	if !ok {
		return 0, fmt.Errorf("answer has no %q", key)
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("answer has %s=%s: not a number", key, text)
	}
	return x, nil
}

// String returns the request as a line without its end.
func (r Request) String() string {
	return strings.Join(append([]string{r.Op, strconv.Itoa(r.N)}, r.Args...), "\t")
}

// ParseRequest reads what String wrote.
func ParseRequest(line string) (Request, error) {
	fields := strings.Split(line, "\t")
	if len(fields) < 2 {
		return Request{}, fmt.Errorf("request %q has no count", line)
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return Request{}, fmt.Errorf("request %q: count %q is not a number", line, fields[1])
	}
	return Request{Op: fields[0], N: n, Args: fields[2:]}, nil
}

// FormatAnswer returns the answer line for a measurement or its failure.
func FormatAnswer(v Values, err error) string {
	if err != nil {
		return "error\t" + strings.NewReplacer("\n", "; ", "\t", " ").Replace(err.Error())
	}
	fields := []string{"ok"}
	for key, text := range v {
		fields = append(fields, key+"="+text)
	}
	slices.Sort(fields[1:])
	return strings.Join(fields, "\t")
}

// ParseAnswer reads what FormatAnswer wrote. The error is the worker's own, or says what is wrong with the line.
func ParseAnswer(line string) (Values, error) {
	fields := strings.Split(line, "\t")
	switch fields[0] {
	case "error":
		return nil, errors.New(strings.Join(fields[1:], " "))
	case "ok":
		v := make(Values)
		for _, f := range fields[1:] {
			key, text, ok := strings.Cut(f, "=")
			if !ok {
				return nil, fmt.Errorf("answer field %q has no value", f)
			}
			v[key] = text
		}
		return v, nil
	}
	return nil, fmt.Errorf("answer %q is neither ok nor error", line)
}
