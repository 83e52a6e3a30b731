package config

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/pflag"
)

// An XKS says whether this server is an external key store proxy: for which stores, and
// who may connect.
type XKS struct {
	// File describes the stores, secrets among them; empty means no proxy.
	File string
	// Listen is the address of a listener of its own; empty means the one of the
	// other APIs.
	Listen string
	// ClientCA and ClientName let in only clients with a certificate of these
	// authorities and that common name. Both need a listener of its own.
	ClientCA, ClientName string
}

// KeyStores say how this server reaches the proxies of its custom key stores.
type KeyStores struct {
	Endpoints []string // beyond public ones
	CA        string   // file of authorities beside the system's
	Cert, Key string   // files of the client certificate
}

func (x *XKS) flags(fs *pflag.FlagSet) {
	fs.StringVar(&x.File, "xks", "", "be an external key store proxy for the stores in a `file`, read again when it changes")
	fs.StringVar(&x.Listen, "xks-listen", "", "`address` of a listener for the external key store proxy alone")
	fs.StringVar(&x.ClientCA, "xks-client-ca", "", "on --xks-listen, admit only client certificates of the authorities in a PEM `file`")
	fs.StringVar(&x.ClientName, "xks-client-name", "", "common `name` of these certificates, such as cks.kms.us-east-1.amazonaws.com")
}

func (k *KeyStores) flags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&k.Endpoints, "key-store-endpoint", nil, "`URL` of an external key store proxy that is not on the Internet at port 443; may repeat")
	fs.StringVar(&k.CA, "key-store-ca", "", "trust external key store proxies with a certificate of the authorities in a PEM `file` too")
	fs.StringVar(&k.Cert, "key-store-cert", "", "client certificate for external key store proxies, PEM `file`")
	fs.StringVar(&k.Key, "key-store-key", "", "its private key, PEM `file`")
}

// check checks the settings; listen and isTLS are those of the other APIs.
func (x *XKS) check(listen string, isTLS bool) error {
	if x.File == "" {
		if *x != (XKS{}) {
			return errors.New("xks-listen, xks-client-ca and xks-client-name need xks")
		}
		return nil
	}
	if x.Listen != "" {
		listen = x.Listen
	}
	host, _, err := net.SplitHostPort(listen)
	switch {
	case err != nil:
		return fmt.Errorf("xks-listen: %w", err)
	case !isTLS && !isLoopback(host):
		return errors.New("xks needs TLS, or a loopback listener behind a proxy that has it")
	case (x.ClientCA == "") != (x.ClientName == ""):
		return errors.New("xks-client-ca and xks-client-name go together")
	case x.ClientCA != "" && (x.Listen == "" || !isTLS):
		return errors.New("xks-client-ca needs xks-listen and TLS")
	}
	return nil
}

func (k *KeyStores) check() error {
	if (k.Cert == "") != (k.Key == "") {
		return errors.New("key-store-cert and key-store-key go together")
	}
	return nil
}
