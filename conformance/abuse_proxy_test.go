package conformance

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// addressed makes a bucket "from" whose objects may be read from one address each:
// /from/<address> from there, and "secure" over TLS alone.
func (k *sdk) addressed(t *testing.T, addresses ...string) {
	t.Helper()
	put := k.guardedBucket(t, "from")
	list := []string{`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::from/secure","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`}
	k.put(t, "from", "secure", "secure")
	for _, at := range addresses {
		k.put(t, "from", at, at)
		list = append(list, fmt.Sprintf(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":%q,"Condition":{"IpAddress":{"aws:SourceIp":%q}}}`, "arn:aws:s3:::from/"+at, at))
	}
	put(list...)
}

// seenAs returns which of the objects can be read: the address that the server sees.
func (k *sdk) seenAs(t *testing.T, header http.Header, addresses ...string) string {
	t.Helper()
	var seen []string
	for _, at := range append([]string{"secure"}, addresses...) {
		req, err := http.NewRequest("GET", k.endpoint+"/from/"+url.PathEscape(at), nil)
		check(t, "NewRequest", err)
		req.Header = header.Clone()
		switch status, body := k.send(t, req); {
		case status == 200 && body == at:
			seen = append(seen, at)
		case status != 403:
			t.Errorf("GET %s with %v = %d %s; want 200 or 403", at, header, status, body)
		}
	}
	return strings.Join(seen, " ")
}

// TestForgedProxyHeaders claims other addresses, and TLS, through the headers of
// proxies (CVE-2026-21862 in RustFS).
func TestForgedProxyHeaders(t *testing.T) {
	t.Parallel()
	addresses := []string{"127.0.0.1", "192.0.2.7", "198.51.100.9", "2001:db8::7", "10.0.0.1"}
	forged := map[string][]string{
		"X-Forwarded-For": {"192.0.2.7", "192.0.2.7, 10.0.0.1", "2001:db8::7", "192.0.2.7:80", "[2001:db8::7]:80"}, "X-Real-Ip": {"192.0.2.7"}, "True-Client-Ip": {"192.0.2.7"}, "X-Client-Ip": {"192.0.2.7"},
		"Cf-Connecting-Ip": {"192.0.2.7"}, "Fastly-Client-Ip": {"192.0.2.7"}, "X-Cluster-Client-Ip": {"192.0.2.7"}, "X-Original-Forwarded-For": {"192.0.2.7"}, "X-Remote-Addr": {"192.0.2.7"}, "Remote-Addr": {"192.0.2.7"},
		"Forwarded": {"for=192.0.2.7;proto=https", `for="[2001:db8::7]"`}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Scheme": {"https"}, "X-Forwarded-Ssl": {"on"}, "Front-End-Https": {"on"}, "X-Url-Scheme": {"https"},
		"X-Forwarded-Host": {"other.example"}, "X-Forwarded-Port": {"443"}, "Via": {"1.1 192.0.2.7"}, "Proxy-Protocol": {"TCP4 192.0.2.7 127.0.0.1 1 2"},
	}
	for name, args := range map[string][]string{"no proxy": nil, "another proxy": {"--trusted-proxy", "10.0.0.0/8"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := besieged(t, args...)
			k.addressed(t, addresses...)
			want(t, "the address without headers", k.seenAs(t, nil, addresses...), "127.0.0.1")
			for name, values := range forged {
				for _, value := range values {
					want(t, "the address with "+name+": "+value, k.seenAs(t, http.Header{name: {value}}, addresses...), "127.0.0.1")
				}
			}
			// Nor does a line of the PROXY protocol before the request.
			conn, err := net.Dial("tcp", strings.TrimPrefix(k.endpoint, "http://"))
			check(t, "Dial", err)
			defer conn.Close()
			fmt.Fprintf(conn, "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET /from/192.0.2.7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			b := make([]byte, 64)
			n, _ := conn.Read(b)
			if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 400") {
				t.Errorf("a request after a line of the PROXY protocol = %q; want 400", b[:n])
			}
		})
	}
	t.Run("a trusted proxy", func(t *testing.T) {
		t.Parallel()
		k := besieged(t, "--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "fd00::/8")
		k.addressed(t, addresses...)
		for _, c := range []struct {
			header http.Header
			want   string
		}{
			{nil, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {"192.0.2.7"}}, "192.0.2.7"},
			{http.Header{"X-Forwarded-For": {"192.0.2.7, 198.51.100.9"}}, "198.51.100.9"}, // what is further left is the client's invention
			{http.Header{"X-Forwarded-For": {"192.0.2.7", "198.51.100.9"}}, "198.51.100.9"},
			{http.Header{"X-Forwarded-For": {"198.51.100.9, 192.0.2.7, 10.0.0.1"}}, "192.0.2.7"}, // through two proxies
			{http.Header{"X-Forwarded-For": {"198.51.100.9, 192.0.2.7, 10.0.0.1, fd00::1, 127.0.0.2"}}, "192.0.2.7"},
			{http.Header{"X-Forwarded-For": {"10.0.0.1"}}, "10.0.0.1"},
			{http.Header{"X-Forwarded-For": {"2001:db8::7"}}, "2001:db8::7"},
			{http.Header{"X-Forwarded-For": {"2001:0DB8:0:0::7"}}, "2001:db8::7"},
			{http.Header{"X-Forwarded-For": {"[2001:db8::7]:443"}}, "2001:db8::7"},
			{http.Header{"X-Forwarded-For": {"::ffff:192.0.2.7"}}, "192.0.2.7"},
			{http.Header{"X-Forwarded-For": {"192.0.2.7:443"}}, "192.0.2.7"},
			// An entry that is no address ends the walk at the proxy that wrote it.
			{http.Header{"X-Forwarded-For": {"192.0.2.7, unknown"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {"192.0.2.7, <script>, 10.0.0.1"}}, "10.0.0.1"},
			{http.Header{"X-Forwarded-For": {"192.0.2.7,"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {""}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {"0300.0.2.7"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {"3221225991"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {"192.0.2.7/24"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {strings.Repeat("192.0.2.7,", 200) + "198.51.100.9"}}, "198.51.100.9"},
			// Other headers are no one's word.
			{http.Header{"X-Real-Ip": {"192.0.2.7"}}, "127.0.0.1"},
			{http.Header{"Forwarded": {"for=192.0.2.7;proto=https"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-For": {"198.51.100.9"}, "X-Real-Ip": {"192.0.2.7"}, "Forwarded": {"for=192.0.2.7"}}, "198.51.100.9"},
			{http.Header{"X-Forwarded-Proto": {"https"}}, "secure 127.0.0.1"},
			{http.Header{"X-Forwarded-Proto": {"http"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-Proto": {"https", "http"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-Proto": {"https, http"}}, "127.0.0.1"},
			{http.Header{"X-Forwarded-Scheme": {"https"}}, "127.0.0.1"},
		} {
			want(t, fmt.Sprintf("the address with %v", c.header), k.seenAs(t, c.header, addresses...), c.want)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		k := besieged(t, "--tls-self-signed")
		k.addressed(t, addresses...)
		want(t, "the address over TLS", k.seenAs(t, http.Header{"X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"192.0.2.7"}}, addresses...), "secure 127.0.0.1")
	})
}

// TestForgedHost sends hosts that name a bucket, or another server, where none is.
func TestForgedHost(t *testing.T) {
	t.Parallel()
	k := besieged(t, "--domain", "s3.example.test")
	for _, host := range []string{"vault.s3.example.test", "vault.s3.example.test.", "VAULT.s3.example.test:80", "vault.s3.example.test@127.0.0.1"} {
		for _, header := range []http.Header{nil, {"X-Forwarded-Host": {"vault.s3.example.test"}}} {
			req, err := http.NewRequest("GET", k.endpoint+"/victim", nil)
			check(t, "NewRequest", err)
			req.Header = header.Clone()
			req.Host = host
			if status, body := k.send(t, req); status < 400 || strings.Contains(body, victim) {
				t.Errorf("GET /victim at host %s = %d %s; want a refusal", host, status, body)
			}
		}
	}
	// A signature for one bucket's host does not hold at another's.
	_, err := k.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("open"), Key: aws.String("victim"), Body: strings.NewReader("own")})
	check(t, "PutObject", err)
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "vault.s3.example.test" },
		func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "vault.s3.example.test")
			r.Header.Set("X-Host", "vault.s3.example.test")
		},
	} {
		req, err := http.NewRequest("GET", k.endpoint+"/victim", nil)
		check(t, "NewRequest", err)
		req.Host = "open.s3.example.test"
		k.sign(t, req, hexSHA256(nil))
		change(req)
		if status, body := k.send(t, req); status < 400 && body != "own" || strings.Contains(body, victim) {
			t.Errorf("GET at another host than it was signed for = %d %s; want a refusal", status, body)
		}
	}
	_, err = k.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("open"), Key: aws.String("victim")})
	check(t, "DeleteObject", err)
	k.untouched(t)
}
