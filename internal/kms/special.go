package kms

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/keyspec"
)

// A computation is a request for what an asymmetric or an HMAC key computes.
type computation struct {
	operation string // "Sign"
	keyID     string
	usage     string // that the key must have
	member    string // of the algorithm: "signingAlgorithm"
	algorithm string
	known     []string          // algorithms of the API
	context   map[string]string // values of condition keys
	tokens    []string
	dryRun    bool
	check     func(*checker) // of further members
}

// compute authorizes a computation and runs it on the opened key. It returns the key.
// A dry run computes too, so that it fails as the request would: the caller wipes what
// came of it.
//
// AWS checks in this order: the request, whether the caller may, whether the key is
// for this, whether it knows the algorithm, and the state of the key.
func (s *Service) compute(ctx context.Context, call *authz.Call, c *authn.Caller, in *computation, run func(*keyspec.Key) error) (*key.Key, error) {
	call.Param("keyId", in.keyID)
	if in.algorithm != "" {
		call.Param(in.member, in.algorithm)
	}
	if in.dryRun {
		call.Param("dryRun", true)
	}
	var v checker
	v.required("keyId", in.keyID, maxKeyID)
	if in.check != nil {
		in.check(&v)
	}
	if in.algorithm == "" {
		v.add("Value null", in.member, "Member must not be null")
	}
	v.oneOf(in.member, in.algorithm, in.known)
	v.tokens(in.tokens)
	if err := errors.Join(v.err(), s.checkTokens(in.tokens)); err != nil {
		return nil, err
	}
	k, err := s.use(ctx, call, &conditions{caller: c, more: in.context, atOnce: true}, "kms:"+in.operation, in.keyID, aliasesToo)
	if err == nil {
		err = call.Covers(k.ARN)
	}
	if err != nil {
		return nil, err
	}
	if err := suits(k, in.operation, in.usage, in.algorithm); err != nil {
		return nil, err
	}
	if err := s.keys.Use(ctx, k.Ref, run); err != nil {
		return nil, about(k.ARN, err)
	}
	if in.dryRun {
		return nil, dryRun()
	}
	return k, nil
}

// suits refuses a key that is for something else, or does not know the algorithm.
func suits(k *key.Key, operation, usage, algorithm string) error {
	if k.Usage != usage {
		return fault("InvalidKeyUsageException", "%s key usage is %s which is not valid for %s.", k.ARN, k.Usage, operation)
	}
	spec, ok := keyspec.Lookup(k.Spec)
	if !ok || !spec.Supports(usage, algorithm) {
		return fault("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec)
	}
	return nil
}

// algorithmsOf returns every algorithm that some key with the usage knows, as the
// API's model lists them, and more after those.
func algorithmsOf(usage string, more ...string) []string {
	var list []string
	seen := make(map[string]bool)
	for _, name := range keyspec.Names() {
		spec, _ := keyspec.Lookup(name)
		for _, a := range spec.Algorithms(usage) {
			if !seen[a] {
				seen[a] = true
				list = append(list, a)
			}
		}
	}
	return append(list, more...)
}
