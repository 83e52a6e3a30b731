package authn

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// origin returns the address that a request comes from and whether it came over
// TLS, as aws:SourceIp and aws:SecureTransport have them.
//
// Both are those of the connection. Only if that comes from a trusted proxy, its
// X-Forwarded-For and X-Forwarded-Proto are believed: the address is the last one
// in the list that is not itself a trusted proxy's, since each proxy appends who
// spoke to it, and whatever stands further left may be the client's invention. An
// entry that is no address ends the walk at the proxy that wrote it.
func (a *Authenticator) origin(r *http.Request) (address string, isSecure bool) {
	address, isSecure = r.RemoteAddr, r.TLS != nil
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		address = host
	}
	if len(a.cfg.TrustedProxies) == 0 {
		return address, isSecure
	}
	at, err := netip.ParseAddr(address)
	if err != nil || !a.isProxy(at) {
		return address, isSecure
	}
	if proto, ok := r.Header["X-Forwarded-Proto"]; ok {
		isSecure = len(proto) == 1 && strings.EqualFold(proto[0], "https")
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := parseHop(strings.Trim(hop, " \t"))
		if !ok {
			break
		}
		at = next
		if !a.isProxy(at) {
			break
		}
	}
	return at.Unmap().WithZone("").String(), isSecure
}

// isProxy reports whether an address is a trusted proxy's.
func (a *Authenticator) isProxy(at netip.Addr) bool {
	at = at.Unmap().WithZone("")
	return slices.ContainsFunc(a.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// parseHop reads one entry of X-Forwarded-For: an address, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	if at, err := netip.ParseAddr(s); err == nil {
		return at, true
	}
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr(), true
	}
	at, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return at, err == nil && at.Is6() && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]")
}
