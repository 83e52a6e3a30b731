package object_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	blobmem "coffer/internal/blob/mem"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// TestModel runs random histories on a store and on a naive model of what the
// Amazon S3 User Guide says of versioning, and compares every answer.
func TestModel(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			m := metatest.NewFaults(metamem.New())
			m.RunTwice(seed%2 == 1)
			w := newWorldOn(t, m, new(blobmem.Store), seed)
			h := &history{world: w, rnd: rand.New(rand.NewPCG(seed, 1)), keys: map[string][]*modelVersion{}, uploads: map[string]*modelUpload{}}
			h.b = w.bucket("bucket", object.NeverVersioned)
			for h.step = range 400 {
				h.next()
				if t.Failed() {
					return
				}
			}
			h.end()
		})
	}
}

// modelKeys are the keys of a history: prefixes of each other, every byte that
// an escape could get wrong, and the longest.
var modelKeys = []string{
	"a", "a/", "a/b", "a//b", "a/b/c", "a\x00", "a\x00b", "a\x01", "a0", "..", "../x", "b/", "b/1", "b/2", "b/3/x",
	"\x00", "\x00\x01", "é", "é/\U0010ffff", "\U0010ffff", strings.Repeat("k", 1024), strings.Repeat("k", 1023),
}

type modelVersion struct {
	id       string
	isMarker bool
	data     []byte
	etag     string
	tags     []object.Tag
}

type modelUpload struct {
	*uploadTest
	id string
}

type history struct {
	*world
	rnd        *rand.Rand
	b          *object.Bucket
	step       int
	versioning string
	keys       map[string][]*modelVersion // the newest first
	uploads    map[string]*modelUpload
	dead       []string // ids of versions that are gone
}

func (h *history) failf(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("step %d: %s", h.step, fmt.Sprintf(format, args...))
}

func (h *history) key() string { return modelKeys[h.rnd.IntN(len(modelKeys))] }

// data returns a plaintext that lies in a row, mostly, or in a blob.
func (h *history) data() []byte {
	n := h.rnd.IntN(200)
	switch h.rnd.IntN(12) {
	case 0:
		n = object.InlineMax - 1 + h.rnd.IntN(3)
	case 1:
		n = 200_000 + h.rnd.IntN(200_000)
	case 2:
		n = 0
	}
	return pattern(n, h.rnd.Uint64())
}

func (h *history) next() {
	switch n := h.rnd.IntN(100); {
	case n < 30:
		h.putOne()
	case n < 45:
		h.deleteOne()
	case n < 50:
		h.changeVersioning()
	case n < 55:
		h.tagOne()
	case n < 65:
		h.uploadOne()
	case n < 75:
		h.readOne()
	case n < 82:
		h.listObjects()
	case n < 89:
		h.listVersions()
	case n < 94:
		h.listUploads()
	case n < 97:
		h.collect()
	case n < 98:
		h.Store.Close()
		h.open()
	default:
		h.pages()
	}
}

func current(vs []*modelVersion) *modelVersion {
	if len(vs) == 0 || vs[0].isMarker {
		return nil
	}
	return vs[0]
}

// add is what every write and every delete marker does to a key.
func (h *history) add(key string, v *modelVersion) {
	vs := h.keys[key]
	if h.versioning != object.Enabled {
		if v.id != object.NullVersion {
			h.failf("version of %q has id %q, want null", key, v.id)
		}
		vs = slices.DeleteFunc(slices.Clone(vs), func(o *modelVersion) bool { return o.id == object.NullVersion })
	} else if v.id == object.NullVersion || slices.ContainsFunc(vs, func(o *modelVersion) bool { return o.id == v.id }) {
		h.failf("version of %q has id %q, want a new one", key, v.id)
	}
	h.keys[key] = slices.Insert(vs, 0, v)
}

// condition returns a random condition of a write and what it must answer.
func (h *history) condition(key string) (object.WriteCondition, error) {
	now := current(h.keys[key])
	switch h.rnd.IntN(8) {
	case 0:
		if now != nil {
			return object.WriteCondition{IfNoneMatch: "*"}, object.ErrPrecondition
		}
		return object.WriteCondition{IfNoneMatch: "*"}, nil
	case 1:
		if now == nil {
			return object.WriteCondition{IfMatch: "0000"}, object.ErrNoSuchKey
		}
		return object.WriteCondition{IfMatch: `"` + now.etag + `"`}, nil
	case 2:
		if now == nil {
			return object.WriteCondition{IfMatch: "*"}, object.ErrNoSuchKey
		}
		return object.WriteCondition{IfMatch: now.etag + "0"}, object.ErrPrecondition
	}
	return object.WriteCondition{}, nil
}

