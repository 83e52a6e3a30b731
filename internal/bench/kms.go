package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// A keyService is KMS at an endpoint, with the key to use.
type keyService struct {
	t    *target
	key  string // ARN or ID
	made bool   // the key, by this run
}

// openKeys returns the key service with the key of --kms-key, or with a new one.
func openKeys(ctx context.Context, e *environment, o *options) (*keyService, error) {
	k := &keyService{t: newTarget(e, e.kms, "kms", "", o), key: o.kmsKey}
	if k.key != "" {
		return k, nil
	}
	var out struct{ KeyMetadata struct{ Arn string } }
	if err := k.call(ctx, "CreateKey", map[string]any{"Description": "coffer bench"}, &out); err != nil {
		return nil, fmt.Errorf("create KMS key: %w", err)
	}
	k.key, k.made = out.KeyMetadata.Arn, true
	return k, nil
}

// close schedules the deletion of a key that openKeys made.
func (k *keyService) close(ctx context.Context, o *options) error {
	if !k.made || o.keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := k.call(ctx, "ScheduleKeyDeletion", map[string]any{"KeyId": k.key, "PendingWindowInDays": 7}, nil)
	if err != nil {
		return fmt.Errorf("schedule deletion of KMS key %s: %w", k.key, err)
	}
	return nil
}

// request returns the request of one operation.
func (k *keyService) request(operation string, in any) (*request, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return &request{method: http.MethodPost, path: "/", body: newDocument(string(body)), header: map[string][]string{
		"Content-Type": {"application/x-amz-json-1.1"},
		"X-Amz-Target": {"TrentService." + operation},
	}}, nil
}

// call calls one operation over a connection of its own.
func (k *keyService) call(ctx context.Context, operation string, in, out any) error {
	r, err := k.request(operation, in)
	if err != nil {
		return err
	}
	r.keep = true
	c := newClient(k.t)
	defer c.close()
	a, err := retry(ctx, c, r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

// requests returns what the clients of an operation send in turn: one request
// for data keys, or one for each of n ciphertexts.
func (k *keyService) requests(ctx context.Context, operation string, n int64) ([]*request, error) {
	in := map[string]any{"KeyId": k.key, "KeySpec": "AES_256"}
	if operation == "kms-generate" {
		r, err := k.request("GenerateDataKey", in)
		return []*request{r}, err
	}
	all := make([]*request, n)
	for i := range all {
		var out struct{ CiphertextBlob []byte }
		err := k.call(ctx, "GenerateDataKeyWithoutPlaintext", in, &out)
		if err == nil {
			all[i], err = k.request("Decrypt", map[string]any{"CiphertextBlob": out.CiphertextBlob})
		}
		if err != nil {
			return nil, fmt.Errorf("make a ciphertext: %w", err)
		}
	}
	return all, nil
}

// newStep returns the step of one client, which sends the requests in turn.
func (k *keyService) newStep(requests []*request) func(client int) (step, func()) {
	return func(client int) (step, func()) {
		c, i := newClient(k.t), client
		return func(ctx context.Context) (int64, error) {
			i++
			_, err := c.do(ctx, requests[i%len(requests)])
			return 0, err
		}, c.close
	}
}
