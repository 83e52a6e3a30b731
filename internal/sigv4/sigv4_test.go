package sigv4

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var (
	testScope = Scope{"20261121", "us-east-1", "s3"}
	testKey   = DeriveKey("secret", testScope)
)

const (
	testDate = "20261121T120000Z"
	testSeed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
)

func testChain() *Chain { return NewChain(testKey, testDate, testScope, testSeed) }

func TestCanonicalPath(t *testing.T) {
	tests := []struct{ service, raw, want string }{
		{"s3", "", "/"},
		{"s3", "/", "/"},
		{"s3", "/b//k", "/b//k"},
		{"s3", "/b/../k/./", "/b/../k/./"},
		{"s3", "/b/a b", "/b/a%20b"},
		{"s3", "/b/a+b", "/b/a%2Bb"},
		{"s3", "/b/a%2bb", "/b/a%2Bb"},
		{"s3", "/b/%41", "/b/A"},
		{"s3", "/b/a%2Fb", "/b/a/b"},
		{"s3", "/b/é", "/b/%C3%A9"},
		{"s3", "/b/100%", "/b/100%25"},
		{"s3", "/b/%zz", "/b/%25zz"},
		{"s3", "/b/%2", "/b/%252"},
		{"kms", "", "/"},
		{"kms", "/a%20b", "/a%2520b"},
		{"coffer", "/_coffer//a/../b/", "/_coffer/b/"},
		{"coffer", "/../../x", "/x"},
		{"coffer", "/a/.", "/a/"},
	}
	for _, tt := range tests {
		if got := string(appendPath(nil, tt.raw, tt.service)); got != tt.want {
			t.Errorf("appendPath(%q, %s) = %q; want %q", tt.raw, tt.service, got, tt.want)
		}
		if got, want := EncodesPathAsSent(tt.raw), tt.raw == tt.want; tt.service == "s3" && got != want {
			t.Errorf("EncodesPathAsSent(%q) = %t; want %t", tt.raw, got, want)
		}
	}
}