func (h *history) putOne() {
	key, data := h.key(), h.data()
	w := h.write(h.b, key, sealingOf(sealed.ModeS3, ""))
	w.Tags = []object.Tag{{Key: "step", Value: fmt.Sprint(h.step)}}
	w.Attributes = object.Attributes{ContentType: fmt.Sprint("text/", h.step), Metadata: map[string]string{"n": fmt.Sprint(h.step)}}
	var want error
	w.Condition, want = h.condition(key)
	body := bodyOf(data)
	if h.rnd.IntN(2) == 0 {
		body.Length, body.Max = -1, int64(len(data))
	}
	v, sums, err := h.Put(h.t.Context(), w, body)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		h.failf("Put(%q, %+v) = %v, want %v", key, w.Condition, err, want)
	}
	if err != nil {
		return
	}
	if v.ETag != md5Hex(data) || sums[checksum.CRC64NVME] != checksum.CRC64NVME.Encode(checksum.CRC64NVME.Sum(data)) {
		h.failf("Put(%q) answered ETag %s and %v", key, v.ETag, sums)
	}
	h.add(key, &modelVersion{id: v.ID, data: data, etag: v.ETag, tags: w.Tags})
}

// version returns an id to name a version of key by, and the version, or nil.
func (h *history) version(key string) (string, *modelVersion) {
	vs := h.keys[key]
	if len(vs) > 0 && h.rnd.IntN(4) > 0 {
		v := vs[h.rnd.IntN(len(vs))]
		return v.id, v
	}
	id := object.NullVersion
	if len(h.dead) > 0 && h.rnd.IntN(2) == 0 {
		id = h.dead[h.rnd.IntN(len(h.dead))]
	}
	if i := slices.IndexFunc(vs, func(v *modelVersion) bool { return v.id == id }); i >= 0 {
		return id, vs[i]
	}
	return id, nil
}

func (h *history) deleteOne() {
	key := h.key()
	var id string
	var named *modelVersion
	if h.rnd.IntN(2) == 0 {
		id, named = h.version(key)
	}
	var cond object.DeleteCondition
	subject := named
	if id == "" && len(h.keys[key]) > 0 {
		subject = h.keys[key][0]
	}
	var want error
	if h.rnd.IntN(6) == 0 {
		missing := object.ErrNoSuchKey
		if id != "" {
			missing = object.ErrNoSuchVersion
		}
		switch {
		case subject == nil:
			cond.IfMatch, want = "*", missing
		case subject.isMarker && id != "":
			cond.IfMatch, want = "*", object.ErrPrecondition
		case subject.isMarker:
			cond.IfMatch, want = "*", missing
		case h.rnd.IntN(2) == 0:
			size := int64(len(subject.data)) + 1
			cond.Size, want = &size, object.ErrPrecondition
		default:
			cond.IfMatch = subject.etag
		}
	}
	done, err := h.Delete(h.t.Context(), h.b, key, id, cond, noDeleteRecord)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		h.failf("Delete(%q, %q, %+v) = %v, want %v", key, id, cond, err, want)
	}
	if err != nil {
		return
	}
	vs := h.keys[key]
	var wantDone object.Deleted
	switch {
	case id != "":
		wantDone.VersionID = id
		if named != nil {
			wantDone.IsMarker = named.isMarker
			h.dead = append(h.dead, id)
			h.keys[key] = slices.DeleteFunc(slices.Clone(vs), func(o *modelVersion) bool { return o == named })
		}
	case h.versioning == object.NeverVersioned:
		delete(h.keys, key)
	default:
		wantDone = object.Deleted{VersionID: done.VersionID, IsMarker: true}
		h.add(key, &modelVersion{id: done.VersionID, isMarker: true})
	}
	if done != wantDone {
		h.failf("Delete(%q, %q) = %+v, want %+v", key, id, done, wantDone)
	}
	if len(h.keys[key]) == 0 {
		delete(h.keys, key)
	}
}

