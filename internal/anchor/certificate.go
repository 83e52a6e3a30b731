package anchor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"coffer/internal/meta"
)

// What certificates must be, for a workload and for an authority.
//
// Source: IAM Roles Anywhere User Guide, "The IAM Roles Anywhere trust model",
// "Signature validation", read 2026-11-21.

// maxRSA bounds RSA keys, in bits, and with them how long a verification takes.
const maxRSA = 8192

// checkKey reports a key that is too weak, or of another kind than RSA and EC.
func checkKey(c *x509.Certificate) error {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= 2048 && n <= maxRSA {
			return nil
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
	}
	return errors.New("the key is neither RSA of 2,048 to 8,192 bits nor of the curves P-256, P-384 and P-521")
}

// checkSignatureAlgorithm reports a signature by a digest weaker than SHA-256.
func checkSignatureAlgorithm(c *x509.Certificate) error {
	switch c.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return nil
	}
	return fmt.Errorf("the signature algorithm %s is not SHA-256 or stronger with RSA or ECDSA", c.SignatureAlgorithm)
}

// parseBundle reads the certificates of a trust anchor from PEM. Text between the
// blocks is passed over, as in the files that authorities hand out.
func parseBundle(text string) ([]*x509.Certificate, error) {
	refuse := func(format string, args ...any) ([]*x509.Certificate, error) {
		return nil, fmt.Errorf("%w: %w", ErrCertificates, fmt.Errorf(format, args...))
	}
	var list []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return refuse("a PEM block is no certificate")
		}
		if len(list) == MaxCertificates {
			return refuse("there are more than %d certificates", MaxCertificates)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return refuse("a certificate does not read: %w", err)
		}
		switch {
		case c.Version != 3:
			return refuse("a certificate is not X.509 version 3")
		case !c.BasicConstraintsValid || !c.IsCA:
			return refuse("a certificate is not one of an authority: its basic constraints lack CA")
		case c.KeyUsage&x509.KeyUsageCertSign == 0:
			return refuse("the key usage of a certificate lacks Certificate Sign")
		}
		if err := errors.Join(checkKey(c), checkSignatureAlgorithm(c)); err != nil {
			return refuse("%w", err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return refuse("there is no PEM block")
	}
	return list, nil
}

// parseCRL reads a revocation list, PEM or DER, that one of the authorities signed.
func parseCRL(data []byte, authorities []*x509.Certificate) (*x509.RevocationList, error) {
	refuse := func(format string, args ...any) (*x509.RevocationList, error) {
		return nil, fmt.Errorf("%w: %w", ErrRevocationList, fmt.Errorf(format, args...))
	}
	der := data
	if block, rest := pem.Decode(data); block != nil {
		if block.Type != "X509 CRL" || len(bytes.TrimSpace(rest)) > 0 {
			return refuse("the PEM text is not one revocation list")
		}
		der = block.Bytes
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return refuse("it does not read: %w", err)
	}
	for _, e := range list.Extensions {
		// Such as that of a list for a part of the certificates, or of changes alone.
		if e.Critical {
			return refuse("it has a critical extension, %s", e.Id)
		}
	}
	for _, a := range authorities {
		if bytes.Equal(a.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(a) == nil {
			return list, nil
		}
	}
	return refuse("no certificate of the trust anchor that may sign lists has signed it")
}

// revoked reports whether lists name one of the certificates of a chain below the
// authority at its end.
func revoked(chain []*x509.Certificate, lists []*x509.RevocationList) bool {
	for _, c := range chain {
		for _, list := range lists {
			if !bytes.Equal(c.RawIssuer, list.RawIssuer) {
				continue
			}
			for _, e := range list.RevokedCertificateEntries {
				if equal(e.SerialNumber, c.SerialNumber) {
					return true
				}
			}
		}
	}
	return false
}

func equal(a, b *big.Int) bool { return a != nil && b != nil && a.Cmp(b) == 0 }

// Verify returns the trust anchor that vouches for a certificate, directly or through
// the certificates above it, at a time by the wall clock. It returns ErrUntrusted,
// and for a trust anchor that is missing or off too: a stranger learns nothing.
//
// The revocation lists that are enabled count whatever their age: who imports them
// keeps them new.
func (s *Store) Verify(ctx context.Context, p Place, id string, leaf *x509.Certificate, above []*x509.Certificate, now time.Time) (*TrustAnchor, error) {
	var t *TrustAnchor
	var authorities []*x509.Certificate
	var lists []*x509.RevocationList
	err := s.cfg.Meta.View(ctx, func(v meta.Reader) error {
		r := new(trustRow)
		if err := get(v, KindTrustAnchor, p, id, r); err != nil {
			return err
		}
		t = r.trustAnchor(p, id)
		var err error
		if authorities, err = parseBundle(t.Certificates); err != nil {
			return fmt.Errorf("stored trust anchor %s: %v", id, err) // none of who asks
		}
		lists = nil
		return scan(v, KindCRL, p, func(crl string, r *crlRow) error {
			if r.TrustAnchor != id || !r.Header.Enabled {
				return nil
			}
			list, err := parseCRL(r.Data, authorities)
			if err != nil {
				return fmt.Errorf("stored revocation list %s: %v", crl, err)
			}
			lists = append(lists, list)
			return nil
		})
	})
	switch {
	case errors.Is(err, ErrNoTrustAnchor):
		return nil, fmt.Errorf("%w: there is no such trust anchor", ErrUntrusted)
	case err != nil:
		return nil, err
	case !t.Enabled:
		return nil, fmt.Errorf("%w: the trust anchor is disabled", ErrUntrusted)
	}
	if err := verify(leaf, above, authorities, lists, now); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return t, nil
}

func verify(leaf *x509.Certificate, above, authorities []*x509.Certificate, lists []*x509.RevocationList, now time.Time) error {
	switch {
	case leaf.Version != 3:
		return errors.New("the certificate is not X.509 version 3")
	case leaf.IsCA:
		return errors.New("the certificate is one of an authority")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the key usage of the certificate lacks Digital Signature")
	case isEmptyName(leaf.RawSubject):
		return errors.New("the certificate has no subject")
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range authorities {
		options.Roots.AddCert(c)
	}
	for _, c := range above {
		options.Intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if err = checkChain(chain, lists); err == nil {
			return nil
		}
	}
	return err
}

// checkChain checks what package x509 does not: the keys, the digests, that the
// authorities in between may sign, and that nothing is revoked.
func checkChain(chain []*x509.Certificate, lists []*x509.RevocationList) error {
	for i, c := range chain {
		if err := errors.Join(checkKey(c), checkSignatureAlgorithm(c)); err != nil {
			return err
		}
		if i > 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return errors.New("the key usage of an authority lacks Certificate Sign")
		}
	}
	if revoked(chain[:len(chain)-1], lists) {
		return errors.New("a certificate is revoked")
	}
	return nil
}

// isEmptyName reports whether a name in DER has no part.
func isEmptyName(raw []byte) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(raw, &v)
	return err != nil || len(rest) > 0 || len(v.Bytes) == 0
}
