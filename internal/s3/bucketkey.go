package s3

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"coffer/internal/object"
	"coffer/internal/sealed"
)

const (
	// bucketKeyLife is how long one bucket key seals new objects.
	bucketKeyLife = 5 * time.Minute
	// maxBucketKeys bounds how many are held in memory.
	maxBucketKeys = 4096
)

// bucketKeys are the bucket keys in use: one for each bucket, KMS key, requester
// and encryption context, for a limited time. A bucket key saves calls to KMS; it
// saves no decision, since every use asks whether the KMS key may be used.
//
// Source: Amazon S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3
// Bucket Keys", read 2026-11-21.
type bucketKeys struct {
	mu   sync.Mutex // guards live
	live map[string]*bucketKey
}

type bucketKey struct {
	secret sealed.Secret
	blob   []byte
	keyARN string
	until  time.Time
}

// bucketKey fills in the bucket key of a sealing whose context is set.
func (r *request) bucketKey(out *object.Sealing, keyID string) error {
	keyARN, err := r.s.keys.CheckKey(r.ctx, r.c, "GenerateDataKey", keyID, out.Context)
	if err != nil {
		return kmsError(err)
	}
	id := strings.Join([]string{string(r.bucket.ID[:]), keyARN, r.c.ARN, r.c.AccessKeyID}, "\x00")
	for _, k := range slices.Sorted(maps.Keys(out.Context)) {
		id += "\x00" + strconv.Quote(k) + strconv.Quote(out.Context[k])
	}
	keys := &r.s.bucketKeys
	now := time.Now()
	keys.mu.Lock()
	k := keys.live[id]
	keys.mu.Unlock()
	if k != nil && !r.mustDraw {
		// A version of the KMS key that is destroyed takes its bucket keys along.
		if r.mustDraw, err = r.s.objects.IsRetired(r.ctx, keyARN, k.blob); err != nil {
			return err
		}
	}
	if k == nil || r.mustDraw || now.After(k.until) {
		k = &bucketKey{until: now.Add(bucketKeyLife)}
		if k.secret, k.blob, k.keyARN, err = r.s.keys.NewDataKey(r.ctx, r.c, keyARN, out.Context); err != nil {
			return kmsError(err)
		}
		keys.keep(id, k, now)
	}
	out.Secret, out.KeyBlob, out.KeyARN = k.secret, k.blob, k.keyARN
	return nil
}

// keep remembers a bucket key, and forgets those whose time is over.
func (b *bucketKeys) keep(id string, k *bucketKey, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live == nil {
		b.live = make(map[string]*bucketKey)
	}
	if len(b.live) >= maxBucketKeys {
		maps.DeleteFunc(b.live, func(_ string, old *bucketKey) bool { return now.After(old.until) })
	}
	if len(b.live) >= maxBucketKeys {
		clear(b.live)
	}
	b.live[id] = k
}
