package authn

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"
)

func TestOrigin(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		name, peer string
		forwarded  []string
		proto      []string
		tls        bool
		want       string
		secure     bool
	}{
		{name: "no proxy", peer: "192.0.2.7:1", want: "192.0.2.7"},
		{name: "a stranger forges", peer: "192.0.2.7:1", forwarded: []string{"203.0.113.9"}, proto: []string{"https"}, want: "192.0.2.7"},
		{name: "a stranger forges a proxy", peer: "192.0.2.7:1", forwarded: []string{"203.0.113.9, 10.0.0.1"}, want: "192.0.2.7"},
		{name: "one proxy", peer: "10.0.0.1:1", forwarded: []string{"203.0.113.9"}, want: "203.0.113.9"},
		{name: "the client forges", peer: "10.0.0.1:1", forwarded: []string{"127.0.0.1, 203.0.113.9"}, want: "203.0.113.9"},
		{name: "the client forges a header", peer: "10.0.0.1:1", forwarded: []string{"127.0.0.1", "203.0.113.9"}, want: "203.0.113.9"},
		{name: "two proxies", peer: "10.0.0.1:1", forwarded: []string{"127.0.0.1,203.0.113.9", "10.0.0.2"}, want: "203.0.113.9"},
		{name: "only proxies", peer: "10.0.0.1:1", forwarded: []string{"10.0.0.3, 10.0.0.2"}, want: "10.0.0.3"},
		{name: "nothing forwarded", peer: "10.0.0.1:1", want: "10.0.0.1"},
		{name: "empty", peer: "10.0.0.1:1", forwarded: []string{""}, want: "10.0.0.1"},
		{name: "no address at the end", peer: "10.0.0.1:1", forwarded: []string{"203.0.113.9, unknown"}, want: "10.0.0.1"},
		{name: "no address behind a proxy", peer: "10.0.0.1:1", forwarded: []string{"203.0.113.9, <script>, 10.0.0.2"}, want: "10.0.0.2"},
		{name: "ports", peer: "10.0.0.1:1", forwarded: []string{"203.0.113.9:444, 10.0.0.2:80"}, want: "203.0.113.9"},
		{name: "IPv6", peer: "[fd00::1]:1", forwarded: []string{"2001:db8::1"}, want: "2001:db8::1"},
		{name: "IPv6 with a port", peer: "[fd00::1]:1", forwarded: []string{"[2001:db8::1]:443"}, want: "2001:db8::1"},
		{name: "IPv6 in brackets", peer: "[fd00::1]:1", forwarded: []string{"[2001:db8::1]"}, want: "2001:db8::1"},
		{name: "IPv4 in brackets", peer: "[fd00::1]:1", forwarded: []string{"[203.0.113.9]"}, want: "fd00::1"},
		{name: "IPv4 in IPv6", peer: "[::ffff:10.0.0.1]:1", forwarded: []string{"::ffff:203.0.113.9"}, want: "203.0.113.9"},
		{name: "zone", peer: "[fd00::1%eth0]:1", forwarded: []string{"fe80::1%eth0"}, want: "fe80::1"},
		{name: "no address", peer: "@", forwarded: []string{"203.0.113.9"}, want: "@"},

		{name: "TLS", peer: "192.0.2.7:1", tls: true, want: "192.0.2.7", secure: true},
		{name: "TLS, whatever a stranger says", peer: "192.0.2.7:1", proto: []string{"http"}, tls: true, want: "192.0.2.7", secure: true},
		{name: "TLS ends at the proxy", peer: "10.0.0.1:1", proto: []string{"HTTPS"}, want: "10.0.0.1", secure: true},
		{name: "none before the proxy", peer: "10.0.0.1:1", proto: []string{"http"}, tls: true, want: "10.0.0.1"},
		{name: "the proxy says nothing", peer: "10.0.0.1:1", tls: true, want: "10.0.0.1", secure: true},
		{name: "the proxy says two things", peer: "10.0.0.1:1", proto: []string{"https", "http"}, want: "10.0.0.1"},
		{name: "the proxy appends", peer: "10.0.0.1:1", proto: []string{"https, http"}, want: "10.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Config{Keys: testKeys, TrustedProxies: proxies})
			r := newRequest("GET", "/")
			r.RemoteAddr = tt.peer
			if tt.forwarded != nil {
				r.Header["X-Forwarded-For"] = tt.forwarded
			}
			if tt.proto != nil {
				r.Header["X-Forwarded-Proto"] = tt.proto
			}
			if tt.tls {
				r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
			}
			c := a.caller(r, "s3", Facts{})
			if c.SourceIP != tt.want || c.SecureTransport != tt.secure {
				t.Errorf("caller from %s, %v; want %s, %v", c.SourceIP, c.SecureTransport, tt.want, tt.secure)
			}
		})
	}
}

// TestHeadersChangeNothing: without a trusted proxy, no header moves a caller.
func TestHeadersChangeNothing(t *testing.T) {
	r := newRequest("GET", "/")
	r.RemoteAddr = "192.0.2.7:49152"
	want := *newTest().caller(r, "s3", Facts{})
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Forwarded-Proto",
		"X-Forwarded-Host", "X-Original-Host", "Aws:principalarn", "Userid", "X-Amz-Source-Arn", "X-Amz-Source-Account"} {
		for _, value := range []string{"127.0.0.1", "for=127.0.0.1;proto=https", "https", "arn:aws:iam::123456789012:root"} {
			r.Header = http.Header{name: {value}}
			if got := *newTest().caller(r, "s3", Facts{}); got != want {
				t.Errorf("%s: %s makes the caller %+v", name, value, got)
			}
		}
	}
}
