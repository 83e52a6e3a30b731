package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// Saved are answers of AWS APIs, as the AWS CLI prints them, by name: the service,
// the command and what it was about, with dots between and in URL escaping, such as
// "s3api.get-bucket-policy.tour". An answer that something does not exist is
// {"Error":{"Code":"NoSuchBucketPolicy"}}. docs/cli.md lists the names.
type Saved map[string]json.RawMessage

// Name returns the name of a saved answer.
func Name(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = strings.ReplaceAll(url.QueryEscape(p), ".", "%2E")
		if i < 2 {
			escaped[i] = p
		}
	}
	return strings.Join(escaped, ".")
}

// An absent is an answer that something does not exist.
type absent struct {
	Error struct{ Code string }
}

// read decodes a saved answer. It reports false if there is none. A code is that of
// an answer that something does not exist.
func (s Saved) read(into any, name ...string) (code string, seen bool, err error) {
	raw, ok := s[Name(name...)]
	if !ok {
		return "", false, nil
	}
	var none absent
	if json.Unmarshal(raw, &none) == nil && none.Error.Code != "" {
		return none.Error.Code, true, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return "", false, fmt.Errorf("%s: %w", Name(name...), err)
	}
	return "", true, nil
}

// A document is a policy as answers hold it: an object, or text that may be
// URL-encoded.
type document string

// UnmarshalJSON takes both forms.
func (d *document) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		*d = document(b)
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if strings.HasPrefix(text, "%7B") {
		decoded, err := url.PathUnescape(text)
		if err != nil {
			return err
		}
		text = decoded
	}
	*d = document(text)
	return nil
}

// named returns the policy. One that can't be read at all is not seen.
func (d document) named(name string, kind policy.Kind) *policy.Named {
	if d == "" {
		return nil
	}
	p, err := policy.Load(string(d), kind)
	if err != nil {
		return nil
	}
	return &policy.Named{Name: name, Policy: p}
}

type tag struct{ Key, Value string }

func tagMap(list []tag) map[string]string {
	m := make(map[string]string, len(list))
	for _, t := range list {
		m[t.Key] = t.Value
	}
	return m
}

// ErrNoAccount means that the answers do not tell whose they are.
var ErrNoAccount = errors.New("access: sts.get-caller-identity is missing")

// AccountID returns the account whose answers s holds, or ErrNoAccount.
func (s Saved) AccountID() (string, error) {
	var id struct{ Account string }
	if _, seen, err := s.read(&id, "sts", "get-caller-identity"); err != nil || !seen || id.Account == "" {
		return "", errors.Join(ErrNoAccount, err)
	}
	return id.Account, nil
}

// Load adds to w what answers tell of the account that they were given to.
func (w *World) Load(s Saved) error {
	id, err := s.AccountID()
	if err != nil {
		return err
	}
	a := w.Account(id)
	if a == nil {
		a = &Account{ID: id}
		w.Accounts = append(w.Accounts, a)
	}
	if err := s.entities(a); err != nil {
		return err
	}
	var block struct{ PublicAccessBlockConfiguration Block }
	code, seen, err := s.read(&block, "s3control", "get-public-access-block")
	if err != nil {
		return err
	}
	a.SeesBlock = seen
	if code == "" {
		a.Block = block.PublicAccessBlockConfiguration
	}
	return nil
}

// Organize fills in what stands above each account of w, from the answers that any
// of them got.
func (w *World) Organize(all []Saved) error {
	for _, a := range w.Accounts {
		for _, s := range all {
			seen, err := s.chain(a)
			if err != nil {
				return err
			}
			if seen {
				break
			}
		}
	}
	return nil
}

type inlinePolicy struct {
	PolicyName     string
	PolicyDocument document
}

type attachedPolicy struct{ PolicyName, PolicyArn string }

type entityDetail struct {
	UserName, UserId, RoleName, RoleId, GroupName, Arn, Path string
	UserPolicyList, RolePolicyList, GroupPolicyList          []inlinePolicy
	AttachedManagedPolicies                                  []attachedPolicy
	GroupList                                                []string
	PermissionsBoundary                                      struct{ PermissionsBoundaryArn string }
	AssumeRolePolicyDocument                                 document
	Tags                                                     []tag
}

type authorizationDetails struct {
	UserDetailList, GroupDetailList, RoleDetailList []entityDetail
	Policies                                        []struct {
		Arn               string
		PolicyVersionList []struct {
			Document         document
			IsDefaultVersion bool
		}
	}
}

// entities reads the users and roles of an account.
func (s Saved) entities(a *Account) error {
	var d authorizationDetails
	code, seen, err := s.read(&d, "iam", "get-account-authorization-details")
	if err != nil || !seen || code != "" {
		return err
	}
	managed := make(map[string]document)
	for _, p := range d.Policies {
		for _, v := range p.PolicyVersionList {
			if v.IsDefaultVersion {
				managed[p.Arn] = v.Document
			}
		}
	}
	groups := make(map[string]*entityDetail)
	for i := range d.GroupDetailList {
		groups[d.GroupDetailList[i].GroupName] = &d.GroupDetailList[i]
	}
	a.SeesEntities, a.Entities = true, nil
	for i := range d.UserDetailList {
		u := &d.UserDetailList[i]
		e := &Entity{ARN: u.Arn, Name: u.UserName, Tags: tagMap(u.Tags), Groups: u.GroupList,
			Principal: policy.Principal{Type: policy.User, Account: a.ID, ARN: u.Arn, ID: u.UserId}}
		e.attach(u, managed)
		for _, name := range u.GroupList {
			if g := groups[name]; g != nil {
				e.attach(g, managed)
			} else {
				e.Unseen = true
			}
		}
		a.Entities = append(a.Entities, e)
	}
	for i := range d.RoleDetailList {
		r := &d.RoleDetailList[i]
		e := &Entity{ARN: r.Arn, Name: r.RoleName, Tags: tagMap(r.Tags), Trust: r.AssumeRolePolicyDocument.named("trust policy of "+r.RoleName, policy.KindTrust),
			Principal: policy.Principal{Type: policy.Session, Account: a.ID, ID: r.RoleId, Role: r.Arn,
				ARN:           arn.ARN{Partition: arn.Partition, Service: "sts", Account: a.ID, Resource: "assumed-role/" + r.RoleName + "/?"}.String(),
				ServiceLinked: strings.HasPrefix(r.Path, "/aws-service-role/")}}
		e.attach(r, managed)
		a.Entities = append(a.Entities, e)
	}
	return nil
}