func TestCanonicalQuery(t *testing.T) {
	tests := []struct {
		raw       string
		presigned bool
		want      string
	}{
		{"", false, ""},
		{"acl", false, "acl="},
		{"uploads=", false, "uploads="},
		{"b=2&a=1", false, "a=1&b=2"},
		{"a=2&a=1&a", false, "a=&a=1&a=2"},
		{"a-b=1&a=2", false, "a=2&a-b=1"},
		{"k=a+b&j=a%20b", false, "j=a%20b&k=a%20b"},
		{"k=a%2fb/c", false, "k=a%2Fb%2Fc"},
		{"k=a=b", false, "k=a%3Db"},
		{"&&k=%", false, "k=%25"},
		{"X-Amz-Signature=1&a=1", false, "X-Amz-Signature=1&a=1"},
		{"X-Amz-Signature=1&a=1", true, "a=1"},
		{"X-Amz-Signatur%65=1&a=1", true, "a=1"},
		{"x-amz-signature=1&a=1", true, "a=1&x-amz-signature=1"},
	}
	for _, tt := range tests {
		if got := string(appendQuery(nil, tt.raw, tt.presigned)); got != tt.want {
			t.Errorf("appendQuery(%q, %t) = %q; want %q", tt.raw, tt.presigned, got, tt.want)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := testKey.Sign("x")
	for _, s := range []string{"", good[:63], good + "0", "0" + good, strings.Repeat("0", 64), good[:63] + "g", good[:62], testKey.Sign("y")} {
		if testKey.Verify("x", s) {
			t.Errorf("Verify(%q) = true; want false", s)
		}
	}
	if !testKey.Verify("x", good) {
		t.Errorf("Verify(%q) = false; want true", good)
	}
}

func TestParseAuthorization(t *testing.T) {
	want := Authorization{"c", "host;x-amz-date", "s"}
	for _, s := range []string{
		"Credential=c, SignedHeaders=host;x-amz-date, Signature=s",
		"Credential=c,SignedHeaders=host;x-amz-date,Signature=s",
		"Signature=s  SignedHeaders=host;x-amz-date\tCredential=c,",
	} {
		if got, err := ParseAuthorization(s); got != want || err != nil {
			t.Errorf("ParseAuthorization(%q) = %v, %v; want %v, <nil>", s, got, err, want)
		}
	}
	for _, s := range []string{
		"",
		"Credential=c, SignedHeaders=h",
		"Credential=c, SignedHeaders=h, Signature=",
		"Credential=c, SignedHeaders=, Signature=s",
		"Credential=c, SignedHeaders=h, Signature=s, Signature=t",
		"Credential=c, SignedHeaders=h, Signature=s, Extra=1",
		"Credential=c, SignedHeaders=h, Signature=s, garbage",
		"credential=c, signedheaders=h, signature=s",
	} {
		if got, err := ParseAuthorization(s); !errors.Is(err, ErrComponents) {
			t.Errorf("ParseAuthorization(%q) = %v, %v; want ErrComponents", s, got, err)
		}
	}
}

func TestParseCredential(t *testing.T) {
	want := Credential{"AKID", Scope{"20261121", "us-east-1", "s3"}, "aws4_request"}
	if got, err := ParseCredential("AKID/20261121/us-east-1/s3/aws4_request"); got != want || err != nil {
		t.Errorf("ParseCredential = %v, %v; want %v, <nil>", got, err, want)
	}
	for _, s := range []string{"", "a/b/c/d", "a/b/c/d/e/f", "a/b/c/d/e/"} {
		if got, err := ParseCredential(s); !errors.Is(err, ErrCredential) {
			t.Errorf("ParseCredential(%q) = %v, %v; want ErrCredential", s, got, err)
		}
	}
}

func TestParseDate(t *testing.T) {
	if got, err := ParseDate("20261121T120000Z"); err != nil || !got.Equal(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("ParseDate = %v, %v", got, err)
	}
	for _, s := range []string{"", "20261121", "20261121T120000.5Z", "20261321T120000Z", "2026-11-21T12:00:00Z", "20261121T120000+0100"} {
		if got, err := ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q) = %v, <nil>; want an error", s, got)
		}
	}
}

func TestParsePresignedQuery(t *testing.T) {
	const query = "versionId=1&X-Amz-Algorithm=A&X-Amz-Credential=k%2Fd&X-Amz-Date=D&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx&X-Amz-Signature=S&X-Amz-Content-Sha256=H&X-Amz-Security-Token=T"
	want := PresignedQuery{"A", "k/d", "D", "60", "host;x", "S", "H", "T"}
	if got, err := ParsePresignedQuery(query); got != want || err != nil {
		t.Errorf("ParsePresignedQuery = %v, %v; want %v, <nil>", got, err, want)
	}
	for _, again := range []string{"X-Amz-Expires=61", "X-Amz-Expires", "X-Amz-Expire%73=61", "X-Amz-Signature=S"} {
		if _, err := ParsePresignedQuery(query + "&" + again); !errors.Is(err, ErrRepeated) {
			t.Errorf("ParsePresignedQuery with %s again = %v; want ErrRepeated", again, err)
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	var cache KeyCache
	cache.Put("topsecret", testScope, testKey)
	signer := NewSigner("AKID", "topsecret", "us-east-1", "s3")
	derived := fmt.Sprintf("%x", testKey.key[:4])
	for _, v := range []any{testKey, &cache, signer} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%d", v), fmt.Sprintf("%x", v), string(text)} {
			if strings.Contains(s, "topsecret") || strings.Contains(s, derived) {
				t.Errorf("%T prints its secret: %s", v, s)
			}
		}
	}
}

func TestKeyCacheIsBounded(t *testing.T) {
	var c KeyCache
	for i := range 3 * maxCachedKeys {
		c.Put("secret", Scope{Region: fmt.Sprint(i)}, testKey)
	}
	if n := len(c.keys); n > maxCachedKeys {
		t.Errorf("cache holds %d keys; want at most %d", n, maxCachedKeys)
	}
	if _, ok := c.Get("other", Scope{Region: fmt.Sprint(3*maxCachedKeys - 1)}); ok {
		t.Error("Get with another secret found a key")
	}
}

