package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"coffer/internal/kmsapi"
	"coffer/internal/policy"
)

// A keyService is a server with a client of its KMS API, of the SDK, that notes what
// was called.
type keyService struct {
	*server
	*kms.Client

	mu    sync.Mutex
	calls map[string]map[string]bool // the codes of the answers of each operation, "" for success
}

func startKeys(t *testing.T, args ...string) *keyService {
	t.Helper()
	k := &keyService{server: start(t, args...), calls: make(map[string]map[string]bool)}
	k.Client = k.in(k.region)
	return k
}

// in returns a client of another region.
func (k *keyService) in(region string) *kms.Client {
	return kms.New(kms.Options{BaseEndpoint: aws.String(k.endpoint), Region: region, Credentials: k.credentials(),
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("note", k.note), middleware.Before)
		}}})
}

func (k *keyService) note(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	out, md, err := next.HandleInitialize(ctx, in)
	name := middleware.GetOperationName(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.calls[name] == nil {
		k.calls[name] = make(map[string]bool)
	}
	k.calls[name][code(err)] = true
	return out, md, err
}

// key makes a key and returns its ARN.
func (k *keyService) key(t testing.TB, set ...func(*kms.CreateKeyInput)) string {
	t.Helper()
	in := new(kms.CreateKeyInput)
	for _, s := range set {
		s(in)
	}
	out, err := k.CreateKey(t.Context(), in)
	check(t, "CreateKey", err)
	return *out.KeyMetadata.Arn
}

// of sets the spec and the usage of a key to be made.
func of(spec types.KeySpec, usage types.KeyUsageType) func(*kms.CreateKeyInput) {
	return func(in *kms.CreateKeyInput) { in.KeySpec, in.KeyUsage = spec, usage }
}

func external(in *kms.CreateKeyInput)    { in.Origin = types.OriginTypeExternal }
func multiRegion(in *kms.CreateKeyInput) { in.MultiRegion = aws.Bool(true) }

// state returns the state of a key, as a client of a region sees it.
func state(t testing.TB, c *kms.Client, id string) types.KeyState {
	t.Helper()
	out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
	check(t, "DescribeKey", err)
	return out.KeyMetadata.KeyState
}

func (k *keyService) public(t testing.TB, id string) []byte {
	t.Helper()
	out, err := k.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &id})
	check(t, "GetPublicKey", err)
	return out.PublicKey
}

// fails fails the test unless err is of the SDK's type E, with a message that contains
// text.
func fails[E error](t testing.TB, doing string, err error, text string) {
	t.Helper()
	var e E
	if !errors.As(err, &e) || !strings.Contains(e.Error(), text) {
		t.Errorf("%s = %v; want a %T with %q", doing, err, e, text)
		return
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() == "" {
		t.Errorf("%s = %v without a message, which crashes the AWS CLI", doing, err)
	}
}

// invalid fails the test unless err is a ValidationException, which the SDK has no
// type for.
func invalid(t testing.TB, doing string, err error, text string) {
	t.Helper()
	wantCode(t, doing, err, "ValidationException")
	if err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("%s = %v; want a text with %q", doing, err, text)
	}
}

// An openssl runs the program in a directory of its own.
type openssl struct {
	t         testing.TB
	path, dir string
}

func newOpenSSL(t testing.TB) *openssl {
	t.Helper()
	return &openssl{t, tool(t, "openssl"), t.TempDir()}
}

func (o *openssl) write(name string, b []byte) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	check(o.t, "WriteFile", os.WriteFile(path, b, 0o600))
	return path
}

func (o *openssl) try(args ...string) ([]byte, error) {
	cmd := exec.Command(o.path, args...)
	cmd.Dir = o.dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("openssl %s: %w\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.Bytes(), nil
}

func (o *openssl) run(args ...string) []byte {
	o.t.Helper()
	out, err := o.try(args...)
	check(o.t, "openssl", err)
	return out
}

// generate makes a private key in PKCS #8.
func (o *openssl) generate(args ...string) []byte {
	o.t.Helper()
	o.write("new.pem", o.run(append([]string{"genpkey"}, args...)...))
	return o.run("pkcs8", "-topk8", "-nocrypt", "-in", "new.pem", "-outform", "DER")
}

// publicOf returns the public key of a private one.
func (o *openssl) publicOf(private []byte) []byte {
	o.t.Helper()
	o.write("private.der", private)
	return o.run("pkey", "-inform", "DER", "-in", "private.der", "-pubout", "-outform", "DER")
}

// storeOperations are those of custom key stores, which need a proxy to succeed.
var storeOperations = []string{"ConnectCustomKeyStore", "CreateCustomKeyStore", "DeleteCustomKeyStore", "DisconnectCustomKeyStore", "UpdateCustomKeyStore"}

// TestKMS drives every operation of KMS by the SDK: what it answers, its errors, and
// its results, held against another implementation.
func TestKMS(t *testing.T) {
	t.Parallel()
	k := startKeys(t)
	t.Run("group", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *keyService){
			"Sign":         testKMSSign,
			"MAC":          testKMSMac,
			"RSA":          testKMSRSA,
			"ECDH":         testKMSAgreement,
			"ML-KEM":       testKMSEncapsulation,
			"DataKeyPair":  testKMSDataKeyPair,
			"Symmetric":    testKMSSymmetric,
			"Blob":         testKMSBlob,
			"Usage":        testKMSUsage,
			"DryRun":       testKMSDryRun,
			"States":       testKMSStates,
			"Import":       testKMSImport,
			"ImportErrors": testKMSImportErrors,
			"Material":     testKMSMaterial,
			"OnDemand":     testKMSOnDemand,
			"Regions":      testKMSRegions,
			"Subjects":     testKMSSubjects,
			"Grants":       testKMSGrants,
			"Aliases":      testKMSAliases,
			"Manage":       testKMSManage,
			"Stores":       testKMSStores,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, k)
			})
		}
	})
	for _, o := range kmsapi.Operations() {
		codes := k.calls[o.Name]
		if !codes[""] && !slices.Contains(storeOperations, o.Name) {
			t.Errorf("%s never succeeds here", o.Name)
		}
		delete(codes, "")
		if len(codes) == 0 {
			t.Errorf("%s never fails here", o.Name)
		}
	}
}

// TestKMSDocs compares the table of docs/kms.md with the operations of the server.
func TestKMSDocs(t *testing.T) {
	b, err := os.ReadFile("../docs/kms.md")
	check(t, "ReadFile", err)
	_, table, ok := strings.Cut(string(b), "| operation | here |\n|---|---|\n")
	if !ok {
		t.Fatal("docs/kms.md has no table of operations")
	}
	var listed, served []string
	for line := range strings.Lines(table) {
		m := regexp.MustCompile(`^\| (\w+) \| \S.* \|$`).FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			break
		}
		listed = append(listed, m[1])
	}
	for _, o := range kmsapi.Operations() {
		served = append(served, o.Name)
	}
	if !slices.Equal(listed, served) {
		t.Errorf("docs/kms.md lists %v; the server has %v", listed, served)
	}
	if len(served) != 56 {
		t.Errorf("%d operations; AWS has 56", len(served))
	}
	// ReEncrypt is two actions.
	for _, name := range served {
		known := func(a *policy.CatalogAction) bool {
			return strings.TrimPrefix(a.Name, "kms:") == name || a.Name == name+"From" || a.Name == "kms:"+name+"From"
		}
		if !slices.ContainsFunc(policy.Actions("kms"), known) {
			t.Errorf("the catalog of actions lacks %s, which loses its condition keys", name)
		}
	}
}
