package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"coffer/internal/extkey"
)

// publicEndpoint is an endpoint as AWS takes it: https, port 443, and the name of a
// host. That the host has a dot and is no address is checked besides.
//
// Source: AWS KMS API Reference, CreateCustomKeyStore, XksProxyUriEndpoint, read
// 2026-11-22.
var publicEndpoint = regexp.MustCompile(`^https://[a-zA-Z0-9.-]+$`)

// maxEndpoint is the longest endpoint, in characters, of the same source.
const maxEndpoint = 128

// Check implements extkey.Dialer. An endpoint is allowed if the operator listed it, or
// if it is as AWS takes it; what the name of the latter leads to is looked at with
// every connection.
func (d *Dialer) Check(endpoint string) error {
	if d.listed[endpoint] {
		return nil
	}
	host := strings.TrimPrefix(endpoint, "https://")
	switch {
	case len(endpoint) > maxEndpoint || !publicEndpoint.MatchString(endpoint):
		return fmt.Errorf("%w: it is not https:// and the name of a host", extkey.ErrEndpoint)
	case !strings.Contains(strings.Trim(host, "."), ".") || isAddress(host):
		return fmt.Errorf("%w: the host is not a fully qualified domain name", extkey.ErrEndpoint)
	}
	return nil
}

// isAddress reports whether host is an IP address in any of the forms that resolvers
// take, 127.1 and 0x7f.1 among them: names of hosts don't end in a number.
func isAddress(host string) bool {
	last := host[strings.LastIndexByte(strings.TrimRight(host, "."), '.')+1:]
	return last == "" || '0' <= last[0] && last[0] <= '9'
}

// checkListed checks an endpoint that the operator lists.
func checkListed(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.String() != u.Scheme+"://"+u.Host {
		return fmt.Errorf("%q is not a scheme and a host, such as https://hsm.example.com:8443", endpoint)
	}
	switch u.Scheme {
	case "https":
		return nil
	case "http":
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			return nil
		}
		return fmt.Errorf("%q is not https: only a loopback address may go without", endpoint)
	}
	return fmt.Errorf("%q is not https", endpoint)
}

// address returns the host and port that an endpoint connects to.
func address(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
}

// internal are networks beyond those that package netip knows as private: shared and
// documentation addresses, those of benchmarks, and those that carry an IPv4 address
// inside.
//
// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries, read 2026-11-22.
var internal = func() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// isPublic reports whether an address is one of the Internet.
func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range internal {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// onlyPublic refuses connections to addresses that are not of the Internet. It runs
// after the name was resolved, so that a name can't lead elsewhere.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(at.Addr()) {
		return fmt.Errorf("%w: it leads to %s, which is not a public address", extkey.ErrEndpoint, address)
	}
	return nil
}
