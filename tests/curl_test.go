package tests

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

type curl struct {
	GlobalInit func(flags int64) int32                           `sym:"curl_global_init"`
	Init       func() uintptr                                    `sym:"curl_easy_init"`
	Set        func(h uintptr, option int32, value ...any) int32 `sym:"curl_easy_setopt"`
	Get        func(h uintptr, info int32, out ...any) int32     `sym:"curl_easy_getinfo"`
	Perform    func(h uintptr) int32                             `sym:"curl_easy_perform"`
	Cleanup    func(h uintptr)                                   `sym:"curl_easy_cleanup"`
	Error      func(code int32) string                           `sym:"curl_easy_strerror"`
	Append     func(list uintptr, text string) uintptr           `sym:"curl_slist_append"`
	FreeList   func(list uintptr)                                `sym:"curl_slist_free_all"`
	Version    func() string                                     `sym:"curl_version"`
}

// Options and answers of <curl/curl.h>.
const (
	curlWriteData        = 10001
	curlURL              = 10002
	curlReadData         = 10009
	curlHTTPHeader       = 10023
	curlCopyPostFields   = 10165
	curlNoProxy          = 10177
	curlWriteFunction    = 20011
	curlReadFunction     = 20012
	curlHeaderFunction   = 20079
	curlXferInfoFunction = 20219
	curlNoProgress       = 43
	curlUpload           = 46
	curlInFileSizeLarge  = 30115
	curlSSLVerifyPeer    = 64
	curlSSLVerifyHost    = 81
	curlNoSignal         = 99
	curlResponseCode     = 0x200002
	curlSizeDownload     = 0x600008
	curlWriteError       = 23
	curlConnectFailed    = 7
)

func TestCurl(t *testing.T) {
	lib := open(t, testenv.Library(t, "libcurl4", "libcurl.so.4"), weld.NoDelete)
	var c curl
	bindAll(t, lib, &c)
	if rc := c.GlobalInit(3); rc != 0 {
		t.Fatalf("curl_global_init: %s", c.Error(rc))
	}
	body := someText(5 << 20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/big":
			w.Header().Set("X-Weld", "yes")
			w.Write(body)
		case "/echo":
			data, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s %d %v", r.Method, r.Header.Get("Content-Type"), r.Header.Get("X-Sent"), len(data), err)
			if bytes.Equal(data, body) {
				io.WriteString(w, " body")
			}
		default:
			http.NotFound(w, r)
		}
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()

	// The sink of a transfer is found by its write data, as one callback serves
	// all transfers.
	var mu sync.Mutex
	sinks := map[uintptr]*bytes.Buffer{}
	write := callback(t, func(p *byte, size, n uint64, data uintptr) uint64 {
		mu.Lock()
		sink := sinks[data]
		mu.Unlock()
		if sink == nil {
			return 0
		}
		sink.Write(unsafe.Slice(p, size*n))
		return size * n
	})
	get := func(h uintptr, url string, sink *bytes.Buffer) (rc int32, code int64) {
		mu.Lock()
		if sink != nil {
			sinks[h] = sink
		}
		mu.Unlock()
		c.Set(h, curlURL, url)
		c.Set(h, curlNoProxy, "*")
		c.Set(h, curlNoSignal, int64(1))
		c.Set(h, curlWriteFunction, write)
		c.Set(h, curlWriteData, h)
		rc = c.Perform(h)
		c.Get(h, curlResponseCode, &code)
		mu.Lock()
		delete(sinks, h)
		mu.Unlock()
		return rc, code
	}

	t.Run("get", func(t *testing.T) {
		h := c.Init()
		defer c.Cleanup(h)
		var headers, got bytes.Buffer
		header := callback(t, func(p *byte, size, n uint64, data uintptr) uint64 {
			headers.Write(unsafe.Slice(p, size*n))
			return size * n
		})
		var last int64
		progress := callback(t, func(data uintptr, total, now, upTotal, upNow int64) int32 { last = now; return 0 })
		c.Set(h, curlHeaderFunction, header)
		c.Set(h, curlXferInfoFunction, progress)
		c.Set(h, curlNoProgress, int64(0))
		rc, code := get(h, server.URL+"/big", &got)
		if rc != 0 || code != 200 || !bytes.Equal(got.Bytes(), body) {
			t.Errorf("%s, status %d, %d bytes", c.Error(rc), code, got.Len())
		}
		var size int64
		if c.Get(h, curlSizeDownload, &size); size != int64(len(body)) || last != size {
			t.Errorf("curl counted %d bytes, the last progress was %d, want %d", size, last, len(body))
		}
		if !strings.Contains(headers.String(), "X-Weld: yes\r\n") {
			t.Errorf("headers:\n%s", headers.String())
		}
		got.Reset()
		if rc, code := get(h, server.URL+"/nowhere", &got); rc != 0 || code != 404 {
			t.Errorf("a missing page: %s, %d", c.Error(rc), code)
		}
		if rc, _ := get(h, server.URL+"/big", nil); rc != curlWriteError {
			t.Errorf("a write function that refuses: %d %s", rc, c.Error(rc))
		}
	})

	t.Run("post and put", func(t *testing.T) {
		h := c.Init()
		defer c.Cleanup(h)
		list := c.Append(c.Append(0, "X-Sent: by weld"), "Content-Type: text/weld")
		defer c.FreeList(list)
		var got bytes.Buffer
		c.Set(h, curlHTTPHeader, list)
		c.Set(h, curlCopyPostFields, "a=b")
		if rc, code := get(h, server.URL+"/echo", &got); rc != 0 || code != 200 || got.String() != "POST text/weld by weld 3 <nil>" {
			t.Errorf("post: %s, %d, %q", c.Error(rc), code, got.String())
		}
		source := bytes.NewReader(body)
		read := callback(t, func(p *byte, size, n uint64, data uintptr) uint64 {
			got, _ := source.Read(unsafe.Slice(p, size*n))
			return uint64(got)
		})
		got.Reset()
		c.Set(h, curlUpload, int64(1))
		c.Set(h, curlReadFunction, read)
		c.Set(h, curlInFileSizeLarge, int64(len(body)))
		want := fmt.Sprintf("PUT text/weld by weld %d <nil> body", len(body))
		if rc, code := get(h, server.URL+"/echo", &got); rc != 0 || code != 200 || got.String() != want {
			t.Errorf("put: %s, %d, %q", c.Error(rc), code, got.String())
		}
	})

	t.Run("parallel", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				h := c.Init()
				defer c.Cleanup(h)
				c.Set(h, curlSSLVerifyPeer, int64(0))
				c.Set(h, curlSSLVerifyHost, int64(0))
				for _, url := range []string{server.URL, secure.URL} {
					var got bytes.Buffer
					if rc, code := get(h, url+"/big", &got); rc != 0 || code != 200 || !bytes.Equal(got.Bytes(), body) {
						t.Errorf("%s: %s, status %d, %d bytes", url, c.Error(rc), code, got.Len())
					}
				}
			})
		}
		wg.Wait()
	})

	t.Run("refused", func(t *testing.T) {
		gone := httptest.NewServer(handler)
		gone.Close()
		h := c.Init()
		defer c.Cleanup(h)
		if rc, _ := get(h, gone.URL, nil); rc != curlConnectFailed || c.Error(rc) == "" {
			t.Errorf("a server that is gone: %d %s", rc, c.Error(rc))
		}
	})
}
