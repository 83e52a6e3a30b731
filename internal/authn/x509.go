package authn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"coffer/internal/awserr"
	"coffer/internal/sigv4"
)

// The algorithms of requests that are signed with the key of a certificate. AWS has
// a third one, for ML-DSA keys, which this server does not take.
//
// Source: IAM Roles Anywhere User Guide, "The IAM Roles Anywhere authentication
// signing process", read 2026-11-21.
const (
	algorithmX509      = "AWS4-X509-" // how all of them begin
	algorithmX509RSA   = "AWS4-X509-RSA-SHA256"
	algorithmX509ECDSA = "AWS4-X509-ECDSA-SHA256"
)

// The headers that hold the certificate of the signer and those above it.
const (
	headerX509      = "X-Amz-X509"
	headerX509Chain = "X-Amz-X509-Chain"
)

const (
	// maxX509Chain is how many certificates may stand above that of the signer.
	//
	// Source: IAM Roles Anywhere User Guide, "The IAM Roles Anywhere authentication
	// process": a maximum depth of 5 certificates; read 2026-11-21.
	maxX509Chain = 5
	// maxX509Size bounds a certificate in bytes, encoded. The longest that fits into
	// a request's headers is about as long.
	maxX509Size = 24 << 10
	// Bounds of RSA keys, in bits. Verification takes time with the square of the
	// length, and anyone can ask for it.
	minRSA, maxRSA = 2048, 8192
)

// A CertificateSigner is who signed a request with the key of a certificate. That
// proves possession of the key alone: whose certificate it is, and whether to trust
// it, is for others to find out.
type CertificateSigner struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // as sent: certificates that may stand above it
}

// x509Dialect is how IAM Roles Anywhere refuses such a signature.
var x509Dialect = dialect{
	missing:        awserr.New(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
	key:            awserr.New(403, "AccessDeniedException", "A request that is signed with a certificate has no session token."),
	incompleteCode: "IncompleteSignatureException",
	invalidCode:    "AccessDeniedException", invalidStatus: 403,
	bodyCutCode: "ValidationException", bodyTooLongCode: "RequestEntityTooLargeException",
}

// X509 authenticates a request that is signed with the key of a certificate, by its
// Authorization header. It reads the body, whose hash the signature covers. The
// caller is anonymous: nothing is known of the certificate but that its key signed.
//
// An error that is not an *awserr.Error is the server's own. The others are
//
//   - MissingAuthenticationTokenException without such a signature,
//   - IncompleteSignatureException for one that is malformed,
//   - AccessDeniedException for one that is wrong, too old, for another service, or
//     does not cover all that it must; for a certificate that does not read, has
//     another serial number than the request says, or a key that is too weak,
//   - RequestEntityTooLargeException and ValidationException for the body.
//
// Source: IAM Roles Anywhere User Guide, "The IAM Roles Anywhere authentication
// process" and "... signing process", read 2026-11-21.
func (a *Authenticator) X509(r *http.Request, service string, f Facts) (*Caller, *CertificateSigner, []byte, error) {
	d := &x509Dialect
	c := a.caller(r, service, f)
	cl, algorithm, err := a.x509Claim(r, service, d)
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := parseCertificates(r.Header, cl.credential.AccessKeyID, algorithm, d)
	if err != nil {
		return nil, nil, nil, err
	}
	data, err := a.readBody(r, d)
	if err != nil {
		return nil, nil, nil, err
	}
	sum := sha256.Sum256(data)
	canonical := sigv4.AppendCanonicalRequest(nil, &sigv4.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: wireHeader(r, cl.signedHeaders),
	}, service, cl.signedHeaders, hex.EncodeToString(sum[:]))
	toSign := sigv4.StringToSign(cl.date, cl.credential.Scope, canonical)
	toSign = algorithm + strings.TrimPrefix(toSign, sigv4.Algorithm)
	if !verifyX509(s.Certificate, toSign, cl.signature) {
		return nil, nil, nil, d.invalid("The request signature does not match the certificate.")
	}
	joinSigned(r.Header, cl.signedHeaders)
	c.Region = cl.credential.Scope.Region
	c.AuthType, c.SignedAt, c.BytesIn = AuthHeader, cl.signedAt, int64(len(data))
	return c, s, data, nil
}