func (h *history) changeVersioning() {
	h.versioning = []string{object.Enabled, object.Suspended}[h.rnd.IntN(2)]
	h.setVersioning(h.b, h.versioning)
}

func (h *history) tagOne() {
	key := h.key()
	id, want := h.version(key)
	v, err := h.Find(h.t.Context(), h.b, key, id)
	if want == nil || want.isMarker {
		return // readOne compares the answer
	}
	tags := []object.Tag{{Key: "tagged", Value: fmt.Sprint(h.step)}}
	if err == nil {
		err = h.SetTags(h.t.Context(), h.b, v, tags, noRecord)
	}
	if err != nil {
		h.failf("SetTags(%q, %q) = %v", key, id, err)
	}
	want.tags = tags
}

func (h *history) uploadOne() {
	var ids []string
	for id := range h.uploads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 || len(ids) < 8 && h.rnd.IntN(3) == 0 {
		h.pass(1e6) // a millisecond, so that ids sort by time
		u := h.upload(h.b, &object.Upload{Key: h.key()}, sealingOf(sealed.ModeS3, ""))
		h.uploads[u.u.ID] = &modelUpload{u, u.u.ID}
		return
	}
	u := h.uploads[ids[h.rnd.IntN(len(ids))]]
	switch h.rnd.IntN(6) {
	default:
		u.part(1+h.rnd.IntN(4), h.data())
	case 4, 5:
		var numbers []int
		for n := range u.data {
			numbers = append(numbers, n)
		}
		if len(numbers) == 0 || h.rnd.IntN(4) == 0 {
			if err := h.Abort(h.t.Context(), h.b, u.u.Key, u.id, noRecord); err != nil {
				h.failf("Abort(%q) = %v", u.u.Key, err)
			}
			delete(h.uploads, u.id)
			return
		}
		last := numbers[h.rnd.IntN(len(numbers))]
		c := u.completion(last)
		var want error
		c.Condition, want = h.condition(u.u.Key)
		v, _, err := h.Complete(h.t.Context(), c)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			h.failf("Complete(%q, %+v) = %v, want %v", u.u.Key, c.Condition, err, want)
		}
		if err != nil {
			return
		}
		h.add(u.u.Key, &modelVersion{id: v.ID, data: u.data[last], etag: v.ETag})
		delete(h.uploads, u.id)
	}
}

func (h *history) readOne() {
	key := h.key()
	var id string
	want := current(h.keys[key])
	missing := object.ErrNoSuchKey
	if h.rnd.IntN(2) == 0 {
		id, want = h.version(key)
		missing = object.ErrNoSuchVersion
	} else if vs := h.keys[key]; len(vs) > 0 {
		want = vs[0]
	}
	v, err := h.Find(h.t.Context(), h.b, key, id)
	switch {
	case want == nil:
		if !errors.Is(err, missing) {
			h.failf("Find(%q, %q) = %v, want %v", key, id, err, missing)
		}
		return
	case want.isMarker:
		if !errors.Is(err, object.ErrIsMarker) || v.ID != want.id {
			h.failf("Find(%q, %q) = %v, want a delete marker %s", key, id, err, want.id)
		}
		return
	case err != nil:
		h.failf("Find(%q, %q) = %v", key, id, err)
	}
	h.same(key, want, v, true)
	off := h.rnd.Int64N(v.Size() + 1)
	n := h.rnd.Int64N(v.Size() - off + 1)
	got, err := h.readRange(h.b, v, nil, off, n)
	if err != nil || !bytes.Equal(got, want.data[off:off+n]) {
		h.failf("Range(%q, %d, %d) of %d = %d bytes, %v", key, off, n, v.Size(), len(got), err)
	}
}

// same compares a version with the model's.
func (h *history) same(key string, want *modelVersion, v *object.Version, whole bool) {
	h.t.Helper()
	if v.Key != key || v.ID != want.id || v.IsMarker != want.isMarker || v.ETag != want.etag || v.Size() != int64(len(want.data)) ||
		v.IsLatest != (h.keys[key][0] == want) || whole && !slices.Equal(v.Tags, want.tags) {
		h.failf("version of %q is %+v, want id %s, marker %v, ETag %s, %d bytes, tags %v", key, v, want.id, want.isMarker, want.etag, len(want.data), want.tags)
	}
}

func noDeleteRecord(_ meta.Txn, _ object.Deleted) error { return nil }

