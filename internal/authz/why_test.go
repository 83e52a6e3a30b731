package authz

import (
	"encoding/json"
	"strings"
	"testing"

	"coffer/internal/meta/mem"
	"coffer/internal/policy"
)

// TestExplanationHidesTheResource: a policy of the principal's account that asks for
// tags of another account's object is explained without them.
func TestExplanationHidesTheResource(t *testing.T) {
	const statement = `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{
		"aws:ResourceTag/class":"secret*","s3:ExistingObjectTag/class":"secret*","aws:PrincipalAccount":"*"}}}`
	g := newGate(t, newWorld(t, statement), mem.New())
	keys := policy.MapContext{"aws:resourcetag/class": {"secret-1"}, "s3:existingobjecttag/class": {"secret-2"}}
	for owner, shown := range map[string]bool{account: true, other: false} {
		d := AsDenied(g.Ask(t.Context(), alice(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: owner, Keys: keys}))
		if d == nil || !d.Decision.Explicit {
			t.Fatalf("Ask on what belongs to %s = %v; want an explicit denial", owner, d)
		}
		e, err := g.Explain(t.Context(), account, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{`["secret-1"]`, `["secret-2"]`} {
			if strings.Contains(string(b), secret) != shown {
				t.Errorf("explanation of what belongs to %s shows %s: %v; want %v\n%s", owner, secret, !shown, shown, b)
			}
		}
		if !strings.Contains(string(b), `"key":"aws:PrincipalAccount"`) || !strings.Contains(string(b), `"actual":["`+account+`"]`) {
			t.Errorf("explanation of what belongs to %s does not show the principal's account: %s", owner, b)
		}
	}
}
