package tests

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// openssl is the part of libssl and libcrypto that a handshake over memory
// BIOs takes.
type openssl struct {
	ServerMethod func() uintptr                                        `sym:"TLS_server_method"`
	ClientMethod func() uintptr                                        `sym:"TLS_client_method"`
	CtxNew       func(method uintptr) uintptr                          `sym:"SSL_CTX_new"`
	CtxFree      func(ctx uintptr)                                     `sym:"SSL_CTX_free"`
	UseCert      func(ctx, x509 uintptr) int32                         `sym:"SSL_CTX_use_certificate"`
	UseKey       func(ctx, key uintptr) int32                          `sym:"SSL_CTX_use_PrivateKey"`
	SetVerify    func(ctx uintptr, mode int32, fn *weld.Callback)      `sym:"SSL_CTX_set_verify"`
	SetALPN      func(ctx uintptr, choose *weld.Callback, arg uintptr) `sym:"SSL_CTX_set_alpn_select_cb"`
	CtxStore     func(ctx uintptr) uintptr                             `sym:"SSL_CTX_get_cert_store"`
	StoreAdd     func(store, x509 uintptr) int32                       `sym:"X509_STORE_add_cert"`
	New          func(ctx uintptr) uintptr                             `sym:"SSL_new"`
	Free         func(ssl uintptr)                                     `sym:"SSL_free"`
	SetBIO       func(ssl, r, w uintptr)                               `sym:"SSL_set_bio"`
	SetAccept    func(ssl uintptr)                                     `sym:"SSL_set_accept_state"`
	SetConnect   func(ssl uintptr)                                     `sym:"SSL_set_connect_state"`
	Handshake    func(ssl uintptr) int32                               `sym:"SSL_do_handshake"`
	Read         func(ssl uintptr, p []byte, n int32) int32            `sym:"SSL_read"`
	Write        func(ssl uintptr, p []byte, n int32) int32            `sym:"SSL_write"`
	GetError     func(ssl uintptr, rc int32) int32                     `sym:"SSL_get_error"`
	GetVersion   func(ssl uintptr) string                              `sym:"SSL_get_version"`
	MemMethod    func() uintptr                                        `sym:"BIO_s_mem"`
	BIONew       func(method uintptr) uintptr                          `sym:"BIO_new"`
	BIOFree      func(bio uintptr) int32                               `sym:"BIO_free"`
	BIORead      func(bio uintptr, p []byte, n int32) int32            `sym:"BIO_read"`
	BIOWrite     func(bio uintptr, p []byte, n int32) int32            `sym:"BIO_write"`
	ReadCert     func(bio, x, cb, arg uintptr) uintptr                 `sym:"PEM_read_bio_X509"`
	ReadKey      func(bio, x, cb, arg uintptr) uintptr                 `sym:"PEM_read_bio_PrivateKey"`
	PopError     func() uint64                                         `sym:"ERR_get_error"`
	ErrorText    func(code uint64, buf []byte, n uint64)               `sym:"ERR_error_string_n"`
}

func (o *openssl) errors() string {
	var all []string
	for {
		code := o.PopError()
		if code == 0 {
			return strings.Join(all, "; ")
		}
		buf := make([]byte, 256)
		o.ErrorText(code, buf, uint64(len(buf)))
		all = append(all, string(buf[:bytes.IndexByte(buf, 0)]))
	}
}

