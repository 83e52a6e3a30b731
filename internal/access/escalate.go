package access

import (
	"fmt"
	"slices"
	"strings"

	"coffer/internal/policy"
)

// An Escalation is a way in which a principal that may not do something could give
// itself the permission.
type Escalation struct {
	Answer Answer   `json:"answer"`
	Steps  []string `json:"steps"` // in order
}

// maxChain bounds the length of a chain of roles and users that a principal becomes.
const maxChain = 5

// escalations looks for the ways in which p could pass all the steps of one
// alternative: by becoming somebody else who may, or by changing the policies that
// stand in the way.
func (w *World) escalations(q *Question, alternatives [][]step, p *Principal) []Escalation {
	var out []Escalation
	for _, reached := range w.reach(p) {
		if len(reached.steps) > 0 {
			if a := w.best(alternatives, reached.p); a >= YesIf {
				out = append(out, Escalation{Answer: min(a, reached.answer), Steps: reached.steps})
				continue
			}
		}
		if e, ok := w.change(alternatives, reached); ok {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Escalation) int { return len(a.Steps) - len(b.Steps) })
	if len(out) > 8 {
		out = out[:8]
	}
	return out
}

// best returns the answer for a principal.
func (w *World) best(alternatives [][]step, p *Principal) Answer {
	best := No
	for _, steps := range alternatives {
		a := Yes
		for _, s := range steps {
			a = min(a, w.decide(&s, p).Answer)
		}
		best = max(best, a)
	}
	return best
}

// reached is somebody whom a principal can become.
type reached struct {
	p      *Principal
	answer Answer // the worst on the way
	steps  []string
}

// reach returns p and whom it can become, in steps that are allowed.
func (w *World) reach(p *Principal) []reached {
	all := []reached{{p, Yes, nil}}
	been := map[string]bool{p.Label: true}
	for i := 0; i < len(all); i++ {
		from := all[i]
		if len(from.steps) == maxChain {
			continue
		}
		for _, a := range w.Accounts {
			for _, e := range a.Entities {
				if been[e.ARN] {
					continue
				}
				answer, how := w.become(from.p, e)
				if answer < YesIf {
					continue
				}
				been[e.ARN] = true
				to := &Principal{Principal: e.Principal, Label: e.ARN, entity: e, name: e.Name, tags: e.Tags}
				all = append(all, reached{to, min(from.answer, answer), append(slices.Clone(from.steps), how)})
			}
		}
	}
	return all
}

// become tells whether p can act as an entity, and how.
func (w *World) become(p *Principal, e *Entity) (Answer, string) {
	account := e.Principal.Account
	iam := func(action, resource string, extra map[string][]string) Answer {
		return w.decide(&step{action: action, resource: resource, account: account, region: "us-east-1", keys: extra}, p).Answer
	}
	if e.Principal.Type == policy.User {
		if p.Account == account {
			if a := iam("iam:CreateAccessKey", e.ARN, nil); a >= YesIf {
				return a, "iam:CreateAccessKey for " + e.ARN
			}
		}
		return No, ""
	}
	if p.Type == policy.Root {
		return No, "" // a root user may not assume roles
	}
	assume := step{action: "sts:AssumeRole", resource: e.ARN, account: account, policy: e.Trust, region: "us-east-1",
		keys: map[string][]string{}, open: []string{"sts:externalid", "sts:rolesessionname", "sts:sourceidentity", "aws:requesttag/", "aws:tagkeys"}}
	if e.Trust == nil {
		assume.unseen = append(assume.unseen, policy.LayerTrust)
	}
	if a := w.decide(&assume, p).Answer; a >= YesIf {
		return a, "sts:AssumeRole of " + e.ARN
	}
	if p.Account == account {
		if a := iam("iam:UpdateAssumeRolePolicy", e.ARN, nil); a >= YesIf {
			return a, "iam:UpdateAssumeRolePolicy of " + e.ARN + ", then sts:AssumeRole"
		}
	}
	return No, ""
}

// change tells whether somebody, by changing the policies that it may change, could
// pass the steps of an alternative.
func (w *World) change(alternatives [][]step, from reached) (Escalation, bool) {
	own, ownHow := w.editsOwn(from.p)
	for _, steps := range alternatives {
		answer, how := from.answer, slices.Clone(from.steps)
		changed := false
		for _, s := range steps {
			if a := w.decide(&s, from.p).Answer; a >= YesIf {
				answer = min(answer, a)
				continue
			}
			a, text := w.open(&s, from.p, own, ownHow)
			if a < YesIf {
				answer = No
				break
			}
			answer, changed = min(answer, a), true
			for _, t := range text {
				if !slices.Contains(how, t) {
					how = append(how, t)
				}
			}
		}
		if answer >= YesIf && changed {
			return Escalation{Answer: answer, Steps: how}, true
		}
	}
	return Escalation{}, false
}

