package wire

import (
	"errors"
	"reflect"
	"testing"
)

func TestRequestRoundTrip(t *testing.T) {
	want := Request{Op: "lookup", N: 5, Args: []string{"/lib/a b.so", "names"}}
	got, err := ParseRequest(want.String())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, line := range []string{"", "open", "open\tmany"} {
		if _, err := ParseRequest(line); err == nil {
			t.Errorf("ParseRequest(%q) has no error", line)
		}
	}
}

func TestAnswerRoundTrip(t *testing.T) {
	want := Values{"sum": "ff"}
	want.Set("ns", 1.5)
	line := FormatAnswer(want, nil)
	if line != "ok\tns=1.5\tsum=ff" {
		t.Errorf("FormatAnswer = %q", line)
	}
	got, err := ParseAnswer(line)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if ns, err := got.Float("ns"); err != nil || ns != 1.5 {
		t.Errorf("ns = %v, %v", ns, err)
	}
	if _, err := got.Float("total"); err == nil {
		t.Error("a value that is not there has no error")
	}
	if _, err := (Values{"sum": "no"}).Float("sum"); err == nil {
		t.Error("a value that is no number has no error")
	}
}

func TestAnswerError(t *testing.T) {
	_, err := ParseAnswer(FormatAnswer(nil, errors.New("two\nlines\tand a tab")))
	if err == nil || err.Error() != "two; lines and a tab" {
		t.Errorf("error is %v", err)
	}
	for _, line := range []string{"", "fatal", "ok\tns"} {
		if _, err := ParseAnswer(line); err == nil {
			t.Errorf("ParseAnswer(%q) has no error", line)
		}
	}
}
