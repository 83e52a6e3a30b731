package authn

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/identity"
	"coffer/internal/policy"
)

const tempKeyID = "ASIAIOSFODNN7EXAMPLE"

// sessionPolicy is an inline session policy.
const sessionPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`

func parsePolicy(text string) *policy.Policy { return must(policy.Load(text, policy.KindSession)) }

func newTokens(b byte) *Tokens {
	var secret [32]byte
	for i := range secret {
		secret[i] = b
	}
	return NewTokens(secret)
}

// fullSession has something in every field.
func fullSession() *identity.Session {
	return &identity.Session{
		Kind: identity.SessionRole, AccessKeyID: tempKeyID, Secret: identity.NewSecret(testSecret), Account: testAccount,
		ARN: "arn:aws:sts::123456789012:assumed-role/R/S", Name: "S", RoleID: "AROAEXAMPLE", RoleARN: "arn:aws:iam::123456789012:role/p/R",
		UserID: "AIDAEXAMPLE", UserARN: "arn:aws:iam::123456789012:user/U", IssuedAt: testNow, ExpiresAt: testNow.Add(time.Hour),
		Policies: []policy.Named{{Name: "inline session policy", Policy: parsePolicy(sessionPolicy)}}, HasPolicies: true, PolicyText: sessionPolicy,
		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Tags: map[string]string{"k": "v"}, TransitiveTags: []string{"k"},
		SourceIdentity: "alice", MFA: true, MFAAt: testNow, Chained: true, Provider: "arn:aws:iam::123456789012:oidc-provider/p",
		SourceARN: "arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/a", Keys: map[string][]string{"p:sub": {"x"}},
	}
}

func seal(t testing.TB, tokens *Tokens, s *identity.Session) string {
	t.Helper()
	token, err := tokens.Seal(s)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokens(t *testing.T) {
	want := fullSession()
	for i, v := range reflect.ValueOf(want).Elem().Fields() {
		if v.IsZero() {
			t.Errorf("field %s of the sample is empty", i.Name)
		}
	}
	tokens := newTokens(1)
	token := seal(t, tokens, want)
	if token == seal(t, tokens, want) {
		t.Error("Seal returned one token twice")
	}
	if strings.Contains(token, testSecret[:8]) {
		t.Error("the token shows the secret")
	}
	for _, from := range []*Tokens{tokens, tokens, newTokens(1)} { // opened, cached, of another node
		got, err := from.Open(tempKeyID, token)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Open = %+v, %v; want %+v", got, err, want)
		}
	}
	for _, bad := range []struct {
		name      string
		tokens    *Tokens
		id, token string
	}{
		{"another key", tokens, "ASIAIOSFODNN7EXAMPLF", token},
		{"another installation", newTokens(2), tempKeyID, token},
		{"empty", tokens, tempKeyID, ""},
		{"short", tokens, tempKeyID, token[:20]},
		{"cut", tokens, tempKeyID, token[:len(token)-4]},
		{"longer", tokens, tempKeyID, token + "AAAA"},
		{"line break", tokens, tempKeyID, token[:8] + "\n" + token[8:]},
		{"padding", tokens, tempKeyID, token + "="},
		{"too long", tokens, tempKeyID, strings.Repeat("A", maxTokenLength+1)},
	} {
		if _, err := bad.tokens.Open(bad.id, bad.token); !errors.Is(err, ErrToken) {
			t.Errorf("%s: Open = %v; want ErrToken", bad.name, err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %x", tokens, tokens, struct{ T *Tokens }{tokens}, tokens); strings.Contains(s, "0101") || strings.Contains(s, "1, 1") {
		t.Errorf("printed as %s", s)
	}
}

// TestForgedTokens seals with what an attacker may know.
func TestForgedTokens(t *testing.T) {
	known := map[string][32]byte{
		"no secret":                  {},
		"the secret of the root key": [32]byte([]byte(testSecret)),
		"its hash":                   sha256.Sum256([]byte(testSecret)),
		"the account":                sha256.Sum256([]byte(testAccount)),
		"the label":                  sha256.Sum256([]byte(TokenPurpose)),
		"the temporary secret":       sha256.Sum256([]byte("temporary/" + testSecret)),
	}
	for name, secret := range known {
		w := newWorld()
		s := w.session(identity.SessionRole)
		if c, err := protocols()[0].send(t, w, tempKeyID, s.Secret.Reveal(), seal(t, NewTokens(secret), s)); err == nil {
			t.Errorf("%s: admitted %+v", name, c)
		}
	}
}

// TestTokenFlips changes each character of a token, to every other one.
func TestTokenFlips(t *testing.T) {
	tokens := newTokens(1)
	token := []byte(seal(t, tokens, &identity.Session{AccessKeyID: tempKeyID, Account: testAccount}))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=\x00\n"
	for i := range token {
		for j := range len(alphabet) {
			if alphabet[j] == token[i] {
				continue
			}
			changed := slices.Clone(token)
			changed[i] = alphabet[j]
			if _, err := tokens.Open(tempKeyID, string(changed)); !errors.Is(err, ErrToken) {
				t.Fatalf("character %d as %q: Open = %v; want ErrToken", i, alphabet[j], err)
			}
		}
	}
}

// TestTokenVersion1 opens a token that an earlier build made.
func TestTokenVersion1(t *testing.T) {
	b, err := os.ReadFile("testdata/token-v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := newTokens(1).Open(tempKeyID, strings.TrimSpace(string(b)))
	if err != nil || !reflect.DeepEqual(got, fullSession()) {
		t.Errorf("Open = %+v, %v", got, err)
	}
}

func TestPacked(t *testing.T) {
	long := fullSession()
	for i := range 50 {
		long.Tags[fmt.Sprintf("%d-%s", i, hashOf(fmt.Sprint(i)))] = hashOf(fmt.Sprint(-i)) + hashOf(fmt.Sprint(i*i))
	}
	if _, err := newTokens(1).Seal(long); !errors.Is(err, ErrPacked) {
		t.Errorf("Seal = %v; want ErrPacked", err)
	}
	if b, err := Packed(&identity.Session{}); b != nil || err != nil {
		t.Errorf("Packed of nothing = %d bytes, %v", len(b), err)
	}
	// What is allowed in the clear and packs well must be opened again.
	wide := fullSession()
	wide.PolicyText = `{"Version":"2012-10-17","Id":"` + strings.Repeat("ÿ", 2000) + `","Statement":[]}`
	for range 10 {
		wide.PolicyARNs = append(wide.PolicyARNs, strings.Repeat("a", 2048))
	}
	for i := range 50 {
		wide.Tags[strings.Repeat("日", 126)+fmt.Sprint(10+i)] = strings.Repeat("本", 256)
	}
	tokens := newTokens(1)
	if _, err := tokens.Open(tempKeyID, seal(t, tokens, wide)); err != nil {
		t.Errorf("Open = %v", err)
	}
}

// TestTokenCache fills the cache beyond its bound.
func TestTokenCache(t *testing.T) {
	tokens := newTokens(1)
	token := seal(t, tokens, fullSession())
	s := &identity.Session{}
	for i := range 5 * tokenGeneration {
		tokens.keep([32]byte{1, byte(i), byte(i >> 8), byte(i >> 16)}, s)
		if i%1000 == 0 {
			if _, err := tokens.Open(tempKeyID, token); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(tokens.young) + len(tokens.old); n > 2*tokenGeneration {
		t.Errorf("the cache holds %d sessions", n)
	}
	a, _ := tokens.Open(tempKeyID, token)
	b, _ := tokens.Open(tempKeyID, token)
	if a != b {
		t.Error("a token in use is not cached")
	}
}

func FuzzTokenOpen(f *testing.F) {
	tokens := newTokens(1)
	b, err := os.ReadFile("testdata/token-v1.txt") // the same in every process
	if err != nil {
		f.Fatal(err)
	}
	good := strings.TrimSpace(string(b))
	f.Add(tempKeyID, good)
	f.Add(tempKeyID, good[:60])
	f.Add("", "")
	f.Add(tempKeyID, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, id, token string) {
		s, err := tokens.Open(id, token)
		if err == nil && (token != good || id != tempKeyID) || err != nil && !errors.Is(err, ErrToken) || err != nil && s != nil {
			t.Errorf("Open = %v, %v", s, err)
		}
	})
}

func BenchmarkTokenOpen(b *testing.B) {
	tokens := newTokens(1)
	token := seal(b, tokens, fullSession())
	for b.Loop() {
		if _, err := tokens.Open(tempKeyID, token); err != nil {
			b.Fatal(err)
		}
	}
}