// frame returns the framed body of data, signed if chain is not nil.
func frame(data string, chunk int, chain *Chain, trailer string) string {
	name, value, _ := strings.Cut(trailer, ":")
	cfg := EncodeConfig{Chain: chain, ChunkSize: chunk, TrailerName: name, TrailerLength: len(value), Trailer: func() string { return value }}
	b, err := io.ReadAll(NewChunkEncoder(iotest.HalfReader(strings.NewReader(data)), cfg))
	if err != nil {
		panic(err)
	}
	if n := cfg.EncodedLength(int64(len(data))); n != int64(len(b)) {
		panic(fmt.Sprintf("EncodedLength(%d) = %d; want %d", len(data), n, len(b)))
	}
	return string(b)
}

func TestChunkRoundTrip(t *testing.T) {
	const crc = "x-amz-checksum-crc32c:sOO8/Q=="
	for _, size := range []int{0, 1, MinChunkSize - 1, MinChunkSize, MinChunkSize + 1, 5 * MinChunkSize, 5*MinChunkSize + 17} {
		for _, signed := range []bool{true, false} {
			for _, trailer := range []string{"", crc} {
				chain := func() *Chain { return nil }
				if signed {
					chain = testChain
				}
				data := strings.Repeat("d", size)
				cfg := ChunkConfig{Length: int64(size)}
				if trailer != "" {
					cfg.Trailers, cfg.Declared = true, []string{"x-amz-checksum-crc32c"}
				}
				body := frame(data, MinChunkSize, chain(), trailer)
				for name, wrap := range map[string]func(io.Reader) io.Reader{
					"whole": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "data and error": iotest.DataErrReader,
				} {
					cfg.Chain = chain()
					r := NewChunkReader(wrap(strings.NewReader(body)), cfg)
					got, err := io.ReadAll(r)
					if err != nil || string(got) != data {
						t.Errorf("size %d, signed %t, trailer %q, %s: ReadAll = %d bytes, %v", size, signed, trailer, name, len(got), err)
					}
					if trailer != "" && r.Trailers()["x-amz-checksum-crc32c"] != "sOO8/Q==" {
						t.Errorf("Trailers = %v", r.Trailers())
					}
				}
			}
		}
	}
}

// TestChunkTampering changes every byte of a signed body in turn. Whatever the
// reader then accepts must be the data that was signed.
func TestChunkTampering(t *testing.T) {
	const trailer = "x-amz-checksum-crc32c:sOO8/Q=="
	data := strings.Repeat("d", MinChunkSize+3)
	body := []byte(frame(data, MinChunkSize, testChain(), trailer))
	for i := range body {
		if i > 200 && i < MinChunkSize {
			continue // inside the first chunk one byte is like another
		}
		changed := bytes.Clone(body)
		changed[i] ^= 1
		cfg := ChunkConfig{Chain: testChain(), Length: int64(len(data)), Trailers: true, Declared: []string{"x-amz-checksum-crc32c"}}
		r := NewChunkReader(bytes.NewReader(changed), cfg)
		got, err := io.ReadAll(r)
		if err == nil && (string(got) != data || r.Trailers()["x-amz-checksum-crc32c"] != "sOO8/Q==") {
			t.Errorf("byte %d (%q) changed: accepted other data", i, body[i])
		}
		if len(got) == len(data) && err != nil {
			t.Errorf("byte %d (%q) changed: all data was handed out before the error %v", i, body[i], err)
		}
	}
}