// attach adds the policies of a user, a role or a group.
func (e *Entity) attach(d *entityDetail, managed map[string]document) {
	// Named as explanations of the server name them.
	inline := func(kind, owner string, list []inlinePolicy) {
		for _, p := range list {
			e.add(p.PolicyDocument.named(kind+"_"+owner+"_"+p.PolicyName, policy.KindIdentity))
		}
	}
	inline("user", d.UserName, d.UserPolicyList)
	inline("role", d.RoleName, d.RolePolicyList)
	inline("group", d.GroupName, d.GroupPolicyList)
	for _, p := range d.AttachedManagedPolicies {
		e.add(managed[p.PolicyArn].named(p.PolicyArn, policy.KindIdentity))
		if !strings.HasPrefix(p.PolicyArn, "arn:aws:iam::aws:") {
			e.Managed = append(e.Managed, p.PolicyArn)
		}
	}
	if b := d.PermissionsBoundary.PermissionsBoundaryArn; b != "" {
		e.Principal.HasBoundary = true
		if e.Boundary = managed[b].named(b, policy.KindBoundary); e.Boundary == nil {
			e.Unseen = true
		}
	}
}

func (e *Entity) add(p *policy.Named) {
	if p == nil {
		e.Unseen = true
		return
	}
	e.Policies = append(e.Policies, *p)
}

// maxLevels bounds the levels of an organization: the root, five of units, and the
// account.
//
// Source: AWS Organizations User Guide, "Quotas for AWS Organizations", read
// 2026-11-21.
const maxLevels = 7

// chain reads what stands above an account. It reports false if s does not tell.
func (s Saved) chain(a *Account) (bool, error) {
	var org struct {
		Organization struct {
			Id, MasterAccountId  string
			AvailablePolicyTypes []struct{ Type, Status string }
		}
	}
	code, seen, err := s.read(&org, "organizations", "describe-organization")
	if err != nil || !seen {
		return false, err
	}
	if code != "" {
		if id, err := s.AccountID(); err != nil || id != a.ID || code != "AWSOrganizationsNotInUseException" {
			return false, err
		}
		a.SeesOrg = true
		return true, nil
	}
	o := &org.Organization
	path := []string{a.ID}
	for len(path) <= maxLevels {
		var parents struct{ Parents []struct{ Id, Type string } }
		code, seen, err := s.read(&parents, "organizations", "list-parents", path[0])
		if err != nil || !seen || code != "" || len(parents.Parents) != 1 {
			return false, err
		}
		path = append([]string{parents.Parents[0].Id}, path...)
		if parents.Parents[0].Type == "ROOT" {
			break
		}
	}
	a.OrgID = o.Id
	a.OrgPath = o.Id + "/" + strings.Join(path[:len(path)-1], "/") + "/"
	if a.ID == o.MasterAccountId {
		a.SeesOrg = true
		return true, nil
	}
	if a.SCPs, seen, err = s.levels(path, "SERVICE_CONTROL_POLICY", policy.KindSCP); err != nil || !seen {
		return false, err
	}
	if a.RCPs, seen, err = s.levels(path, "RESOURCE_CONTROL_POLICY", policy.KindRCP); err != nil || !seen {
		return false, err
	}
	a.SeesOrg = true
	return true, nil
}

// levels reads the policies of each level, or nil if the type is not in use.
func (s Saved) levels(path []string, kind string, k policy.Kind) ([][]policy.Named, bool, error) {
	var levels [][]policy.Named
	for _, target := range path {
		var list struct {
			Policies []struct{ Id, Name, Arn string }
		}
		code, seen, err := s.read(&list, "organizations", "list-policies-for-target", target, kind)
		if err != nil || !seen {
			return nil, false, err
		}
		if code != "" { // the type is not enabled
			return nil, true, nil
		}
		level := []policy.Named{}
		for _, p := range list.Policies {
			var d struct {
				Policy struct{ Content document }
			}
			code, seen, err := s.read(&d, "organizations", "describe-policy", p.Id)
			if err != nil || !seen || code != "" {
				return nil, false, err
			}
			n := d.Policy.Content.named(p.Arn, k)
			if n == nil {
				return nil, false, nil
			}
			level = append(level, *n)
		}
		levels = append(levels, level)
	}
	// A level without any policy means that the type is not in use: the policies
	// that AWS attaches can't all be detached.
	for _, l := range levels {
		if len(l) == 0 {
			return nil, true, nil
		}
	}
	return levels, true, nil
}

// Identity reads who asked.
func (s Saved) Identity(into any) error {
	_, seen, err := s.read(into, "sts", "get-caller-identity")
	if err == nil && !seen {
		err = ErrNoAccount
	}
	return err
}
