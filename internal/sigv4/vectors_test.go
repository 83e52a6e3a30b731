package sigv4

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crypto/sha256"
)

func loadVectors(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

type requestVector struct {
	Name, Method, Path, Query, Host, SignedHeaders, PayloadHash string
	Date, Region, Service, Secret, Signature                    string
	Headers                                                     map[string][]string
	Presigned                                                   bool
}

func TestRequestVectors(t *testing.T) {
	for _, file := range []string{"s3-requests.json", "test-suite.json"} {
		var vectors []requestVector
		loadVectors(t, file, &vectors)
		for _, v := range vectors {
			t.Run(v.Name, func(t *testing.T) {
				r := &Request{Method: v.Method, Path: v.Path, RawQuery: v.Query, Host: v.Host, Header: v.Headers, Presigned: v.Presigned}
				scope := Scope{v.Date[:8], v.Region, v.Service}
				canonical := AppendCanonicalRequest(nil, r, v.Service, v.SignedHeaders, v.PayloadHash)
				toSign := StringToSign(v.Date, scope, canonical)
				key := DeriveKey(v.Secret, scope)
				if got := key.Sign(toSign); got != v.Signature {
					t.Errorf("Sign = %s; want %s\n%s", got, v.Signature, canonical)
				}
				if !key.Verify(toSign, v.Signature) {
					t.Errorf("Verify(%s) = false; want true", v.Signature)
				}
			})
		}
	}
}

type chunkVector struct {
	Name, Seed                                  string
	Chunks                                      []int
	Signatures                                  []string
	Length                                      int64
	TrailerName, TrailerValue, TrailerSignature string
}

// chain returns the chain of the published examples.
func (v *chunkVector) chain() *Chain {
	scope := Scope{"20130524", "us-east-1", "s3"}
	return NewChain(DeriveKey("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope), "20130524T000000Z", scope, v.Seed)
}

func TestChunkVectors(t *testing.T) {
	var vectors []chunkVector
	loadVectors(t, "s3-chunks.json", &vectors)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			chain := v.chain()
			data := 0
			for i, size := range v.Chunks {
				sum := sha256.Sum256([]byte(strings.Repeat("a", size)))
				if _, got := chain.chunk(sum[:]); hex.EncodeToString(got) != v.Signatures[i] {
					t.Errorf("signature of chunk %d = %x; want %s", i, got, v.Signatures[i])
				}
				data += size
			}
			if v.TrailerName != "" {
				sum := sha256.Sum256([]byte(v.TrailerName + ":" + v.TrailerValue + "\n"))
				if _, got := chain.trailer(sum[:]); hex.EncodeToString(got) != v.TrailerSignature {
					t.Errorf("signature of the trailer = %x; want %s", got, v.TrailerSignature)
				}
			}

			cfg := EncodeConfig{Chain: v.chain(), TrailerName: v.TrailerName, TrailerLength: len(v.TrailerValue),
				Trailer: func() string { return v.TrailerValue }}
			body, err := io.ReadAll(NewChunkEncoder(strings.NewReader(strings.Repeat("a", data)), cfg))
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.EncodedLength(int64(data)); got != int64(len(body)) || v.Length != 0 && got != v.Length {
				t.Errorf("EncodedLength = %d; want %d, and %d in the example", got, len(body), v.Length)
			}
			for _, s := range append(v.Signatures, v.TrailerSignature) {
				if !strings.Contains(string(body), s) {
					t.Errorf("encoded body lacks the signature %s", s)
				}
			}

			r := NewChunkReader(strings.NewReader(string(body)), v.config(int64(data)))
			got, err := io.ReadAll(r)
			if err != nil || string(got) != strings.Repeat("a", data) {
				t.Errorf("ReadAll = %d bytes, %v; want %d bytes, <nil>", len(got), err, data)
			}
			if v.TrailerName != "" && r.Trailers()[v.TrailerName] != v.TrailerValue {
				t.Errorf("Trailers = %v; want %s: %s", r.Trailers(), v.TrailerName, v.TrailerValue)
			}
		})
	}
}

func (v *chunkVector) config(length int64) ChunkConfig {
	cfg := ChunkConfig{Chain: v.chain(), Length: length}
	if v.TrailerName != "" {
		cfg.Trailers, cfg.Declared = true, []string{v.TrailerName}
	}
	return cfg
}

func TestPostPolicyVector(t *testing.T) {
	var v struct{ Secret, Date, Region, Service, Policy, Signature string }
	loadVectors(t, "s3-post-policy.json", &v)
	key := DeriveKey(v.Secret, Scope{v.Date, v.Region, v.Service})
	if got := key.Sign(v.Policy); got != v.Signature {
		t.Errorf("Sign(policy) = %s; want %s", got, v.Signature)
	}
}