func TestChunkReaderRefuses(t *testing.T) {
	const crc = "x-amz-checksum-crc32:AAAAAA=="
	big := strings.Repeat("d", MinChunkSize)
	signature := func(err error) bool { var e *ChunkSignatureError; return errors.As(err, &e) }
	small := func(err error) bool {
		var e *ChunkSizeError
		return errors.As(err, &e) && e.Chunk == 2 && e.Size == 5
	}
	framing := func(err error) bool { return errors.Is(err, ErrFraming) }
	trailer := func(err error) bool { return errors.Is(err, ErrTrailer) }
	tests := []struct {
		name     string
		body     string
		signed   bool
		length   int64
		declared string
		want     func(error) bool
	}{
		{"empty body", "", false, 0, "", framing},
		{"no last chunk", "5\r\nhello\r\n", false, 5, "", framing},
		{"ends inside a chunk", "5\r\nhel", false, 5, "", framing},
		{"ends inside a header", "5", false, 5, "", framing},
		{"size is not hexadecimal", "zz\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"size is empty", "\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"size has a sign", "+5\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"size is negative", "-5\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"size has a prefix", "0x5\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"size overflows", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"size is long", strings.Repeat("0", 17) + "\r\n\r\n", false, 0, "", framing},
		{"header is long", "5;" + strings.Repeat("x", maxChunkHeader) + "\r\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"header never ends", strings.Repeat("5", 1<<20), false, 5, "", framing},
		{"header without carriage return", "5\nhello\r\n0\r\n\r\n", false, 5, "", framing},
		{"data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", false, 5, "", framing},
		{"more than declared", "5\r\nhello\r\n0\r\n\r\n", false, 4, "", framing},
		{"less than declared", "5\r\nhello\r\n0\r\n\r\n", false, 6, "", framing},
		{"bytes after the end", "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", false, 5, "", framing},
		{"small chunk before another", "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", false, 10, "", small},
		{"trailer without declaration", "5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", false, 5, "none", trailer},
		{"declared trailer missing", "5\r\nhello\r\n0\r\n\r\n", false, 5, "x-amz-checksum-crc32", trailer},
		{"other trailer than declared", "5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", false, 5, "x-amz-checksum-sha256", trailer},
		{"trailer twice", "5\r\nhello\r\n0\r\n" + crc + "\r\n" + crc + "\r\n\r\n", false, 5, "x-amz-checksum-crc32", trailer},
		{"trailer without colon", "5\r\nhello\r\n0\r\nno-colon\r\n\r\n", false, 5, "x-amz-checksum-crc32", framing},
		{"trailer is long", "0\r\nx-amz-checksum-crc32:" + strings.Repeat("A", maxTrailer) + "\r\n\r\n", false, 0, "x-amz-checksum-crc32", framing},
		{"trailer where none may be", "5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", false, 5, "", framing},

		{"chunk without signature", "5\r\nhello\r\n0\r\n\r\n", true, 5, "", framing},
		{"empty signature", "5;chunk-signature=\r\nhello\r\n0\r\n\r\n", true, 5, "", signature},
		{"zero signature", "5;chunk-signature=" + strings.Repeat("0", 64) + "\r\nhello\r\n", true, 5, "", signature},
		{"last chunk without signature", strings.Replace(frame(big, MinChunkSize, testChain(), ""), "\r\n0;", "\r\n0\r\n;", 1), true, MinChunkSize, "", framing},
		{"chunks in another order", swapChunks(frame(big+strings.Repeat("e", MinChunkSize), MinChunkSize, testChain(), "")), true, 2 * MinChunkSize, "", signature},
		{"a chunk left out", "2000" + frame(big+strings.Repeat("e", MinChunkSize), MinChunkSize, testChain(), "")[MinChunkSize+4+17+64+4+4:], true, MinChunkSize, "", signature},
		{"cut off at a chunk", frame(big+big, MinChunkSize, testChain(), "")[:MinChunkSize+4+17+64+4] + "0;chunk-signature=" + strings.Repeat("0", 64) + "\r\n\r\n", true, 2 * MinChunkSize, "", signature},
		{"trailers without a signature", frame("hello", 0, testChain(), "") + crc + "\r\n\r\n", true, 5, "x-amz-checksum-crc32", framing},
		{"wrong trailer signature", frame("hello", 0, testChain(), "") + crc + "\r\nx-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n", true, 5, "x-amz-checksum-crc32", signature},
		{"a trailer changed", strings.Replace(frame("hello", 0, testChain(), crc), "AAAAAA==", "AAAAAB==", 1), true, 5, "x-amz-checksum-crc32", signature},
		{"bytes after the trailer signature", frame("hello", 0, testChain(), crc) + "x-amz-checksum-crc32c:AAAAAA==\r\n", true, 5, "x-amz-checksum-crc32", framing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := ChunkConfig{Length: tt.length, Trailers: tt.declared != ""}
			if tt.declared != "" && tt.declared != "none" {
				cfg.Declared = []string{tt.declared}
			}
			if tt.signed {
				cfg.Chain = testChain()
			}
			r := NewChunkReader(strings.NewReader(tt.body), cfg)
			got, err := io.ReadAll(r)
			if !tt.want(err) {
				t.Errorf("ReadAll = %q, %v", got[:min(len(got), 20)], err)
			}
			if tt.length > 0 && int64(len(got)) >= tt.length {
				t.Errorf("all %d bytes were handed out before the error %v", len(got), err)
			}
			if n, again := r.Read(make([]byte, 1)); n != 0 || again != err {
				t.Errorf("Read after the error = %d, %v; want 0, %v", n, again, err)
			}
			if r.Trailers() != nil {
				t.Errorf("Trailers = %v; want none", r.Trailers())
			}
		})
	}
}

// swapChunks exchanges the first two chunks of a signed body.
func swapChunks(body string) string {
	const n = MinChunkSize + 4 + 17 + 64 + 4
	return body[n:2*n] + body[:n] + body[2*n:]
}

func TestChunkReaderTakesBlankLines(t *testing.T) {
	const crc = "x-amz-checksum-crc32:AAAAAA=="
	for _, end := range []string{crc, crc + "\n", crc + "\r\n", crc + "\r\n\r\n", "\r\n" + crc + "\n\r\n"} {
		r := NewChunkReader(strings.NewReader("5\r\nhello\r\n0\r\n"+end), ChunkConfig{Length: 5, Trailers: true, Declared: []string{"x-amz-checksum-crc32"}})
		if got, err := io.ReadAll(r); string(got) != "hello" || err != nil || len(r.Trailers()) != 1 {
			t.Errorf("%q: ReadAll = %q, %v, trailers %v", end, got, err, r.Trailers())
		}
	}
	body := frame("hello", 0, testChain(), "")
	r := NewChunkReader(strings.NewReader(strings.TrimSuffix(body, "\r\n")), ChunkConfig{Chain: testChain(), Length: 5})
	if got, err := io.ReadAll(r); string(got) != "hello" || err != nil {
		t.Errorf("without the last blank line: ReadAll = %q, %v", got, err)
	}
}

func TestChunkReaderPassesSourceErrors(t *testing.T) {
	broken := errors.New("connection reset")
	src := io.MultiReader(strings.NewReader("5\r\nhe"), iotest.ErrReader(broken))
	if _, err := io.ReadAll(NewChunkReader(src, ChunkConfig{Length: 5})); !errors.Is(err, broken) {
		t.Errorf("ReadAll = %v; want %v", err, broken)
	}
	enc := NewChunkEncoder(iotest.ErrReader(broken), EncodeConfig{})
	if _, err := io.ReadAll(enc); !errors.Is(err, broken) {
		t.Errorf("encoder: ReadAll = %v; want %v", err, broken)
	}
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("Credential=AKID/20261121/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + testSeed)
	f.Add("Credential=,SignedHeaders==,Signature = ,,")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAuthorization(s)
		if err != nil {
			return
		}
		again, err := ParseAuthorization("Credential=" + a.Credential + ",SignedHeaders=" + a.SignedHeaders + ",Signature=" + a.Signature)
		if err != nil || again != a {
			t.Errorf("ParseAuthorization(%q) = %+v; again %+v, %v", s, a, again, err)
		}
		ParseCredential(a.Credential)
		AppendCanonicalRequest(nil, &Request{Header: map[string][]string{"X-Amz-Date": {" a  b "}}}, "s3", a.SignedHeaders, "")
	})
}