// certificate makes a self-signed one for localhost, as Go's and as PEM.
func certificate(t *testing.T) (cert tls.Certificate, pool *x509.CertPool, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// opensslConn is a TLS connection of OpenSSL over a Go connection.
type opensslConn struct {
	o        *openssl
	ssl      uintptr
	in, out  uintptr // memory BIOs
	conn     net.Conn
	transfer []byte
}

// retry runs an operation of OpenSSL until it is done, feeding it what comes in
// and sending what it puts out.
func (c *opensslConn) retry(op func() int32) (int32, error) {
	const wantRead, wantWrite, zeroReturn = 2, 3, 6
	for {
		rc := op()
		code := c.o.GetError(c.ssl, rc)
		if err := c.flush(); err != nil {
			return rc, err
		}
		switch {
		case rc > 0:
			return rc, nil
		case code == zeroReturn:
			return 0, io.EOF
		case code == wantRead:
			n, err := c.conn.Read(c.transfer)
			if n > 0 {
				c.o.BIOWrite(c.in, c.transfer[:n], int32(n))
			} else if err != nil {
				return rc, err
			}
		case code != wantWrite:
			return rc, fmt.Errorf("SSL_get_error %d: %s", code, c.o.errors())
		}
	}
}

func (c *opensslConn) flush() error {
	for {
		n := c.o.BIORead(c.out, c.transfer, int32(len(c.transfer)))
		if n <= 0 {
			return nil
		}
		if _, err := c.conn.Write(c.transfer[:n]); err != nil {
			return err
		}
	}
}

// TestTLSHandshake lets OpenSSL and Go's crypto/tls talk to each other through
// a pipe in memory, each once as server and once as client.
func TestTLSHandshake(t *testing.T) {
	ssl := open(t, testenv.Library(t, "libssl3", "libssl.so.3", "libssl.so.*"))
	var o openssl
	bindAll(t, ssl, &o) // libcrypto's functions are found as those of a dependency
	cert, pool, certPEM, keyPEM := certificate(t)

	// OpenSSL keeps its errors by thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	readPEM := func(text []byte, read func(bio, x, cb, arg uintptr) uintptr) uintptr {
		bio := o.BIONew(o.MemMethod())
		o.BIOWrite(bio, text, int32(len(text)))
		v := read(bio, 0, 0, 0)
		o.BIOFree(bio)
		if v == 0 {
			t.Fatalf("PEM: %s", o.errors())
		}
		return v
	}
	connect := func(ctx uintptr, conn net.Conn, server bool) *opensslConn {
		c := &opensslConn{o: &o, ssl: o.New(ctx), in: o.BIONew(o.MemMethod()), out: o.BIONew(o.MemMethod()), conn: conn, transfer: make([]byte, 32<<10)}
		o.SetBIO(c.ssl, c.in, c.out)
		if server {
			o.SetAccept(c.ssl)
		} else {
			o.SetConnect(c.ssl)
		}
		return c
	}
	payload := someText(1 << 20)

	t.Run("OpenSSL serves", func(t *testing.T) {
		ctx := o.CtxNew(o.ServerMethod())
		defer o.CtxFree(ctx)
		if o.UseCert(ctx, readPEM(certPEM, o.ReadCert)) != 1 || o.UseKey(ctx, readPEM(keyPEM, o.ReadKey)) != 1 {
			t.Fatal(o.errors())
		}
		// The protocol is chosen by a Go function.
		var offered string
		o.SetALPN(ctx, callback(t, func(ssl uintptr, out *uintptr, outLen *byte, in *byte, n uint32, arg uintptr) int32 {
			list := unsafe.Slice(in, n)
			offered = string(list)
			// The second one: its bytes stay in the client's list for the call.
			first := int(list[0])
			*outLen = list[1+first]
			*out = uintptr(unsafe.Pointer(&list[2+first]))
			return 0
		}), 0)
		client, server := net.Pipe()
		result := make(chan error, 1)
		go func() {
			defer client.Close()
			c := tls.Client(client, &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"one", "second"}})
			if err := c.Handshake(); err != nil {
				result <- err
				return
			}
			if p := c.ConnectionState().NegotiatedProtocol; p != "second" {
				result <- fmt.Errorf("the protocol is %q", p)
				return
			}
			go c.Write(payload)
			back := make([]byte, len(payload))
			_, err := io.ReadFull(c, back)
			if err == nil && !bytes.Equal(back, payload) {
				err = fmt.Errorf("the echo differs")
			}
			result <- err
		}()
		c := connect(ctx, server, true)
		defer o.Free(c.ssl)
		if _, err := c.retry(func() int32 { return o.Handshake(c.ssl) }); err != nil {
			t.Fatalf("handshake: %v; client: %v", err, <-result)
		}
		if v := o.GetVersion(c.ssl); v != "TLSv1.3" || !strings.Contains(offered, "second") {
			t.Errorf("version %q, protocols offered %q", v, offered)
		}
		got := make([]byte, 0, len(payload))
		buf := make([]byte, 16<<10)
		for len(got) < len(payload) {
			n, err := c.retry(func() int32 { return o.Read(c.ssl, buf, int32(len(buf))) })
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, payload) {
			t.Error("OpenSSL read other bytes than Go wrote")
		}
		for part := got; len(part) > 0; {
			n, err := c.retry(func() int32 { return o.Write(c.ssl, part, int32(min(len(part), 64<<10))) })
			if err != nil {
				t.Fatal(err)
			}
			part = part[n:]
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
	})

	t.Run("OpenSSL connects", func(t *testing.T) {
		ctx := o.CtxNew(o.ClientMethod())
		defer o.CtxFree(ctx)
		if o.StoreAdd(o.CtxStore(ctx), readPEM(certPEM, o.ReadCert)) != 1 {
			t.Fatal(o.errors())
		}
		verified := 0
		o.SetVerify(ctx, 1, callback(t, func(ok int32, store uintptr) int32 { verified++; return ok }))
		client, server := net.Pipe()
		result := make(chan error, 1)
		go func() {
			defer server.Close()
			s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
			buf := make([]byte, 5)
			_, err := io.ReadFull(s, buf)
			if err == nil && string(buf) != "hello" {
				err = fmt.Errorf("Go read %q", buf)
			}
			if err == nil {
				_, err = s.Write([]byte("world"))
			}
			s.CloseWrite()
			result <- err
		}()
		c := connect(ctx, client, false)
		defer o.Free(c.ssl)
		if _, err := c.retry(func() int32 { return o.Write(c.ssl, []byte("hello"), 5) }); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		n, err := c.retry(func() int32 { return o.Read(c.ssl, buf, int32(len(buf))) })
		if err != nil || string(buf[:n]) != "world" {
			t.Errorf("OpenSSL read %q, %v", buf[:max(n, 0)], err)
		}
		if v := o.GetVersion(c.ssl); v != "TLSv1.2" || verified == 0 {
			t.Errorf("version %q, verify function called %d times", v, verified)
		}
		if _, err := c.retry(func() int32 { return o.Read(c.ssl, buf, int32(len(buf))) }); err != io.EOF {
			t.Errorf("after the server's close: %v", err)
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
	})

	t.Run("untrusted", func(t *testing.T) {
		runtime.LockOSThread() // the error queue is the thread's
		defer runtime.UnlockOSThread()
		ctx := o.CtxNew(o.ClientMethod())
		defer o.CtxFree(ctx)
		o.SetVerify(ctx, 1, nil)
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
			server.Close()
		}()
		c := connect(ctx, client, false)
		defer o.Free(c.ssl)
		_, err := c.retry(func() int32 { return o.Handshake(c.ssl) })
		client.Close()
		<-done
		if err == nil || !strings.Contains(err.Error(), "certificate verify failed") {
			t.Errorf("handshake with an unknown certificate: %v", err)
		}
	})
}
