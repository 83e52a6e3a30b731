// Package trail keeps one event for every call on every API, in CloudTrail's
// record format, and chains the events of each node so that none can be altered,
// taken out or moved unseen.
//
// The event of a change is a row of the transaction that makes the change:
//
//	rec := t.Begin(&ev)
//	defer rec.End()
//	err := store.Update(ctx, func(txn meta.Txn) error {
//		// make the change; complete ev
//		return rec.Put(txn)
//	})
//
// so neither exists without the other. Everything else, that is a read, a denial
// and a change that failed, goes to [Trail.Append]: its event is written with
// others within a second or, with Config.SyncReads, before Append returns. What
// can't be recorded must not be served, and Append says so.
//
// Once a second the events that have become durable are linked: a link row holds
// their numbers and the hashes at them. The linker reads what the store holds and
// trusts no memory of what was put, so that a crash at any point and an unclear
// outcome of a commit need no special case.
//
// Nothing is redacted here: callers leave secrets out, and may put [Redacted] in
// their place.
//
// Source: docs/spec/trail.md, which is normative.
package trail