func FuzzParsePresignedQuery(f *testing.F) {
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261121%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261121T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	f.Add("a=%&&=&b=+%2b;c")
	f.Fuzz(func(t *testing.T, raw string) {
		ParsePresignedQuery(raw)
		once := appendQuery(nil, raw, false)
		if twice := appendQuery(nil, string(once), false); !bytes.Equal(once, twice) {
			t.Errorf("canonical query of %q: %q, again %q", raw, once, twice)
		}
	})
}

func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"", "/", "//a/../b/", "/%2e%2E/%2f", "/é%zz%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once := appendPath(nil, raw, "s3")
		if twice := appendPath(nil, string(once), "s3"); !bytes.Equal(once, twice) {
			t.Errorf("canonical path of %q: %q, again %q", raw, once, twice)
		}
		if got, want := EncodesPathAsSent(raw), string(once) == raw; got != want {
			t.Errorf("EncodesPathAsSent(%q) = %t; want %t", raw, got, want)
		}
		if p := normalize(raw); p[0] != '/' || strings.Contains(p, "//") || strings.Contains(p, "/../") {
			t.Errorf("normalize(%q) = %q", raw, p)
		}
	})
}

func FuzzChunkReader(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), int64(5), false, true)
	f.Add([]byte(frame("hello", 0, testChain(), "")), int64(5), true, false)
	f.Add([]byte(frame("hello", 0, testChain(), "x-amz-checksum-crc32:AAAAAA==")), int64(5), true, true)
	f.Fuzz(func(t *testing.T, body []byte, length int64, signed, trailers bool) {
		cfg := ChunkConfig{Length: length, Trailers: trailers}
		if signed {
			cfg.Chain = testChain()
		}
		if trailers {
			cfg.Declared = []string{"x-amz-checksum-crc32"}
		}
		got, err := io.ReadAll(NewChunkReader(bytes.NewReader(body), cfg))
		if err == nil && int64(len(got)) != length {
			t.Errorf("ReadAll = %d bytes, <nil>; want %d bytes", len(got), length)
		}
		if signed && err == nil && length > 0 && string(got) != "hello" {
			t.Errorf("accepted %q, which nobody signed", got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := &Request{Method: "GET", Path: "/bucket/some/key.txt", Host: "127.0.0.1:7070", Header: map[string][]string{
		"X-Amz-Date": {testDate}, "X-Amz-Content-Sha256": {EmptySHA256}, "Amz-Sdk-Invocation-Id": {"c0ffee"}, "Amz-Sdk-Request": {"attempt=1; max=3"}}}
	const names = "amz-sdk-invocation-id;amz-sdk-request;host;x-amz-content-sha256;x-amz-date"
	signature := testKey.Sign(StringToSign(testDate, testScope, AppendCanonicalRequest(nil, r, "s3", names, EmptySHA256)))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendCanonicalRequest(buf[:0], r, "s3", names, EmptySHA256)
		if !testKey.Verify(StringToSign(testDate, testScope, buf), signature) {
			b.Fatal("does not verify")
		}
	}
}

func BenchmarkChunkReader(b *testing.B) {
	const size = 8 << 20
	data := strings.Repeat("d", size)
	for _, signed := range []bool{true, false} {
		b.Run(fmt.Sprintf("signed=%t", signed), func(b *testing.B) {
			var chain *Chain
			if signed {
				chain = testChain()
			}
			body := frame(data, 64<<10, chain, "")
			buf := make([]byte, 128<<10)
			b.SetBytes(size)
			for b.Loop() {
				cfg := ChunkConfig{Length: size}
				if signed {
					cfg.Chain = testChain()
				}
				r := NewChunkReader(strings.NewReader(body), cfg)
				for {
					if _, err := r.Read(buf); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
