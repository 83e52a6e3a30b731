package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// A revocation is of what someone may do until it is revoked.
type revocation struct {
	name   string
	caller aws.CredentialsProvider
	bucket string // that it may read objects of; "revoked" if empty
	revoke func() error
	// codes are those of S3, STS and KMS once it is revoked. STS is always open to
	// who is still someone.
	codes [3]string
}

// revocable returns a right for each way to lose one, each of its own principal.
func (c *court) revocable(t *testing.T, key string) []revocation {
	t.Helper()
	ctx, i := t.Context(), c.iam()
	const deadKey, deadSession, less = "InvalidAccessKeyId InvalidClientTokenId UnrecognizedClientException", "InvalidToken InvalidClientTokenId UnrecognizedClientException", "AccessDenied  AccessDeniedException"
	var rights []revocation
	add := func(name string, caller aws.CredentialsProvider, codes string, revoke func() error) {
		r := revocation{name: name, caller: caller, revoke: revoke}
		copy(r.codes[:], strings.Split(codes, " "))
		rights = append(rights, r)
	}
	wide := stsAllow(`"*"`, `"*"`)
	n := 0
	user := func(policy string) (string, aws.CredentialsProvider) {
		n++
		name := fmt.Sprintf("revoked-%d", n)
		_, creds := c.stsUser(t, name, policy)
		return name, creds
	}
	role := func() (name string, assume func(in *sts.AssumeRoleInput) aws.CredentialsProvider) {
		n++
		name = fmt.Sprintf("revoked-%d", n)
		arn := c.stsRole(t, name, stsTrust(`{"AWS":"arn:aws:iam::123456789012:user/boss"}`, `["sts:AssumeRole","sts:TagSession"]`), wide)
		return name, func(in *sts.AssumeRoleInput) aws.CredentialsProvider {
			in.RoleArn, in.RoleSessionName = &arn, aws.String("s1")
			return temporary(iamOK(c.sts(c.boss).AssumeRole(ctx, in))(t).Credentials)
		}
	}
	id := func(p aws.CredentialsProvider) *string {
		creds, err := p.Retrieve(ctx)
		check(t, "Retrieve", err)
		return &creds.AccessKeyID
	}
	without := func(name string) error { // the user's keys and policies
		keys := iamOK(i.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name}))(t)
		for _, k := range keys.AccessKeyMetadata {
			if _, err := i.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: k.AccessKeyId}); err != nil {
				return err
			}
		}
		if _, err := i.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: aws.String("p")}); err != nil {
			return err
		}
		return second(i.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &name}))
	}

	deleted, caller := user(wide)
	add("an access key that is deleted", caller, deadKey, func() error {
		return second(i.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &deleted, AccessKeyId: id(caller)}))
	})
	inactive, caller2 := user(wide)
	add("an access key that is made inactive", caller2, deadKey, func() error {
		return second(i.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &inactive, AccessKeyId: id(caller2), Status: iamtypes.StatusTypeInactive}))
	})
	gone, caller3 := user(wide)
	add("a user that is deleted", caller3, deadKey, func() error { return without(gone) })
	maker, caller4 := user(wide)
	session := temporary(iamOK(c.sts(caller4).GetSessionToken(ctx, nil))(t).Credentials)
	add("the session of a user that is deleted", session, deadSession, func() error { return without(maker) })
	fedMaker, caller5 := user(wide)
	fed := temporary(iamOK(c.sts(caller5).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: &wide}))(t).Credentials)
	add("the federated user of a user that is deleted", fed, deadSession, func() error { return without(fedMaker) })
	lessMaker, caller6 := user(wide)
	fed2 := temporary(iamOK(c.sts(caller6).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: &wide}))(t).Credentials)
	add("the federated user of a user whose policy is deleted", fed2, less, func() error {
		return second(i.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &lessMaker, PolicyName: aws.String("p")}))
	})
	plain, caller7 := user(wide)
	add("an inline policy that is deleted", caller7, less, func() error {
		return second(i.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &plain, PolicyName: aws.String("p")}))
	})
	narrowed, caller8 := user(wide)
	add("an inline policy that is narrowed", caller8, less, func() error {
		return second(i.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &narrowed, PolicyName: aws.String("p"), PolicyDocument: aws.String(iamListing)}))
	})
	attached, caller9 := user("")
	managed := *iamOK(i.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("revocable"), PolicyDocument: &wide}))(t).Policy.Arn
	iamOK(i.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &attached, PolicyArn: &managed}))(t)
	add("a managed policy that is detached", caller9, less, func() error {
		return second(i.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: &attached, PolicyArn: &managed}))
	})
	versioned, caller10 := user("")
	managed2 := *iamOK(i.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("revocable-2"), PolicyDocument: &wide}))(t).Policy.Arn
	iamOK(i.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &versioned, PolicyArn: &managed2}))(t)
	add("a managed policy of another version", caller10, less, func() error {
		return second(i.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &managed2, PolicyDocument: aws.String(iamListing), SetAsDefault: true}))
	})
	grouped, caller11 := user("")
	iamOK(i.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("revocable")}))(t)
	iamOK(i.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: aws.String("revocable"), PolicyName: aws.String("p"), PolicyDocument: &wide}))(t)
	iamOK(i.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("revocable"), UserName: &grouped}))(t)
	add("a group that is left", caller11, less, func() error {
		return second(i.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: aws.String("revocable"), UserName: &grouped}))
	})
	grouped2, caller12 := user("")
	iamOK(i.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("revocable-2")}))(t)
	iamOK(i.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: aws.String("revocable-2"), PolicyName: aws.String("p"), PolicyDocument: &wide}))(t)
	iamOK(i.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("revocable-2"), UserName: &grouped2}))(t)
	add("a group's policy that is deleted", caller12, less, func() error {
		return second(i.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: aws.String("revocable-2"), PolicyName: aws.String("p")}))
	})
	bounded, caller13 := user(wide)
	add("a boundary that is put", caller13, less, func() error {
		return second(i.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: &bounded, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))
	})

	roleGone, assume := role()
	add("a role that is deleted", assume(&sts.AssumeRoleInput{}), deadSession, func() error {
		if _, err := i.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &roleGone, PolicyName: aws.String("p")}); err != nil {
			return err
		}
		return second(i.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &roleGone}))
	})
	roleAgain, assume2 := role()
	add("a role that is deleted and made again", assume2(&sts.AssumeRoleInput{}), deadSession, func() error {
		if _, err := i.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &roleAgain, PolicyName: aws.String("p")}); err != nil {
			return err
		}
		if _, err := i.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &roleAgain}); err != nil {
			return err
		}
		c.stsRole(t, roleAgain, iamTrust, wide)
		return nil
	})
	roleLess, assume3 := role()
	add("a role's policy that is deleted", assume3(&sts.AssumeRoleInput{}), less, func() error {
		return second(i.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &roleLess, PolicyName: aws.String("p")}))
	})
	roleRevoked, assume4 := role()
	add("a role whose older sessions are revoked", assume4(&sts.AssumeRoleInput{}), less, func() error {
		return second(i.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &roleRevoked, PolicyName: aws.String("AWSRevokeOlderSessions"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + time.Now().Add(time.Second).UTC().Format(time.RFC3339) + `"}}}]}`)}))
	})
	managed3 := *iamOK(i.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("revocable-3"), PolicyDocument: &wide}))(t).Policy.Arn
	_, assume5 := role()
	add("a managed session policy that is narrowed", assume5(&sts.AssumeRoleInput{PolicyArns: policyARNs(managed3)}), less, func() error {
		return second(i.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &managed3, PolicyDocument: aws.String(iamListing), SetAsDefault: true}))
	})

	// What a bucket gives, and no identity.
	for name, revoke := range map[string]func(bucket string) error{
		"a bucket policy that is deleted": func(b string) error {
			return second(c.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &b}))
		},
		"a bucket policy that denies": func(b string) error {
			text := statements(`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + b + `/*"}`)
			return second(c.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &text}))
		},
	} {
		u, caller := user(stsAllow(`"kms:*"`, `"*"`))
		b := "of-" + u
		put := c.guardedBucket(t, b)
		put(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/` + u + `"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::` + b + `/*"}`)
		add(name, caller, "AccessDenied", func() error { return revoke(b) })
		rights[len(rights)-1].bucket = b
	}
	b := "of-all"
	c.guardedBucket(t, b)(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::of-all/*"}`)
	add("public access that is blocked", aws.AnonymousCredentials{}, "AccessDenied MissingAuthenticationToken MissingAuthenticationTokenException", func() error {
		return second(c.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}}))
	})
	rights[len(rights)-1].bucket = b

	// What a key gives.
	_, caller14 := user(stsAllow(`"s3:*"`, `"*"`))
	who := fmt.Sprintf("arn:aws:iam::123456789012:user/revoked-%d", n)
	grant := iamOK(c.kms.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &who, Operations: []kmstypes.GrantOperation{"Decrypt", "DescribeKey"}}))(t)
	add("a grant that is revoked", caller14, "AccessDenied  AccessDeniedException", func() error {
		return second(c.kms.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: grant.GrantId}))
	})
	rights[len(rights)-1].bucket = "sealed"
	return rights
}

// TestRevokeThenUse takes rights away in every way, and uses them as soon as the call
// has returned: in new requests, in URLs that were signed before, and in streams that
// are under way (CVE-2021-36372 in Ozone: tokens that stayed valid).
func TestRevokeThenUse(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	ctx := t.Context()
	key := keyWith(t, c.kms, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}`)
	for _, b := range []string{"revoked", "sealed"} {
		_, err := c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b})
		check(t, "CreateBucket", err)
	}
	c.put(t, "revoked", "o", "x")
	c.put(t, "sealed", "o", "x", func(in *s3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	})
	rights := c.revocable(t, key)
	for _, r := range rights {
		b := r.bucket
		if b == "" {
			b = "revoked"
		}
		uses := [3]func() error{
			func() error { return get(t, c.s3With(r.caller), b, "o") },
			func() error { return second(c.sts(r.caller).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})) },
			func() error { return second(c.kmsAs(r.caller).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})) },
		}
		_, isAnonymous := r.caller.(aws.AnonymousCredentials)
		signed := ""
		for range 2 { // the second time from what is cached
			for i, use := range uses {
				if err := use(); err != nil && !(i > 0 && isAnonymous) {
					t.Errorf("%s, before: %v; want it", r.name, err)
				}
			}
		}
		if !isAnonymous {
			signed = iamOK(s3.NewPresignClient(c.s3With(r.caller)).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: aws.String("o")}))(t).URL
			if status, body := fetch(t, signed); status != 200 {
				t.Errorf("%s, a URL before = %d %s; want it", r.name, status, body)
			}
		}
		check(t, r.name, r.revoke())
		if signed != "" {
			status, body := fetch(t, signed)
			if status < 400 || codeIn(body) != r.codes[0] {
				t.Errorf("%s, a URL that was signed before = %d %s; want %s", r.name, status, body, r.codes[0])
			}
		}
		for i, use := range uses {
			if i == 2 && r.codes[2] == "" && r.codes[0] == "AccessDenied" {
				continue // the bucket's alone
			}
			if err := use(); code(err) != r.codes[i] {
				t.Errorf("%s, afterwards = %v; want %q", r.name, err, r.codes[i])
			}
		}
	}
	_, err := c.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	check(t, "DisableKey", err)
	refused(t, "GetObject under a disabled key", c.getErr("sealed", "o"), "KMS.DisabledException")
	c.untouched(t)
}

// TestRevokeUnderWay takes rights away while an object is read and while one is
// written.
func TestRevokeUnderWay(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	ctx := t.Context()
	key := keyWith(t, c.kms, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}`)
	large := random(5, 40<<20)
	for _, b := range []string{"revoked", "sealed"} {
		_, err := c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b})
		check(t, "CreateBucket", err)
	}
	rights := c.revocable(t, key)
	var buckets []string
	for i := range rights {
		if rights[i].bucket == "" {
			rights[i].bucket = "revoked"
		}
		buckets = append(buckets, rights[i].bucket)
	}
	done := map[string]bool{}
	for _, b := range buckets {
		if !done[b] {
			done[b] = true
			in := &s3.PutObjectInput{Bucket: &b, Key: aws.String("large"), Body: bytes.NewReader(large)}
			if b == "sealed" {
				in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
			}
			_, err := c.s3.PutObject(ctx, in)
			check(t, "PutObject", err)
		}
	}
	type stream struct {
		revocation
		body   io.ReadCloser
		n      int
		put    *io.PipeWriter
		answer chan string
	}
	streams := make([]*stream, len(rights))
	for i, r := range rights {
		out, err := c.s3With(r.caller).GetObject(ctx, &s3.GetObjectInput{Bucket: &r.bucket, Key: aws.String("large")})
		check(t, "GetObject with "+r.name, err)
		n, err := io.ReadFull(out.Body, make([]byte, 64<<10))
		check(t, "read with "+r.name, err)
		streams[i] = &stream{revocation: r, body: out.Body, n: n}
		if r.bucket == "revoked" {
			streams[i].put, streams[i].answer = c.slowPut(t, r.caller, fmt.Sprintf("/revoked/new-%d", i), 1<<20)
		}
	}
	for _, s := range streams {
		check(t, s.name, s.revoke())
	}
	revoked := time.Now()
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() {
			defer s.body.Close()
			buf := make([]byte, 64<<10)
			for {
				m, err := s.body.Read(buf)
				s.n += m
				if took := time.Since(revoked); err != nil && err != io.EOF && s.n < len(large) {
					if took > 3*time.Second {
						t.Errorf("%s: the stream ended %s afterwards; want about a second", s.name, took)
					}
					return
				} else if err != nil || took > 6*time.Second {
					t.Errorf("%s: the stream went on to byte %d of %d, %v, %s afterwards; want it to break off", s.name, s.n, len(large), err, took)
					return
				}
				time.Sleep(time.Duration(m) * time.Second / (8 << 20)) // 8 MiB/s
			}
		})
		if s.put != nil {
			wg.Go(func() {
				s.put.Write(make([]byte, 512<<10))
				s.put.Close()
				if answer := <-s.answer; !strings.Contains(answer, "<Code>AccessDenied<") {
					t.Errorf("%s: the upload under way = %.300s; want AccessDenied", s.name, answer)
				}
			})
		}
	}
	wg.Wait()
	l, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("revoked")})
	check(t, "ListObjectsV2", err)
	want(t, "objects", *l.KeyCount, 1)
}

func policyARNs(arn string) []ststypes.PolicyDescriptorType {
	return []ststypes.PolicyDescriptorType{{Arn: &arn}}
}

// slowPut begins an upload of size bytes and sends half of them.
func (k *sdk) slowPut(t *testing.T, c aws.CredentialsProvider, target string, size int64) (*io.PipeWriter, chan string) {
	t.Helper()
	r, w := io.Pipe()
	req := k.request(t, c, knock{service: "s3", method: "PUT", target: target, payload: unsignedPayload})
	req.Body, req.ContentLength = r, size
	answer := make(chan string, 1)
	go func() {
		res, err := (&http.Client{Transport: k.http.Transport}).Do(req)
		if err != nil {
			r.CloseWithError(err)
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- fmt.Sprint(res.StatusCode, string(b))
	}()
	w.Write(make([]byte, size/2))
	return w, answer
}
