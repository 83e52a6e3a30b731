package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func resolve(t *testing.T, args []string, env map[string]string, file string) (*Server, error) {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	c := new(Server)
	c.Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	name := ""
	if file != "" {
		name = filepath.Join(t.TempDir(), "coffer.yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c, c.Resolve(fs, name, func(k string) string { return env[k] })
}

func TestPrecedence(t *testing.T) {
	file := "region: eu-west-1\nlisten: 127.0.0.1:1\nmax-requests: 7\ndomain: [a.test, b.test]\n"
	env := map[string]string{"COFFER_LISTEN": "127.0.0.1:2", "COFFER_REGION": "eu-west-2"}
	c, err := resolve(t, []string{"--region", "eu-west-3"}, env, file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "eu-west-3" || c.Listen != "127.0.0.1:2" || c.MaxRequests != 7 || strings.Join(c.Domains, " ") != "a.test b.test" {
		t.Errorf("Resolve = %q %q %d %q; want flag over environment over file", c.Region, c.Listen, c.MaxRequests, c.Domains)
	}
	if c.Data != "./coffer-data" || c.Account != "123456789012" {
		t.Errorf("defaults = %q %q", c.Data, c.Account)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		file string
	}{
		{name: "unknown key in the file", file: "listn: 127.0.0.1:1\n"},
		{name: "file that is no mapping", file: "- a\n"},
		{name: "bad duration", env: map[string]string{"COFFER_IDLE_TIMEOUT": "soon"}},
		{name: "short account", args: []string{"--account", "12"}},
		{name: "quota without a name", args: []string{"--kms-quotas", "aws,5"}},
		{name: "quota of nothing", file: "kms-quotas: [aws, MakeCoffee=5]\n"},
		{name: "region", args: []string{"--region", "Moon"}},
		{name: "half of a key pair", args: []string{"--tls-cert", "x"}},
		{name: "xks without TLS", args: []string{"--xks", "x", "--listen", "0.0.0.0:1"}},
		{name: "xks listener without TLS", args: []string{"--xks", "x", "--xks-listen", "0.0.0.0:1"}},
		{name: "xks listener without xks", args: []string{"--xks-listen", "127.0.0.1:1"}},
		{name: "xks client CA on the main listener", args: []string{"--xks", "x", "--tls-self-signed", "--xks-client-ca", "x", "--xks-client-name", "n"}},
		{name: "xks client CA without a name", args: []string{"--xks", "x", "--xks-listen", "127.0.0.1:1", "--tls-self-signed", "--xks-client-ca", "x"}},
		{name: "half of a client certificate", args: []string{"--key-store-cert", "x"}},
		{name: "client certificates without TLS", args: []string{"--tls-client-ca", "x"}},
		{name: "dev clock on every address", args: []string{"--dev-clock", "--listen", "0.0.0.0:7070"}},
		{name: "dev clock on no address", args: []string{"--dev-clock", "--listen", ":7070"}},
		{name: "proxy that is no network", args: []string{"--trusted-proxy", "proxy.test"}},
		{name: "proxy in the file that is no network", file: "trusted-proxy: [10.0.0.0/8, 10.0.0.0/40]\n"},
		{name: "every address is a proxy", env: map[string]string{"COFFER_TRUSTED_PROXY": "0.0.0.0/0"}},
		{name: "every address is a proxy, IPv6", env: map[string]string{"COFFER_TRUSTED_PROXY": "::/0"}},
		{name: "proxy of IPv4 in IPv6", args: []string{"--trusted-proxy", "::ffff:10.0.0.0/104"}},
		{name: "proxy with a zone", args: []string{"--trusted-proxy", "fe80::1%eth0"}},
		{name: "half of a root key", env: map[string]string{"COFFER_ROOT_ACCESS_KEY_ID": "AKIA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := resolve(t, tt.args, tt.env, tt.file); err == nil {
				t.Error("Resolve = nil; want an error")
			}
		})
	}
}

func TestTrustedProxies(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		file string
	}{
		{args: []string{"--trusted-proxy", "10.1.2.3/8", "--trusted-proxy", "fd00::1"}},
		{env: map[string]string{"COFFER_TRUSTED_PROXY": "10.0.0.0/8,fd00::1"}},
		{file: "trusted-proxy: [10.0.0.0/8, 'fd00::1']\n"},
	} {
		s, err := resolve(t, c.args, c.env, c.file)
		if err != nil || fmt.Sprint(s.TrustedProxies) != "[10.0.0.0/8 fd00::1/128]" {
			t.Errorf("Resolve(%v) = %v, %v", c, s.TrustedProxies, err)
		}
	}
	if s, err := resolve(t, nil, nil, ""); err != nil || s.TrustedProxies != nil {
		t.Errorf("default = %v, %v", s.TrustedProxies, err)
	}
}

func TestFileErrorsNameTheLine(t *testing.T) {
	_, err := resolve(t, nil, nil, "region: eu-west-1\n\nidle-timeout: soon\n")
	if err == nil || !strings.Contains(err.Error(), "coffer.yaml:3: idle-timeout: ") {
		t.Errorf("Resolve = %v; want file, line and name", err)
	}
}
