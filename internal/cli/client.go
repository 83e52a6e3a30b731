package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/pflag"
)

const (
	defaultEndpoint = "http://127.0.0.1:7070"
	defaultRegion   = "us-east-1"
	// maxAnswer bounds what a client command reads of one answer, in bytes.
	maxAnswer = 64 << 20
	// clientTimeout is how long a client command waits for one answer.
	clientTimeout = 5 * time.Minute
)

// clientFlags are the flags that every client command has.
type clientFlags struct {
	endpoint, profile, region string
	json                      bool
}

// clientFlags adds the flags of client commands.
func (e *environment) clientFlags(fs *pflag.FlagSet) *clientFlags {
	f := new(clientFlags)
	fs.StringVar(&f.endpoint, "endpoint-url", "", "`URL` of the server (AWS_ENDPOINT_URL; default "+defaultEndpoint+")")
	fs.StringVar(&f.profile, "profile", "", "`name` of the credentials' profile (AWS_PROFILE)")
	fs.StringVar(&f.region, "region", "", "`region` of the request (AWS_REGION, the profile; default "+defaultRegion+")")
	fs.BoolVar(&f.json, "json", false, "print one JSON object")
	return f
}

// A client speaks to one server. It resolves credentials as the AWS SDKs do: from
// the environment, the profile files, a web identity, SSO or a process; but it asks
// no instance metadata service, which could know nothing of a Coffer.
type client struct {
	endpoint *url.URL
	// aws is what the SDK's service clients take, endpoint and region included.
	aws aws.Config
}

// client returns a client for f.
func (e *environment) client(ctx context.Context, f *clientFlags) (*client, error) {
	cfg, err := awsConfig(ctx, f.profile, f.region)
	if err != nil {
		return nil, err
	}
	at := f.endpoint
	if at == "" {
		at = e.getenv("AWS_ENDPOINT_URL")
	}
	if at == "" && cfg.BaseEndpoint != nil { // of the profile
		at = *cfg.BaseEndpoint
	}
	if at == "" {
		at = defaultEndpoint
	}
	u, err := parseEndpoint(at)
	if err != nil {
		return nil, err
	}
	at = u.String()
	cfg.BaseEndpoint = &at
	return &client{u, cfg}, nil
}

// awsConfig returns what the SDK's service clients take.
func awsConfig(ctx context.Context, profile, region string) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{
		// What the SDK has to say of its own goes to nobody: errors come as values.
		awsconfig.WithLogger(logging.Nop{}),
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled),
	}
	if profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	if region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	return cfg, nil
}

// parseEndpoint reads the URL of a server.
func parseEndpoint(at string) (*url.URL, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("endpoint %q is not of the form http://host:port", at)
	}
	u.Path = ""
	return u, nil
}

var errNoCredentials = errors.New("no credentials: name them with --profile, AWS_SHARED_CREDENTIALS_FILE or AWS_ACCESS_KEY_ID")

// An apiError is an error that the server answered with.
type apiError struct {
	status  int
	Code    string `json:"__type"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// call sends one request to the administration of the server, signed for the
// service coffer. path lies below /_coffer/. in is the body, or nil; out takes the
// JSON answer.
func (c *client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	a, err := c.send(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.endpoint, err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("the answer of %s is longer than %d bytes", c.endpoint, maxAnswer)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.endpoint, err)
	}
	return nil
}

// send sends a request as call does and returns the answer, which is one of success.
// The caller closes its body.
func (c *client) send(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	at := *c.endpoint
	at.Path, at.RawQuery = "/_coffer/"+path, query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.aws.Credentials == nil {
		return nil, errNoCredentials
	}
	creds, err := c.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), "coffer", c.aws.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	a, err := c.aws.HTTPClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.endpoint, err)
	}
	if a.StatusCode == http.StatusOK {
		return a, nil
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	e := &apiError{status: a.StatusCode}
	if err != nil || json.Unmarshal(text, e) != nil || e.Code == "" {
		return nil, fmt.Errorf("%s answered with %s, which no Coffer does", c.endpoint, a.Status)
	}
	return nil, e
}

// printJSON prints the --json output of a command.
func (e *environment) printJSON(v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
