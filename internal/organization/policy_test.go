package organization

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCreatePolicy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	p := w.scp(o, "first")
	if p.Type != SCP || p.AWSManaged || len(p.ID) != 10 || p.Content != denyS3 {
		t.Errorf("CreatePolicy = %+v", p)
	}
	pad := func(n int) string {
		const frame = `{"Version":"2012-10-17","Statement":[{"Sid":"","Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
		return strings.Replace(frame, `"Resource":"*"`, `"Resource":["*"`+strings.Repeat(" ", n-len(frame)-2)+`]`, 1)
	}
	tests := []struct {
		name string
		p    Policy
		want error
	}{
		{"same name", Policy{Type: SCP, Name: "first", Content: denyS3}, ErrPolicyExists},
		{"name of AWS's", Policy{Type: SCP, Name: "FullAWSAccess", Content: denyS3}, ErrPolicyExists},
		{"same name, other type", Policy{Type: RCP, Name: "first", Content: denyR}, nil},
		{"no JSON", Policy{Type: SCP, Name: "a", Content: "{"}, ErrMalformed},
		{"principal in an SCP", Policy{Type: SCP, Name: "a", Content: denyR}, ErrMalformed},
		{"allow in an RCP", Policy{Type: RCP, Name: "a", Content: strings.Replace(denyR, "Deny", "Allow", 1)}, ErrMalformed},
		{"RCP without a principal", Policy{Type: RCP, Name: "a", Content: denyS3}, ErrMalformed},
		{"longest SCP", Policy{Type: SCP, Name: "long", Content: pad(10_240)}, nil},
		{"longer", Policy{Type: SCP, Name: "longer", Content: pad(10_241)}, ErrTooLong},
		{"longer than an RCP may be", Policy{Type: RCP, Name: "longer", Content: pad(5_121)}, ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := w.CreatePolicy(ctx, o.ID, tt.p, nil, nothing[*Policy]); !errors.Is(err, tt.want) {
				t.Errorf("CreatePolicy = %v; want %v", err, tt.want)
			}
		})
	}
	many := make([]Tag, MaxTags+1)
	for i := range many {
		many[i].Key = fmt.Sprint(i)
	}
	if _, err := w.CreatePolicy(ctx, o.ID, Policy{Type: SCP, Name: "tagged", Content: denyS3}, many, nothing[*Policy]); !errors.Is(err, ErrTooManyTags) {
		t.Errorf("CreatePolicy with %d tags = %v; want ErrTooManyTags", len(many), err)
	}
	list := made(w.Policies(ctx, o.ID, SCP))(t)
	if len(list) != 3 || list[0].ID != "p-FullAWSAccess" || !list[0].AWSManaged {
		t.Errorf("Policies = %v", list)
	}
}

func TestChangePolicy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	p, other := w.scp(o, "p"), w.scp(o, "other")
	text, name, bad, description := strings.Replace(denyS3, "s3", "kms", 1), "new", "[]", "of KMS"
	got := made(w.UpdatePolicy(ctx, o.ID, p.ID, PolicyChange{&name, &description, &text}, nothing[*Policy]))(t)
	if got.Name != name || got.Description != description || got.Content != text || *made(w.Policy(ctx, o.ID, p.ID))(t) != *got {
		t.Errorf("UpdatePolicy = %+v", got)
	}
	for name, tt := range map[string]struct {
		id     string
		change PolicyChange
		want   error
	}{
		"of AWS":         {"p-FullAWSAccess", PolicyChange{Name: &name}, ErrAWSManaged},
		"unknown":        {"p-12345678", PolicyChange{Name: &name}, ErrNoPolicy},
		"another's":      {p.ID, PolicyChange{Name: &other.Name}, ErrPolicyExists},
		"no policy":      {p.ID, PolicyChange{Content: &bad}, ErrMalformed},
		"its own name":   {p.ID, PolicyChange{Name: &name}, nil},
		"nothing at all": {p.ID, PolicyChange{}, nil},
	} {
		if _, err := w.UpdatePolicy(ctx, o.ID, tt.id, tt.change, nothing[*Policy]); !errors.Is(err, tt.want) {
			t.Errorf("UpdatePolicy, %s = %v; want %v", name, err, tt.want)
		}
	}
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, o.Root, none))
	if err := w.DeletePolicy(ctx, o.ID, p.ID, none); !errors.Is(err, ErrPolicyInUse) {
		t.Errorf("DeletePolicy = %v; want ErrPolicyInUse", err)
	}
	if err := w.DeletePolicy(ctx, o.ID, "p-FullAWSAccess", none); !errors.Is(err, ErrAWSManaged) {
		t.Errorf("DeletePolicy of AWS's = %v; want ErrAWSManaged", err)
	}
	okay(t, w.DetachPolicy(ctx, o.ID, p.ID, o.Root, none))
	okay(t, w.DeletePolicy(ctx, o.ID, p.ID, none))
	if _, err := w.Policy(ctx, o.ID, p.ID); !errors.Is(err, ErrNoPolicy) {
		t.Errorf("Policy = %v; want ErrNoPolicy", err)
	}
}

func TestAttach(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	w.invited(o, second)
	u := w.unit(o, o.Root, "u")
	p := w.scp(o, "p")
	if err := w.AttachPolicy(ctx, o.ID, p.ID, u.ID, none); !errors.Is(err, ErrNotEnabled) {
		t.Errorf("AttachPolicy before EnableType = %v; want ErrNotEnabled", err)
	}
	on := made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	if !slices.Equal(on.Enabled, []PolicyType{SCP}) {
		t.Errorf("EnableType = %+v", on)
	}
	if _, err := w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]); !errors.Is(err, ErrEnabled) {
		t.Errorf("EnableType again = %v; want ErrEnabled", err)
	}
	late := w.unit(o, u.ID, "late")
	for _, target := range []string{o.Root, u.ID, late.ID, second, owner} {
		if list := made(w.PoliciesOf(ctx, o.ID, target, SCP))(t); len(list) != 1 || list[0].ID != "p-FullAWSAccess" {
			t.Errorf("PoliciesOf(%s) = %v; want FullAWSAccess", target, list)
		}
	}
	if err := w.DetachPolicy(ctx, o.ID, "p-FullAWSAccess", u.ID, none); !errors.Is(err, ErrLastPolicy) {
		t.Errorf("DetachPolicy of the last = %v; want ErrLastPolicy", err)
	}
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, u.ID, none))
	if err := w.AttachPolicy(ctx, o.ID, p.ID, u.ID, none); !errors.Is(err, ErrAttached) {
		t.Errorf("AttachPolicy again = %v; want ErrAttached", err)
	}
	okay(t, w.DetachPolicy(ctx, o.ID, "p-FullAWSAccess", u.ID, none))
	if err := w.DetachPolicy(ctx, o.ID, "p-FullAWSAccess", u.ID, none); !errors.Is(err, ErrNotAttached) {
		t.Errorf("DetachPolicy again = %v; want ErrNotAttached", err)
	}
	for name, err := range map[string]error{
		"ErrNoPolicy": w.AttachPolicy(ctx, o.ID, "p-12345678", u.ID, none), "ErrNoTarget": w.AttachPolicy(ctx, o.ID, p.ID, third, none),
	} {
		if !errors.Is(err, ErrNoPolicy) && !errors.Is(err, ErrNoTarget) {
			t.Errorf("AttachPolicy = %v; want %s", err, name)
		}
	}
	for i := range 9 { // u has one
		okay(t, w.AttachPolicy(ctx, o.ID, w.scp(o, fmt.Sprint("more", i)).ID, u.ID, none))
	}
	if err := w.AttachPolicy(ctx, o.ID, w.scp(o, "last").ID, u.ID, none); !errors.Is(err, ErrTooManyAttached) {
		t.Errorf("AttachPolicy of the eleventh = %v; want ErrTooManyAttached", err)
	}
	if list := made(w.Targets(ctx, o.ID, p.ID))(t); len(list) != 1 || list[0] != (Target{u.ID, "u"}) {
		t.Errorf("Targets = %v", list)
	}
	if list := made(w.Targets(ctx, o.ID, "p-FullAWSAccess"))(t); len(list) != 4 || !slices.Contains(list, Target{o.Root, RootName}) {
		t.Errorf("Targets of FullAWSAccess = %v; want the root, an OU and two accounts", list)
	}
	// RCPs: AWS's stays whatever else is attached, and takes one of the five places.
	made(w.EnableType(ctx, o.ID, o.Root, RCP, nothing[*Organization]))(t)
	for i := range 4 {
		r := made(w.CreatePolicy(ctx, o.ID, Policy{Type: RCP, Name: fmt.Sprint(i), Content: denyR}, nil, nothing[*Policy]))(t)
		okay(t, w.AttachPolicy(ctx, o.ID, r.ID, second, none))
	}
	r := made(w.CreatePolicy(ctx, o.ID, Policy{Type: RCP, Name: "last", Content: denyR}, nil, nothing[*Policy]))(t)
	if err := w.AttachPolicy(ctx, o.ID, r.ID, second, none); !errors.Is(err, ErrTooManyAttached) {
		t.Errorf("AttachPolicy of the sixth RCP = %v; want ErrTooManyAttached", err)
	}
	if err := w.DetachPolicy(ctx, o.ID, "p-RCPFullAWSAccess", second, none); !errors.Is(err, ErrLastPolicy) {
		t.Errorf("DetachPolicy of RCPFullAWSAccess = %v; want ErrLastPolicy", err)
	}
	// Disabled, a type is attached nowhere; enabled again, AWS's alone is.
	made(w.DisableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	if _, err := w.DisableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]); !errors.Is(err, ErrNotEnabled) {
		t.Errorf("DisableType again = %v; want ErrNotEnabled", err)
	}
	if list := made(w.PoliciesOf(ctx, o.ID, u.ID, SCP))(t); len(list) != 0 {
		t.Errorf("PoliciesOf = %v; want none", list)
	}
	if list := made(w.PoliciesOf(ctx, o.ID, second, RCP))(t); len(list) != 5 {
		t.Errorf("PoliciesOf = %v; RCPs stay", list)
	}
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	if list := made(w.PoliciesOf(ctx, o.ID, u.ID, SCP))(t); len(list) != 1 || list[0].ID != "p-FullAWSAccess" {
		t.Errorf("PoliciesOf = %v; want FullAWSAccess", list)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	u := made(w.CreateUnit(ctx, o.ID, o.Root, "u", []Tag{{"b", "1"}}, nothing[*Unit]))(t)
	okay(t, w.Tag(ctx, o.ID, u.ID, []Tag{{"a", "2"}, {"b", "3"}}, none))
	if tags := made(w.Tags(ctx, o.ID, u.ID))(t); !slices.Equal(tags, []Tag{{"a", "2"}, {"b", "3"}}) {
		t.Errorf("Tags = %v", tags)
	}
	okay(t, w.Untag(ctx, o.ID, u.ID, []string{"a", "none"}, none))
	if tags := made(w.Tags(ctx, o.ID, u.ID))(t); !slices.Equal(tags, []Tag{{"b", "3"}}) {
		t.Errorf("Tags = %v", tags)
	}
	for i := range MaxTags - 1 {
		okay(t, w.Tag(ctx, o.ID, u.ID, []Tag{{fmt.Sprint("k", i), ""}}, none))
	}
	if err := w.Tag(ctx, o.ID, u.ID, []Tag{{"more", ""}}, none); !errors.Is(err, ErrTooManyTags) {
		t.Errorf("Tag number %d = %v; want ErrTooManyTags", MaxTags+1, err)
	}
	for _, id := range []string{"r-none", third, "p-FullAWSAccess", "p-12345678", "ou-none-12345678", "nonsense", ""} {
		if _, err := w.Tags(ctx, o.ID, id); !errors.Is(err, ErrNoTarget) {
			t.Errorf("Tags(%q) = %v; want ErrNoTarget", id, err)
		}
	}
}
