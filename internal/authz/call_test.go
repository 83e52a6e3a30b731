package authz

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/trail"
)

var update = flag.Bool("update", false, "write golden files")

var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixture is a gate on a real trail in a store with faults.
type fixture struct {
	*Gate
	t     *testing.T
	store *metatest.Faults
	trail *trail.Trail
}

func newFixture(t *testing.T, change func(*trail.Config)) *fixture {
	t.Helper()
	s := metatest.NewFaults(mem.New())
	cfg := trail.Config{
		Store: s, Node: "n", Now: func() time.Time { return testNow }, Rand: bytes.NewReader(make([]byte, 1<<10)),
		Log: slog.New(slog.DiscardHandler), FlushEvery: time.Hour,
	}
	if change != nil {
		change(&cfg)
	}
	tr, err := trail.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(context.Background()) })
	return &fixture{NewGate(tr), t, s, tr}
}

// events returns what the trail holds.
func (f *fixture) events() []string {
	f.t.Helper()
	if err := f.trail.Flush(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	var events []string
	err := trail.Scan(f.t.Context(), f.store, "n", 0, func(e trail.Entry) (bool, error) {
		events = append(events, string(e.JSON))
		return true, nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

// one returns the only event of the trail.
func (f *fixture) one() map[string]any {
	f.t.Helper()
	events := f.events()
	if len(events) != 1 {
		f.t.Fatalf("the trail holds %d events, want 1: %q", len(events), events)
	}
	var ev map[string]any
	if err := json.Unmarshal([]byte(events[0]), &ev); err != nil {
		f.t.Fatal(err)
	}
	return ev
}

var row = []byte("row")

// change is the transaction of a change.
func (f *fixture) change(call *Call) error {
	return f.store.Update(f.t.Context(), func(txn meta.Txn) error {
		if err := txn.Put(row, []byte("changed")); err != nil {
			return err
		}
		return call.Record(txn)
	})
}

// changed reports whether the change is there.
func (f *fixture) changed() bool {
	f.t.Helper()
	err := f.store.View(f.t.Context(), func(r meta.Reader) error {
		_, err := r.Get(row)
		return err
	})
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		f.t.Fatal(err)
	}
	return err == nil
}

var (
	write = Operation{Source: "s3.amazonaws.com", Name: "PutObject", Data: true}
	read  = Operation{Source: "s3.amazonaws.com", Name: "GetObject", Data: true, ReadOnly: true}
)

func TestChangeIsRecordedWithIt(t *testing.T) {
	for _, twice := range []bool{false, true} {
		f := newFixture(t, nil)
		f.store.RunTwice(twice)
		call := f.Begin(root(account), write)
		if err := f.change(call); err != nil {
			t.Fatal(err)
		}
		f.store.RunTwice(false)
		for range 2 { // a second End changes nothing
			if err := call.End(t.Context(), nil); err != nil {
				t.Errorf("End = %v; want nil", err)
			}
		}
		if ev := f.one(); ev["eventName"] != "PutObject" || ev["errorCode"] != nil || !f.changed() {
			t.Errorf("run twice %t: event %v, changed %t; want PutObject without an error", twice, ev, f.changed())
		}
	}
}

// A change that is aborted leaves no event of its own, only that of its failure.
func TestAbortedChange(t *testing.T) {
	tests := []struct {
		name          string
		err           error // of the transaction, after Record
		code, message any   // in the event
	}{
		{"refused", awserr.New(409, "BucketNotEmpty", "The bucket is full."), "BucketNotEmpty", "The bucket is full."},
		{"failed", errors.New("secret of the inside"), "InternalError", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			call := f.Begin(root(account), write)
			call.Param("bucketName", "tour")
			call.Response("versionId", "1")
			err := f.store.Update(t.Context(), func(txn meta.Txn) error {
				if err := call.Record(txn); err != nil {
					return err
				}
				return tt.err
			})
			if got := call.End(t.Context(), err); got != tt.err {
				t.Errorf("End = %v; want %v", got, tt.err)
			}
			ev := f.one()
			if ev["errorCode"] != tt.code || ev["errorMessage"] != tt.message {
				t.Errorf("error of the event = %v: %v; want %v: %v", ev["errorCode"], ev["errorMessage"], tt.code, tt.message)
			}
			if ev["responseElements"] != nil || !reflect.DeepEqual(ev["requestParameters"], map[string]any{"bucketName": "tour"}) {
				t.Errorf("event = %v; want the request and no response", ev)
			}
		})
	}
}

// A commit whose answer is lost leaves both events, each with an ID of its own.
func TestChangeWithLostAnswer(t *testing.T) {
	f := newFixture(t, func(cfg *trail.Config) { cfg.Rand = nil })
	call := f.Begin(root(account), write)
	f.store.LoseAnswers(1)
	err := f.change(call)
	if !errors.Is(err, meta.ErrUnavailable) {
		t.Fatal(err)
	}
	if got := call.End(t.Context(), err); got != err {
		t.Errorf("End = %v; want %v", got, err)
	}
	events := f.events()
	if len(events) != 2 {
		t.Fatalf("the trail holds %d events, want 2: %q", len(events), events)
	}
	var committed, failed struct{ EventID, ErrorCode string }
	for i, into := range []any{&committed, &failed} {
		if err := json.Unmarshal([]byte(events[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	if committed.ErrorCode != "" || failed.ErrorCode != "InternalError" || committed.EventID == failed.EventID {
		t.Errorf("events = %+v and %+v; want the change and its failure", committed, failed)
	}
}

func TestUnrecordedChange(t *testing.T) {
	f := newFixture(t, nil)
	call := f.Begin(root(account), write)
	if err := call.End(t.Context(), nil); !errors.Is(err, ErrUnrecorded) {
		t.Errorf("End of a change without a record = %v; want ErrUnrecorded", err)
	}
}

// The record of a read does not wait for its transaction: it is in the trail, or
// refused, when End returns.
func TestReadIsRecordedByEnd(t *testing.T) {
	f := newFixture(t, func(cfg *trail.Config) { cfg.SyncReads = true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the client is gone
	call := f.Begin(root(account), read)
	if err := call.End(ctx, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := f.store.View(t.Context(), func(r meta.Reader) error {
		return r.Scan(meta.Range{}, func(_, value []byte) (bool, error) {
			if bytes.Contains(value, []byte(`"eventName":"GetObject"`)) {
				n++
			}
			return true, nil
		})
	})
	if err != nil || n != 1 {
		t.Errorf("%d rows hold the event when End returns, %v; want 1", n, err)
	}
	if err := call.End(t.Context(), nil); err != nil {
		t.Errorf("second End = %v; want nil", err)
	}
	f.one()
}

func TestTrailFails(t *testing.T) {
	denied := awserr.New(403, "AccessDenied", "no")
	t.Run("read", func(t *testing.T) {
		f := newFixture(t, func(cfg *trail.Config) { cfg.SyncReads = true })
		f.store.FailUpdates(-1)
		defer f.store.FailUpdates(0)
		for _, err := range []error{nil, denied} {
			got := f.Begin(root(account), read).End(t.Context(), err)
			if !errors.Is(got, ErrUnrecorded) || awserr.As(got) != nil {
				t.Errorf("End(%v) = %v; want ErrUnrecorded alone", err, got)
			}
		}
	})
	t.Run("too many wait", func(t *testing.T) {
		f := newFixture(t, func(cfg *trail.Config) { cfg.MaxPendingEvents = 1 })
		if err := f.Begin(root(account), read).End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := f.Begin(root(account), read).End(t.Context(), nil); !errors.Is(err, ErrUnrecorded) {
			t.Errorf("End = %v; want ErrUnrecorded", err)
		}
	})
	t.Run("change", func(t *testing.T) {
		f := newFixture(t, func(cfg *trail.Config) { cfg.Rand = bytes.NewReader(nil) }) // no event ID to be had
		call := f.Begin(root(account), write)
		err := f.change(call)
		if !errors.Is(err, ErrUnrecorded) || f.changed() {
			t.Errorf("transaction = %v, changed %t; want ErrUnrecorded and no change", err, f.changed())
		}
		if got := call.End(t.Context(), err); !errors.Is(got, ErrUnrecorded) {
			t.Errorf("End = %v; want ErrUnrecorded", got)
		}
	})
	t.Run("closed", func(t *testing.T) {
		f := newFixture(t, nil)
		call := f.Begin(root(account), write)
		if err := f.trail.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.change(call); !errors.Is(err, ErrUnrecorded) || f.changed() {
			t.Errorf("transaction = %v, changed %t; want ErrUnrecorded and no change", err, f.changed())
		}
	})
}

func TestAsk(t *testing.T) {
	f := newFixture(t, nil)
	call := f.Begin(root(account), read)
	if err := call.Ask(t.Context(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/a", Account: account}); err != nil {
		t.Errorf("Ask for the owner = %v; want nil", err)
	}
	err := call.Ask(t.Context(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::theirs/a", Account: other})
	if _, ok := errors.AsType[*Denied](err); !ok {
		t.Errorf("Ask for another = %v; want a *Denied", err)
	}
}

// Every field that an event takes from its caller and its call.
func TestEvents(t *testing.T) {
	const object = "arn:aws:s3:::tour/a"
	tests := []struct {
		name   string
		caller *authn.Caller
		op     Operation
		fill   func(*Call)
		err    error
	}{
		{"change", root(account), write, func(c *Call) {
			c.Param("bucketName", "tour")
			c.Param("key", "b")
			c.Param("key", "a")
			c.Response("x-amz-server-side-encryption", "AES256")
			c.Additional("SSEApplied", "Default_SSE_S3")
			c.Resource("AWS::S3::Object", object, account)
			c.Resource("AWS::S3::Bucket", "arn:aws:s3:::tour", account)
			c.Resource("AWS::S3::Object", object, account)
		}, nil},
		{"denied", root(other), read, func(c *Call) {
			c.Param("bucketName", "tour")
			c.Resource("AWS::S3::Bucket", "arn:aws:s3:::tour", account)
		}, awserr.New(403, "AccessDenied", "Access Denied")},
		{"anonymous", anonymous(), read, func(c *Call) { c.Resource("AWS::S3::Bucket", "arn:aws:s3:::tour", "") },
			awserr.New(403, "AccessDenied", "Access Denied")},
		{"forwarded", root(account).Via("s3.amazonaws.com"), Operation{Source: "kms.amazonaws.com", Name: "Decrypt", ReadOnly: true}, func(c *Call) {
			c.Param("encryptionContext", map[string]string{"aws:s3:arn": object})
			c.Resource("AWS::KMS::Key", "arn:aws:kms:eu-central-1:123456789012:key/1", account)
		}, nil},
		{"service", &authn.Caller{Type: authn.TypeAWSService, InvokedBy: "kms.amazonaws.com", Region: "us-east-1"},
			Operation{Source: "kms.amazonaws.com", Name: "DeleteKey", Service: true}, func(*Call) {}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			call := f.Begin(tt.caller, tt.op)
			tt.fill(call)
			if tt.err == nil && !tt.op.ReadOnly {
				if err := f.change(call); err != nil {
					t.Fatal(err)
				}
			}
			if err := call.End(t.Context(), tt.err); err != tt.err {
				t.Fatalf("End = %v; want %v", err, tt.err)
			}
			got, err := json.MarshalIndent(f.one(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			name := filepath.Join("testdata", tt.name+".json")
			if *update {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("event is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What a domain says of itself in an error does not reach the trail, which
// auditors of every account read.
func TestEventHoldsNoInnerError(t *testing.T) {
	f := newFixture(t, nil)
	inner := errors.New("open /var/lib/coffer/meta: wJalrXUtnFEMI")
	for _, err := range []error{inner, awserr.New(500, "InternalError", "Try again.").Because(inner)} {
		if got := f.Begin(root(account), read).End(t.Context(), err); got != err {
			t.Errorf("End = %v; want %v", got, err)
		}
	}
	for _, ev := range f.events() {
		if bytes.Contains([]byte(ev), []byte("wJalrXUtnFEMI")) || bytes.Contains([]byte(ev), []byte("/var/lib")) {
			t.Errorf("event holds the inner error: %s", ev)
		}
	}
}
