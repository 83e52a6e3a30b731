// Package config holds the server's settings and where they come from: a flag
// wins over an environment variable, which wins over the configuration file.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"coffer/internal/quota"
)

// A Server holds the settings of coffer serve. Every field has a flag, an
// environment variable COFFER_NAME and a key in the file, all of one name;
// docs/configuration.md says what each means.
type Server struct {
	Data    string
	Listen  string
	Account string
	Region  string
	Domains []string

	TLSCert, TLSKey string
	TLSSelfSigned   bool
	TLSClientCA     string

	// TrustedProxies are the networks whose X-Forwarded- headers are believed.
	// Resolve sets it from proxies.
	TrustedProxies []netip.Prefix
	proxies        []string

	LogFormat string
	LogLevel  string
	DevClock  bool
	AllowSSEC bool
	TrailSync bool

	MaxRequests    int
	MaxConnections int
	IdleTimeout    time.Duration
	BodyTimeout    time.Duration
	DrainTimeout   time.Duration
	CacheSize      int64 // bytes
	MinFree        int64 // bytes
	RecoveryWindow time.Duration

	// KMSQuotas are the request quotas of the key service. Resolve sets them from
	// kmsQuotas.
	KMSQuotas *quota.Config
	kmsQuotas []string

	XKS       XKS
	KeyStores KeyStores

	Root Root

	// RootAccessKeyID and RootSecretAccessKey set the account's root access
	// key. They come from the environment alone: a command line can be read
	// by other users of the machine.
	RootAccessKeyID     string
	RootSecretAccessKey string
}

// Flags adds the settings to fs with their defaults.
func (c *Server) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Data, "data", "./coffer-data", "`directory` that holds everything")
	fs.StringVar(&c.Listen, "listen", "127.0.0.1:7070", "`address` of the APIs; port 0 picks a free one")
	fs.StringVar(&c.Account, "account", "123456789012", "12-digit `id` of the first account")
	fs.StringVar(&c.Region, "region", "us-east-1", "`region` of requests that name none")
	fs.StringSliceVar(&c.Domains, "domain", nil, "host `name` under which buckets are hosts; may repeat")
	fs.StringVar(&c.TLSCert, "tls-cert", "", "certificate chain, PEM `file`, read again when it changes")
	fs.StringVar(&c.TLSKey, "tls-key", "", "private key, PEM `file`")
	fs.BoolVar(&c.TLSSelfSigned, "tls-self-signed", false, "serve TLS under an authority kept in DIR/tls/ca.pem")
	fs.StringVar(&c.TLSClientCA, "tls-client-ca", "", "ask clients for a certificate of the authorities in a PEM `file`")
	fs.StringSliceVar(&c.proxies, "trusted-proxy", nil, "`network` (CIDR) of proxies whose X-Forwarded- headers are believed; may repeat")
	fs.StringVar(&c.LogFormat, "log-format", "text", "text or json")
	fs.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	fs.BoolVar(&c.DevClock, "dev-clock", false, "let the root user move calendar time on; for tests only")
	fs.BoolVar(&c.AllowSSEC, "allow-sse-c", false, "make new buckets accept SSE-C")
	fs.BoolVar(&c.TrailSync, "trail-sync", false, "sync the record of a read before its first byte leaves")
	fs.IntVar(&c.MaxRequests, "max-requests", 512, "requests served at a time; more get 503 SlowDown")
	fs.IntVar(&c.MaxConnections, "max-connections", 20000, "connections open at a time; more wait")
	fs.DurationVar(&c.IdleTimeout, "idle-timeout", 2*time.Minute, "close a connection without a request after this")
	fs.DurationVar(&c.BodyTimeout, "body-timeout", time.Minute, "give up a body that does not move for this long")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", 30*time.Second, "wait this long for requests when stopping")
	fs.Int64Var(&c.CacheSize, "cache-size", 64<<20, "metadata cache in `bytes`")
	fs.Int64Var(&c.MinFree, "min-free", 64<<20, "refuse writes below this much free space, in `bytes`")
	fs.StringSliceVar(&c.kmsQuotas, "kms-quotas", []string{"off"}, "request quotas of KMS: off, aws, and `NAME=RATE` (requests a second, or off) for single ones")
	fs.DurationVar(&c.RecoveryWindow, "recovery-window", 7*24*time.Hour, "keep the wrap that a re-keying replaced for this long")
	c.XKS.flags(fs)
	c.KeyStores.flags(fs)
	c.Root.Flags(fs)
}

