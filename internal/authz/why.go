package authz

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

// ErrNoExplanation means that no explanation is kept under an authorization ID, or
// none that the account may read.
var ErrNoExplanation = errors.New("authz: no such explanation")

const (
	rowWhy = "authz/why/"
	// keptFor is how long an explanation is kept at least. Rows are removed by the
	// hour.
	keptFor = 24 * time.Hour
	// maxWaiting bounds the explanations that wait to be written: more denials
	// than that at once wait for the store.
	maxWaiting = 4096
	// flushEvery is how long an explanation waits at most. A crash loses those of
	// that time; the denials themselves are in the trail.
	flushEvery = 250 * time.Millisecond
	// maxOfStrangers bounds the explanations of anonymous requests in an hour, so
	// that who has no account can't fill the store.
	maxOfStrangers = 20_000
)

// An Explanation tells how one denial came about.
type Explanation struct {
	ID              string              `json:"authorizationId"`
	Time            time.Time           `json:"time"`
	Principal       string              `json:"principal"`
	Account         string              `json:"account,omitempty"` // of the principal
	Action          string              `json:"action"`
	Resource        string              `json:"resource"`
	ResourceAccount string              `json:"resourceAccount,omitempty"`
	RequestID       string              `json:"requestId"`
	SourceIP        string              `json:"sourceIPAddress"`
	Message         string              `json:"message"`
	Context         map[string][]string `json:"context"`
	Evaluation      *policy.Explanation `json:"evaluation"`
	// Withheld names the kinds of policies that the reader's account may not see.
	Withheld []policy.Layer `json:"withheld,omitempty"`
}

// explanations keeps what denials were about. Rows are named by authorization IDs,
// which begin with the time, so that the oldest come first:
//
//	authz/why/ ID   the explanation, JSON
type explanations struct {
	store meta.Store
	now   func() time.Time
	log   *slog.Logger
	queue chan *Explanation
	stop  chan struct{} // closed by close
	done  chan struct{} // closed when run has ended

	mu        sync.Mutex
	waiting   map[string]*Explanation // guarded by mu; queued and not yet written
	hour      int64                   // guarded by mu
	strangers int                     // guarded by mu; anonymous ones in hour
	once      sync.Once
}

func newExplanations(store meta.Store, now func() time.Time, log *slog.Logger) *explanations {
	x := &explanations{store: store, now: now, log: log, queue: make(chan *Explanation, maxWaiting), stop: make(chan struct{}),
		done: make(chan struct{}), waiting: make(map[string]*Explanation)}
	go x.run()
	return x
}

var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// newID returns an authorization ID: five bytes of time and eleven random ones, in
// digits and lower-case letters.
func newID(t time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[5:]) // it never fails
	putTime(b[:], t)
	return strings.ToLower(idEncoding.EncodeToString(b[:]))
}

func putTime(b []byte, t time.Time) {
	var s [8]byte
	binary.BigEndian.PutUint64(s[:], uint64(max(t.Unix(), 0)))
	copy(b, s[3:])
}

// isID reports whether a text has the form of an authorization ID.
func isID(s string) bool {
	return len(s) == 26 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuv") == ""
}

// keep explains a denial and queues the explanation. It returns the authorization
// ID, or nothing if no explanation is kept.
func (x *explanations) keep(of *evaluation, d *Denied) string {
	now := x.now().UTC()
	if d.Anonymous && !x.room(now) {
		return ""
	}
	c, in := of.context.caller, &of.input
	e := &Explanation{
		ID: newID(now), Time: now.Truncate(time.Millisecond), Principal: d.Principal, Account: c.Account,
		Action: in.Action, Resource: in.Resource, ResourceAccount: in.Account,
		RequestID: c.RequestID, SourceIP: c.SourceIP, Message: d.Text(), Context: of.context.snapshot(), Evaluation: policy.Explain(in),
	}
	x.mu.Lock()
	x.waiting[e.ID] = e
	x.mu.Unlock()
	select {
	case x.queue <- e:
		return e.ID
	case <-x.stop:
		return ""
	}
}

// room counts one more explanation to a stranger, and says whether it is kept.
func (x *explanations) room(now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if hour := now.Unix() / 3600; hour != x.hour {
		x.hour, x.strangers = hour, 0
	}
	x.strangers++
	return x.strangers <= maxOfStrangers
}

// run writes what is queued, and removes what is old.
func (x *explanations) run() {
	defer close(x.done)
	var swept time.Time
	for stopped := false; !stopped; {
		var batch []*Explanation
		select {
		case e := <-x.queue:
			batch = append(batch, e)
		case <-x.stop:
			stopped = true
		}
		if !stopped {
			select {
			case <-time.After(flushEvery):
			case <-x.stop:
				stopped = true
			}
		}
		x.write(x.drain(batch))
		if now := x.now(); !stopped && now.Sub(swept) > time.Hour {
			swept = now
			if err := x.sweep(context.Background(), now.Add(-keptFor)); err != nil {
				x.log.Error("remove old explanations", slog.Any("error", err))
			}
		}
	}
}