// x509Claim reads how the Authorization header of a request signs it. The access key
// ID of the claim is the serial number of the certificate.
func (a *Authenticator) x509Claim(r *http.Request, service string, d *dialect) (*claim, string, error) {
	if name := repeated(r.Header); name != "" {
		return nil, "", d.incomplete("The header '" + name + "' may occur only once.")
	}
	for _, name := range []string{headerX509, headerX509Chain} {
		if len(r.Header[name]) > 1 {
			return nil, "", d.incomplete("The header '" + name + "' may occur only once.")
		}
	}
	if signsQuery(r) {
		return nil, "", d.incomplete(oneMechanism)
	}
	authorization := r.Header.Get("Authorization")
	algorithm, rest, _ := strings.Cut(authorization, " ")
	switch algorithm {
	case algorithmX509RSA, algorithmX509ECDSA:
	default:
		if strings.HasPrefix(algorithm, algorithmX509) {
			return nil, "", d.incomplete("Unsupported AWS 'algorithm': '" + algorithm + "'.")
		}
		return nil, "", d.missing
	}
	if r.Header.Get(securityToken) != "" || sigv4.HasQueryParameter(r.URL.RawQuery, securityToken) {
		return nil, "", d.key
	}
	parsed, err := sigv4.ParseAuthorization(rest)
	hasDate := r.Header.Get("X-Amz-Date") != ""
	if err != nil || !hasDate {
		return nil, "", d.components(authorization, rest, hasDate)
	}
	signedAt, date, err := requestDate(r.Header)
	if err != nil {
		return nil, "", d.incomplete("X-Amz-Date must be in ISO-8601 'basic format'.")
	}
	if err := d.skew(signedAt, a.cfg.Now(), maxSkew); err != nil {
		return nil, "", err
	}
	credential, err := d.covered(r, parsed.SignedHeaders, parsed.Credential, service, date)
	if err != nil {
		return nil, "", err
	}
	return &claim{authType: AuthHeader, credential: credential, signedHeaders: parsed.SignedHeaders, signature: parsed.Signature,
		date: date, signedAt: signedAt}, algorithm, nil
}

// parseCertificates reads the certificates of a request, and checks that the key of
// the first is one for the algorithm.
func parseCertificates(h http.Header, serial, algorithm string, d *dialect) (*CertificateSigner, error) {
	leaf, err := parseCertificate(h.Get(headerX509))
	if err != nil {
		return nil, d.invalid("The header '" + headerX509 + "' holds no certificate.").Because(err)
	}
	s := &CertificateSigner{Certificate: leaf}
	if chain := h.Get(headerX509Chain); chain != "" {
		parts := strings.SplitN(chain, ",", maxX509Chain+1)
		if len(parts) > maxX509Chain {
			return nil, d.invalid("The certificate chain is longer than 5 certificates.")
		}
		for _, part := range parts {
			c, err := parseCertificate(part)
			if err != nil {
				return nil, d.invalid("The header '" + headerX509Chain + "' holds something else than certificates.").Because(err)
			}
			s.Chain = append(s.Chain, c)
		}
	}
	if leaf.SerialNumber.Sign() < 0 || leaf.SerialNumber.String() != serial {
		return nil, d.invalid("Credential should name the serial number of the certificate.")
	}
	if keyAlgorithm(leaf.PublicKey) != algorithm {
		return nil, d.invalid("The key of the certificate is too weak, or not for the algorithm of the signature.")
	}
	return s, nil
}

var errCertificate = errors.New("authn: not one certificate of a usual length")

// parseCertificate decodes base64 and DER.
func parseCertificate(s string) (*x509.Certificate, error) {
	if len(s) > maxX509Size {
		return nil, errCertificate
	}
	der, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(s))
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err == nil && !bytes.Equal(c.Raw, der) { // the parser takes nothing behind it
		err = errCertificate
	}
	return c, err
}

// keyAlgorithm returns the algorithm that a public key verifies, or "" for a key that
// is not used: an RSA key of less than 2,048 bits, another curve, another kind.
func keyAlgorithm(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= minRSA && n <= maxRSA {
			return algorithmX509RSA
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return algorithmX509ECDSA
		}
	}
	return ""
}

// verifyX509 reports whether a signature in hexadecimal is that of the certificate's
// key.
func verifyX509(c *x509.Certificate, toSign, signature string) bool {
	sig, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	algorithm := x509.SHA256WithRSA
	if _, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		algorithm = x509.ECDSAWithSHA256
	}
	return c.CheckSignature(algorithm, []byte(toSign), sig) == nil
}

// IsX509 reports whether a request says that it is signed with the key of a
// certificate. It proves nothing: it is for routing.
func IsX509(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), algorithmX509)
}