// Resolve fills every setting whose flag was not given from the environment and
// then from the file, and checks the result. fs holds the parsed flags, and file
// the name of the configuration file or "".
func (c *Server) Resolve(fs *pflag.FlagSet, file string, getenv func(string) string) error {
	values, err := readFile(file, fs)
	if err != nil {
		return err
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "config" || f.Name == "help" || err != nil {
			return
		}
		env := EnvName(f.Name)
		if v := getenv(env); v != "" {
			if e := f.Value.Set(v); e != nil {
				err = fmt.Errorf("%s: %w", env, e)
			}
			return
		}
		if v, ok := values[f.Name]; ok {
			if e := f.Value.Set(v.text); e != nil {
				err = fmt.Errorf("%s:%d: %s: %w", file, v.line, f.Name, e)
			}
		}
	})
	if err != nil {
		return err
	}
	if err := c.Root.environment(getenv); err != nil {
		return err
	}
	c.RootAccessKeyID = getenv("COFFER_ROOT_ACCESS_KEY_ID")
	c.RootSecretAccessKey = getenv("COFFER_ROOT_SECRET_ACCESS_KEY")
	if c.KMSQuotas, err = quota.Parse(c.kmsQuotas); err != nil {
		return fmt.Errorf("kms-quotas: %w", err)
	}
	if c.TrustedProxies, err = parseNetworks(c.proxies); err != nil {
		return fmt.Errorf("trusted-proxy: %w", err)
	}
	return c.check()
}

// parseNetworks reads addresses and CIDR networks. One that holds every address is
// refused: to trust everybody's headers is to trust nobody's address.
func parseNetworks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if at, e := netip.ParseAddr(s); e == nil && at.Zone() == "" {
			p, err = netip.PrefixFrom(at, at.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			return nil, fmt.Errorf("%q is no network, such as 10.0.0.0/8", s)
		case p.Bits() == 0:
			return nil, fmt.Errorf("%q holds every address", s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// EnvName returns the environment variable of a flag: COFFER_TLS_CERT for
// tls-cert.
func EnvName(flag string) string {
	return "COFFER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// A value is a setting in a configuration file, as it would stand in a flag.
type value struct {
	text string
	line int
}

// readFile returns the settings in a configuration file, by flag name.
func readFile(name string, fs *pflag.FlagSet) (map[string]value, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return parse(name, b, fs)
}

func parse(name string, b []byte, fs *pflag.FlagSet) (map[string]value, error) {
	var doc map[string]yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc); err != nil && len(bytes.TrimSpace(b)) > 0 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	values := make(map[string]value, len(doc))
	for k, n := range doc {
		if fs.Lookup(k) == nil || k == "config" || k == "help" {
			return nil, fmt.Errorf("%s:%d: no setting is called %q", name, n.Line, k)
		}
		switch n.Kind {
		case yaml.ScalarNode:
			values[k] = value{n.Value, n.Line}
		case yaml.SequenceNode:
			var list []string
			if err := n.Decode(&list); err != nil {
				return nil, fmt.Errorf("%s:%d: %s: %w", name, n.Line, k, err)
			}
			values[k] = value{strings.Join(list, ","), n.Line}
		default:
			return nil, fmt.Errorf("%s:%d: %s takes a value or a list", name, n.Line, k)
		}
	}
	return values, nil
}

var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	regionID  = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)
)

func (c *Server) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("listen: %w", err)
	case c.Data == "":
		return errors.New("data: no directory named")
	case !accountID.MatchString(c.Account):
		return fmt.Errorf("account: %q is not 12 digits", c.Account)
	case !regionID.MatchString(c.Region):
		return fmt.Errorf("region: %q is no region name", c.Region)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("tls-cert and tls-key go together")
	case c.TLSCert != "" && c.TLSSelfSigned:
		return errors.New("tls-self-signed excludes tls-cert")
	case c.TLSClientCA != "" && !c.TLS():
		return errors.New("tls-client-ca needs tls-cert or tls-self-signed")
	case c.LogFormat != "text" && c.LogFormat != "json":
		return fmt.Errorf("log-format: %q is neither text nor json", c.LogFormat)
	case c.DevClock && !isLoopback(host):
		return errors.New("dev-clock needs a loopback listener: whoever moves time on can end every waiting period")
	case c.MaxRequests < 1 || c.MaxConnections < 1:
		return errors.New("max-requests and max-connections are at least 1")
	case c.IdleTimeout <= 0 || c.BodyTimeout <= 0 || c.DrainTimeout <= 0 || c.RecoveryWindow < 0:
		return errors.New("timeouts are positive")
	case c.CacheSize < 1<<20 || c.MinFree < 0:
		return errors.New("cache-size is at least 1 MiB, and min-free not negative")
	case (c.RootAccessKeyID == "") != (c.RootSecretAccessKey == ""):
		return errors.New("COFFER_ROOT_ACCESS_KEY_ID and COFFER_ROOT_SECRET_ACCESS_KEY go together")
	}
	return errors.Join(c.XKS.check(c.Listen, c.TLS()), c.KeyStores.check())
}

// TLS reports whether the server speaks TLS.
func (c *Server) TLS() bool { return c.TLSCert != "" || c.TLSSelfSigned }

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