// open tells whether a principal could make a step succeed by changing its own
// policies, the resource's, or both.
func (w *World) open(s *step, p *Principal, own Answer, ownHow string) (Answer, []string) {
	if s.never != "" || s.unknown != "" {
		return No, nil
	}
	resource, resourceHow := w.editsResource(s, p)
	try := func(identity, policyToo bool) Answer {
		in := w.input(s, p)
		if identity {
			in.Identity = []policy.Named{everything()}
		}
		if policyToo {
			in.ResourcePolicy = opened(s, p)
			in.RestrictPublic = false
		}
		switch policy.EvaluatePartial(in).Answer {
		case policy.Yes:
			return Yes
		case policy.Depends:
			return YesIf
		}
		return No
	}
	if own >= YesIf {
		if a := try(true, false); a >= YesIf {
			return min(a, own), []string{ownHow}
		}
	}
	if resource >= YesIf {
		if a := try(false, true); a >= YesIf {
			return min(a, resource), []string{resourceHow}
		}
	}
	if own >= YesIf && resource >= YesIf {
		if a := try(true, true); a >= YesIf {
			return min(a, own, resource), []string{ownHow, resourceHow}
		}
	}
	return No, nil
}

// editsOwn tells whether a principal may change its own permissions, and how.
func (w *World) editsOwn(p *Principal) (Answer, string) {
	e := p.entity
	if e == nil {
		return No, ""
	}
	kind := "User"
	if p.Type == policy.Session {
		kind = "Role"
	}
	account := e.Principal.Account
	type way struct{ action, resource string }
	ways := []way{{"iam:Put" + kind + "Policy", e.ARN}, {"iam:Attach" + kind + "Policy", e.ARN}}
	for _, m := range e.Managed {
		ways = append(ways, way{"iam:CreatePolicyVersion", m}, way{"iam:SetDefaultPolicyVersion", m})
	}
	for _, g := range e.Groups {
		group := "arn:aws:iam::" + account + ":group/" + g
		ways = append(ways, way{"iam:PutGroupPolicy", group}, way{"iam:AttachGroupPolicy", group})
	}
	best, how := No, ""
	for _, x := range ways {
		a := w.decide(&step{action: x.action, resource: x.resource, account: account, region: "us-east-1",
			open: []string{"iam:policyarn", "iam:permissionsboundary"}}, p).Answer
		if a > best {
			best, how = a, x.action+" on "+x.resource
		}
	}
	return best, how
}

// editsResource tells whether a principal may change the policy of a step's
// resource, and how.
func (w *World) editsResource(s *step, p *Principal) (Answer, string) {
	switch {
	case strings.HasPrefix(s.action, "s3:"):
		bucket, _, _ := strings.Cut(s.resource, "/")
		t := *s
		t.action, t.resource, t.acl, t.unseen = "s3:PutBucketPolicy", bucket, nil, without(s.unseen, policy.LayerACL)
		return w.decide(&t, p).Answer, "s3:PutBucketPolicy on " + bucket
	case strings.HasPrefix(s.action, "kms:"):
		if s.noRCP {
			return No, "" // nobody changes the policy of an AWS managed key
		}
		best, how := No, ""
		for _, action := range []string{"kms:PutKeyPolicy", "kms:CreateGrant"} {
			t := *s
			t.action, t.never, t.forwarded = action, "", false
			t.open = append(slices.Clone(s.open), "kms:encryptioncontext:", "kms:encryptioncontextkeys", "kms:granteeprincipal", "kms:grantoperations",
				"kms:grantconstrainttype", "kms:retiringprincipal", "kms:grantisforawsresource", "kms:bypasspolicylockoutsafetycheck")
			t.keys = map[string][]string{}
			for k, v := range s.keys {
				if !strings.HasPrefix(k, "kms:encryptioncontext") && k != "kms:viaservice" {
					t.keys[k] = v
				}
			}
			if a := w.decide(&t, p).Answer; a > best {
				best, how = a, fmt.Sprintf("%s on %s", action, s.resource)
			}
		}
		return best, how
	}
	return No, ""
}

// opened is a policy of a step's resource that allows everything to a principal.
func opened(s *step, p *Principal) *policy.Named {
	kind := policy.KindBucket
	if strings.HasPrefix(s.action, "kms:") {
		kind = policy.KindKey
	}
	name := p.ARN
	if p.Type == policy.Session {
		name = p.Role
	}
	n := changed(`"Principal":{"AWS":"`+name+`"},`, kind)
	return &n
}

// everything is an identity policy that allows everything.
func everything() policy.Named { return changed("", policy.KindIdentity) }

// changed is a policy as somebody would write it to get at something.
func changed(principal string, kind policy.Kind) policy.Named {
	p, err := policy.Load(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+principal+`"Action":"*","Resource":"*"}]}`, kind)
	if err != nil {
		panic("access: internal error: " + err.Error())
	}
	return policy.Named{Name: "changed", Policy: p}
}

func without(list []policy.Layer, l policy.Layer) []policy.Layer {
	return slices.DeleteFunc(slices.Clone(list), func(x policy.Layer) bool { return x == l })
}
