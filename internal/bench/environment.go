package bench

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Credentials sign requests. They print as [secret].
type credentials struct{ accessKeyID, secret, token string }

// Format writes "[secret]" for every verb.
func (credentials) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

// An environment is what every AWS client needs to know: who asks, and where.
type environment struct {
	credentials credentials
	region      string
	s3, kms     *url.URL
	roots       *x509.CertPool // nil for those of the system
}

// Format writes the endpoints: package fmt would print the fields of the
// credentials inside.
func (e environment) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%v %v]", e.s3, e.kms) }

var errNoCredentials = errors.New("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
	"or AWS_SHARED_CREDENTIALS_FILE to a file such as the credentials in a data directory")

// loadEnvironment finds credentials, region and endpoints as the AWS command line
// does: an option wins over an environment variable, which wins over the files. A
// profile given as an option wins over credentials in variables.
//
// Source: AWS CLI User Guide, "Configuring settings for the AWS CLI" and
// "Configuring environment variables for the AWS CLI", read 2026-11-21.
func loadEnvironment(o *options, getenv func(string) string) (*environment, error) {
	profile := first(o.profile, getenv("AWS_PROFILE"), "default")
	settings, err := readProfile(profile, getenv)
	if err != nil {
		return nil, err
	}
	e := &environment{
		region: first(o.region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), settings["region"], "us-east-1"),
		credentials: credentials{settings["aws_access_key_id"], settings["aws_secret_access_key"],
			settings["aws_session_token"]},
	}
	if id := getenv("AWS_ACCESS_KEY_ID"); id != "" && o.profile == "" {
		e.credentials = credentials{id, getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN")}
	}
	if e.credentials.accessKeyID == "" || e.credentials.secret == "" {
		return nil, errNoCredentials
	}
	if err := e.setEndpoints(o.endpoint, settings, getenv); err != nil {
		return nil, err
	}
	return e, e.setRoots(first(o.caBundle, getenv("AWS_CA_BUNDLE"), settings["ca_bundle"]))
}

// setEndpoints sets where S3 and KMS answer. On AWS each has a host of its own;
// elsewhere one endpoint serves both unless a variable says otherwise.
func (e *environment) setEndpoints(option string, settings map[string]string, getenv func(string) string) error {
	common := first(option, getenv("AWS_ENDPOINT_URL"), settings["endpoint_url"])
	s3 := first(option, getenv("AWS_ENDPOINT_URL_S3"), common)
	if s3 == "" {
		return usageError("no endpoint: name one with --endpoint-url or AWS_ENDPOINT_URL; that of AWS, where " +
			"requests cost money, is https://s3." + e.region + ".amazonaws.com")
	}
	var err error
	if e.s3, err = parseEndpoint(s3); err != nil {
		return err
	}
	kms := first(getenv("AWS_ENDPOINT_URL_KMS"), s3)
	if isAWS(e.s3.Hostname()) && kms == s3 {
		kms = "https://kms." + e.region + ".amazonaws.com"
	}
	e.kms, err = parseEndpoint(kms)
	return err
}

// setRoots trusts the certificates of a PEM file, if one is named, and no others.
func (e *environment) setRoots(file string) error {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read certificates: %w", err)
	}
	e.roots = x509.NewCertPool()
	if !e.roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificates", file)
	}
	return nil
}

// readProfile returns the settings of a profile in both files. One that is in
// neither is empty.
func readProfile(profile string, getenv func(string) string) (map[string]string, error) {
	settings := make(map[string]string)
	for _, file := range []struct{ variable, name, section string }{
		{"AWS_CONFIG_FILE", "config", "profile " + profile},
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", profile},
	} {
		name := getenv(file.variable)
		named := name != ""
		if !named {
			name = filepath.Join(getenv("HOME"), ".aws", file.name)
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && !named {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read profile: %w", err)
		}
		sections, err := parseINI(string(text))
		if err != nil {
			return nil, fmt.Errorf("read profile: %s: %w", name, err)
		}
		found := sections[file.section]
		if found == nil && profile == "default" {
			found = sections["default"]
		}
		for k, v := range found {
			settings[k] = v
		}
	}
	return settings, nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageError(fmt.Sprintf("endpoint %q is no URL with http or https and a host", s))
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, usageError(fmt.Sprintf("endpoint %q has more than a scheme and a host", u.Redacted()))
	}
	return u, nil
}

// isAWS reports whether AWS itself answers under a host name.
func isAWS(host string) bool { return strings.HasSuffix(strings.ToLower(host), ".amazonaws.com") }

// first returns the first string that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
