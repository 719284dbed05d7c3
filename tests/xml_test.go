package tests

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"weld/internal/testenv"
)

// xmlSAXHandler of <libxml/parser.h>, as far as SAX version 1 goes.
type xmlSAXHandler struct {
	_             [12]uintptr // internalSubset to setDocumentLocator
	startDocument uintptr
	endDocument   uintptr
	startElement  uintptr
	endElement    uintptr
	_             uintptr // reference
	characters    uintptr
	_             [2]uintptr // ignorableWhitespace, processingInstruction
	comment       uintptr
	_             uintptr // warning
	err           uintptr
	fatalError    uintptr
	_             [3]uintptr
	_             uint32 // initialized: no SAX 2
	_             [5]uintptr
}

// TestXMLSAX parses with libxml2's callbacks into Go and compares the events
// with those of Go's encoding/xml.
func TestXMLSAX(t *testing.T) {
	lib := open(t, testenv.Library(t, "libxml2", "libxml2.so.2", "libxml2.so.*"))
	parse := bind[func(sax *xmlSAXHandler, user uintptr, text []byte, n int32) int32](t, lib, "xmlSAXUserParseMemory")

	var events []string
	chars := func(s string) {
		if n := len(events); n > 0 && strings.HasPrefix(events[n-1], "text ") {
			events[n-1] += s
		} else {
			events = append(events, "text "+s)
		}
	}
	started, ended := 0, 0
	const user = 0x1234
	check := func(ctx uintptr) {
		if ctx != user {
			t.Errorf("the context is %#x", ctx)
		}
	}
	// The message is variadic; its arguments are not looked at.
	complain := callback(t, func(ctx uintptr, format unsafe.Pointer) { events = append(events, "error") })
	sax := &xmlSAXHandler{
		startDocument: callback(t, func(ctx uintptr) { check(ctx); started++ }).Addr(),
		endDocument:   callback(t, func(ctx uintptr) { check(ctx); ended++ }).Addr(),
		startElement: callback(t, func(ctx uintptr, name unsafe.Pointer, attrs *unsafe.Pointer) {
			check(ctx)
			e := "start " + cstring(name)
			for attrs != nil && *attrs != nil {
				pair := unsafe.Slice(attrs, 2)
				e += " " + cstring(pair[0]) + "=" + cstring(pair[1])
				attrs = (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(attrs), 16))
			}
			events = append(events, e)
		}).Addr(),
		endElement: callback(t, func(ctx uintptr, name unsafe.Pointer) { events = append(events, "end "+cstring(name)) }).Addr(),
		characters: callback(t, func(ctx uintptr, p *byte, n int32) { chars(string(unsafe.Slice(p, n))) }).Addr(),
		comment:    callback(t, func(ctx uintptr, p unsafe.Pointer) { events = append(events, "comment "+cstring(p)) }).Addr(),
		err:        complain.Addr(),
		fatalError: complain.Addr(),
	}

	var doc bytes.Buffer
	doc.WriteString("<?xml version='1.0'?><list count='3000'>")
	for i := range 3000 {
		fmt.Fprintf(&doc, "<item id='%d' name='n %d'>text %d &lt; &#233;<!-- c%d --></item>", i, i, i, i)
	}
	doc.WriteString("</list>")
	if rc := parse(sax, user, doc.Bytes(), int32(doc.Len())); rc != 0 {
		t.Errorf("xmlSAXUserParseMemory: %d", rc)
	}
	if want := goEvents(t, doc.Bytes()); !slices.Equal(events, want) {
		t.Errorf("%d events, Go has %d; the first that differs: %s", len(events), len(want), firstDifference(events, want))
	}
	if started != 1 || ended != 1 {
		t.Errorf("%d documents started, %d ended", started, ended)
	}

	events = nil
	bad := []byte("<a><b></a>")
	if rc := parse(sax, user, bad, int32(len(bad))); rc == 0 || !slices.Contains(events, "error") {
		t.Errorf("a malformed document: %d, events %q", rc, events)
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%d: %q and %q", i, a[i], b[i])
		}
	}
	return "none, one is longer"
}

// goEvents are the events of encoding/xml in the same words.
func goEvents(t *testing.T, doc []byte) []string {
	t.Helper()
	var events []string
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e := "start " + x.Name.Local
			for _, a := range x.Attr {
				e += " " + a.Name.Local + "=" + a.Value
			}
			events = append(events, e)
		case xml.EndElement:
			events = append(events, "end "+x.Name.Local)
		case xml.CharData:
			events = append(events, "text "+string(x))
		case xml.Comment:
			events = append(events, "comment "+string(x))
		}
	}
}