func (h *history) sortedKeys() []string {
	var keys []string
	for k := range h.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// listing returns a random listing.
func (h *history) listing() object.Listing {
	l := object.Listing{Limit: 1 + h.rnd.IntN(8)}
	if h.rnd.IntN(3) == 0 {
		l.Limit = 1000
	}
	l.Prefix = []string{"", "", "a", "a/", "b/", "é", "\x00", "a\x00", "none", "kkk"}[h.rnd.IntN(10)]
	l.Delimiter = []string{"", "/", "/", "\x00", "b", "//"}[h.rnd.IntN(6)]
	if h.rnd.IntN(2) == 0 {
		l.After = append(modelKeys, "a/b/", "a/zz", "aa", "b/3/", "zzzz")[h.rnd.IntN(len(modelKeys)+5)]
	}
	return l
}

// A line is one line of a naive listing: a version, an upload or a prefix.
type line struct{ prefix, key, id string }

// naive cuts sorted lines to what a listing shows.
func naive(l object.Listing, all []line) (shown []line, truncated bool) {
	for _, e := range all {
		if !strings.HasPrefix(e.key, l.Prefix) {
			continue
		}
		if i := strings.Index(e.key[len(l.Prefix):], l.Delimiter); l.Delimiter != "" && i >= 0 {
			e = line{prefix: e.key[:len(l.Prefix)+i+len(l.Delimiter)]}
			if l.After != "" && l.AfterVersion == "" && strings.HasPrefix(l.After, e.prefix) {
				continue // the marker lies in the group, or is the group
			}
			if slices.Contains(shown, e) {
				continue
			}
		}
		if len(shown) == l.Limit {
			return shown, true
		}
		shown = append(shown, e)
	}
	return shown, false
}

func (h *history) objectLines(after string) (all []line) {
	for _, k := range h.sortedKeys() {
		if v := current(h.keys[k]); v != nil && (after == "" || k > after) {
			all = append(all, line{key: k, id: v.id})
		}
	}
	return all
}

func (h *history) versionLines(after, afterVersion string) (all []line) {
	for _, k := range h.sortedKeys() {
		behind := afterVersion == "" || k != after
		if after != "" && (k < after || k == after && afterVersion == "") {
			continue
		}
		for _, v := range h.keys[k] {
			if behind {
				all = append(all, line{key: k, id: v.id})
			}
			behind = behind || v.id == afterVersion
		}
	}
	return all
}

func (h *history) uploadLines(after, afterID string) (all []line) {
	for _, u := range h.uploads {
		k := u.u.Key
		if after == "" || k > after || k == after && afterID != "" && u.id > afterID {
			all = append(all, line{key: k, id: u.id})
		}
	}
	slices.SortFunc(all, func(a, b line) int { return strings.Compare(a.key+"\x00\x00"+a.id, b.key+"\x00\x00"+b.id) })
	slices.SortStableFunc(all, func(a, b line) int { return strings.Compare(a.key, b.key) })
	return all
}

func (h *history) compare(what string, l object.Listing, got []line, gotMore bool, all []line) {
	h.t.Helper()
	want, more := naive(l, all)
	if !slices.Equal(got, want) || gotMore != more {
		h.failf("%s(%+v) =\n%q, %v, want\n%q, %v", what, l, got, gotMore, want, more)
	}
}

// lines turns a page into lines, and compares the versions with the model.
func (h *history) lines(p *object.Page, whole bool) (got []line) {
	h.t.Helper()
	for _, e := range p.Entries {
		if e.CommonPrefix != "" {
			got = append(got, line{prefix: e.CommonPrefix})
			continue
		}
		v := e.Version
		i := slices.IndexFunc(h.keys[v.Key], func(m *modelVersion) bool { return m.id == v.ID })
		if i < 0 {
			h.failf("listing shows %s of %q, which is not there", v.ID, v.Key)
		}
		h.same(v.Key, h.keys[v.Key][i], v, whole)
		got = append(got, line{key: v.Key, id: v.ID})
	}
	return got
}

func (h *history) listObjects() {
	l := h.listing()
	p, err := h.Objects(h.t.Context(), h.b, l)
	if err != nil {
		h.failf("Objects(%+v) = %v", l, err)
	}
	h.compare("Objects", l, h.lines(p, false), p.Truncated, h.objectLines(l.After))
}

func (h *history) listVersions() {
	l := h.listing()
	if vs := h.keys[l.After]; len(vs) > 0 && h.rnd.IntN(2) == 0 {
		l.AfterVersion = vs[h.rnd.IntN(len(vs))].id
	}
	p, err := h.Versions(h.t.Context(), h.b, l)
	if err != nil {
		h.failf("Versions(%+v) = %v", l, err)
	}
	h.compare("Versions", l, h.lines(p, true), p.Truncated, h.versionLines(l.After, l.AfterVersion))
}

func (h *history) listUploads() {
	l := h.listing()
	for _, u := range h.uploads {
		if u.u.Key == l.After {
			l.AfterVersion = u.id
		}
	}
	got, more := h.uploadPage(l)
	h.compare("Uploads", l, got, more, h.uploadLines(l.After, l.AfterVersion))
}

func (h *history) uploadPage(l object.Listing) (got []line, more bool) {
	entries, more, err := h.Uploads(h.t.Context(), h.b, l)
	if err != nil {
		h.failf("Uploads(%+v) = %v", l, err)
	}
	for _, e := range entries {
		if e.CommonPrefix != "" {
			got = append(got, line{prefix: e.CommonPrefix})
		} else {
			got = append(got, line{key: e.Upload.Key, id: e.Upload.ID})
		}
	}
	return got, more
}

// pages walks whole listings page by page, as a client does with the markers of
// each answer, and compares them with the listing in one piece.
func (h *history) pages() {
	l := h.listing()
	l.After = ""
	whole := l
	whole.Limit = 1 << 20
	walk := func(what string, all []line, withVersions bool, page func(object.Listing) ([]line, bool)) {
		var got []line
		for n, more := 0, true; more; n++ {
			if n > 1000 {
				h.failf("%s(%+v) does not end", what, l)
			}
			var lines []line
			lines, more = page(l)
			got = append(got, lines...)
			if len(lines) > 0 {
				last := lines[len(lines)-1]
				l.After, l.AfterVersion = last.prefix+last.key, ""
				if withVersions {
					l.AfterVersion = last.id
				}
			}
		}
		l.After, l.AfterVersion = "", ""
		h.compare(what, whole, got, false, all)
	}
	walk("Objects", h.objectLines(""), false, func(l object.Listing) ([]line, bool) {
		p, err := h.Objects(h.t.Context(), h.b, l)
		if err != nil {
			h.failf("Objects(%+v) = %v", l, err)
		}
		return h.lines(p, false), p.Truncated
	})
	walk("Versions", h.versionLines("", ""), true, func(l object.Listing) ([]line, bool) {
		p, err := h.Versions(h.t.Context(), h.b, l)
		if err != nil {
			h.failf("Versions(%+v) = %v", l, err)
		}
		return h.lines(p, true), p.Truncated
	})
	walk("Uploads", h.uploadLines("", ""), true, h.uploadPage)
}

// end reads every version, removes all, and looks for what is left behind.
func (h *history) end() {
	for key, vs := range h.keys {
		for _, v := range vs {
			if v.isMarker {
				continue
			}
			if got, err := h.read(h.b, key, v.id, nil); err != nil || !bytes.Equal(got, v.data) {
				h.failf("version %s of %q reads %d bytes, %v, want %d", v.id, key, len(got), err, len(v.data))
			}
		}
	}
	if len(h.keys) > 0 {
		wantError(h.t, "DeleteBucket() of a full bucket", h.DeleteBucket(h.t.Context(), h.b, noRecord), object.ErrBucketNotEmpty)
	}
	for key, vs := range h.keys {
		for _, v := range slices.Clone(vs) {
			if _, err := h.Delete(h.t.Context(), h.b, key, v.id, object.DeleteCondition{}, noDeleteRecord); err != nil {
				h.failf("Delete(%q, %q) = %v", key, v.id, err)
			}
		}
	}
	if err := h.DeleteBucket(h.t.Context(), h.b, noRecord); err != nil {
		h.failf("DeleteBucket() = %v", err)
	}
	h.collect()
	h.Store.Close()
	h.open()
	if rows, blobs := h.rows("s3"), h.blobNames(); len(rows) > 0 || len(blobs) > 0 {
		h.failf("an empty store holds rows %q and blobs %q", slices.Sorted(maps.Keys(rows)), blobs)
	}
}