// drain adds what is queued to a batch.
func (x *explanations) drain(batch []*Explanation) []*Explanation {
	for {
		select {
		case e := <-x.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
}

func (x *explanations) write(batch []*Explanation) {
	if len(batch) == 0 {
		return
	}
	err := x.store.Update(context.Background(), func(tx meta.Txn) error {
		for _, e := range batch {
			b, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if err := tx.Put([]byte(rowWhy+e.ID), b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		x.log.Error("keep explanations of denials", slog.Int("count", len(batch)), slog.Any("error", err))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range batch {
		delete(x.waiting, e.ID)
	}
}

// sweepPage is how many rows one transaction of a sweep removes.
const sweepPage = 1000

// sweep removes the explanations from before a time.
func (x *explanations) sweep(ctx context.Context, before time.Time) error {
	var b [16]byte
	putTime(b[:], before)
	r := meta.Range{Start: []byte(rowWhy), End: []byte(rowWhy + strings.ToLower(idEncoding.EncodeToString(b[:]))), Limit: sweepPage}
	for {
		n := 0
		err := x.store.Update(ctx, func(tx meta.Txn) error {
			var keys [][]byte
			err := tx.Scan(r, func(key, _ []byte) (bool, error) {
				keys = append(keys, slices.Clone(key))
				return true, nil
			})
			n = len(keys)
			for _, key := range keys {
				err = errors.Join(err, tx.Delete(key))
			}
			return err
		})
		if err != nil || n < sweepPage {
			return err
		}
	}
}

// close writes what is queued. Denials after it are not explained.
func (x *explanations) close() {
	x.once.Do(func() { close(x.stop) })
	<-x.done
}

// get returns the explanation with an ID, or ErrNoExplanation.
func (x *explanations) get(ctx context.Context, id string) (*Explanation, error) {
	if !isID(id) {
		return nil, ErrNoExplanation
	}
	x.mu.Lock()
	e := x.waiting[id]
	x.mu.Unlock()
	if e != nil {
		e := *e
		return &e, nil
	}
	e = new(Explanation)
	err := x.store.View(ctx, func(r meta.Reader) error {
		b, err := r.Get([]byte(rowWhy + id))
		if err != nil {
			return err
		}
		return json.Unmarshal(b, e)
	})
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrNoExplanation
	}
	if err != nil {
		return nil, fmt.Errorf("explanation %s: %w", id, err)
	}
	return e, nil
}

// Explain returns the explanation of a denial, as far as an account may see it: the
// policies on the principal's side are shown to the principal's account, and those
// on the resource's side to the resource's. Others get ErrNoExplanation.
func (g *Gate) Explain(ctx context.Context, account, id string) (*Explanation, error) {
	if g.denied == nil || account == "" {
		return nil, ErrNoExplanation
	}
	e, err := g.denied.get(ctx, id)
	if err != nil {
		return nil, err
	}
	ownsPrincipal, ownsResource := account == e.Account, account == e.ResourceAccount
	if !ownsPrincipal && !ownsResource {
		return nil, ErrNoExplanation
	}
	if ownsPrincipal && ownsResource {
		return e, nil
	}
	e.withhold(func(l policy.Layer) bool { return onResourceSide(l) != ownsResource })
	if !ownsResource {
		e.hideResource()
	}
	return e, nil
}

// hideResource takes out what condition keys say of the resource: a policy of the
// principal's account may ask for the tags of what belongs to another, and is not told
// what they are.
func (e *Explanation) hideResource() {
	e.Context = maps.Clone(e.Context)
	maps.DeleteFunc(e.Context, func(key string, _ []string) bool { return isOfResource(key) })
	for i := range e.Evaluation.Policies { // a copy, by withhold
		p := &e.Evaluation.Policies[i]
		p.Statements = slices.Clone(p.Statements)
		for j := range p.Statements {
			st := &p.Statements[j]
			st.Conditions = slices.Clone(st.Conditions)
			for k := range st.Conditions {
				if c := &st.Conditions[k]; isOfResource(c.Key) {
					c.Actual, c.Missing = nil, false
				}
			}
		}
	}
}

// isOfResource reports whether a condition key tells about the resource what only its
// account knows.
func isOfResource(key string) bool {
	key = strings.ToLower(key)
	for _, prefix := range []string{
		"aws:resourcetag/", "aws:resourceorg", "iam:resourcetag/", "iam:permissionsboundary", "s3:existingobjecttag/", "s3:buckettag/",
		"s3:accesspointtag/", "kms:key", "kms:multiregion", "kms:resourcealiases",
	} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// withhold takes out what policies of hidden kinds say. Which of the kinds denied
// stays: the error message tells it, too.
func (e *Explanation) withhold(hidden func(policy.Layer) bool) {
	x := *e.Evaluation // which may be shared
	x.Layers = slices.DeleteFunc(slices.Clone(x.Layers), func(l policy.LayerExplanation) bool { return hidden(l.Layer) })
	x.Policies = slices.DeleteFunc(slices.Clone(x.Policies), func(p policy.PolicyExplanation) bool { return hidden(p.Layer) })
	if hidden(policy.LayerGrant) {
		x.Grants = nil
	}
	if hidden(x.Decision.Layer) {
		x.Decision.Match = policy.Match{}
	}
	for _, p := range e.Evaluation.Policies {
		if hidden(p.Layer) && !slices.Contains(e.Withheld, p.Layer) {
			e.Withheld = append(e.Withheld, p.Layer)
		}
	}
	if len(e.Evaluation.Grants) > 0 && hidden(policy.LayerGrant) {
		e.Withheld = append(e.Withheld, policy.LayerGrant)
	}
	e.Evaluation = &x
}

// onResourceSide reports whether a kind of policy belongs to the account of the
// resource.
func onResourceSide(l policy.Layer) bool {
	switch l {
	case policy.LayerResource, policy.LayerTrust, policy.LayerRCP, policy.LayerGrant, policy.LayerACL, policy.LayerPublic:
		return true
	}
	return false
}
