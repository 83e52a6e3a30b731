package iam

import (
	"context"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

// change authorizes the operation on the user, group or role of a name, and acts
// on it. Errors are about it.
func (s *Service) change(ctx context.Context, o *op, find finder, name string, act func(*target) error) error {
	t, err := find(ctx, o, name)
	if err != nil {
		return err
	}
	if err := o.use(ctx, t); err != nil {
		return err
	}
	return t.about(act(t))
}

// create authorizes the making of a resource, and the action that sets its tags if
// it is made with any.
//
// Source: IAM User Guide, "Tags for AWS Identity and Access Management resources",
// read 2026-11-21.
func (o *op) create(ctx context.Context, resource, tagAction string, tags []Tag, keys policy.MapContext) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	keys = join(keys, requestKeys(tags))
	if err := o.ask(ctx, resource, keys); err != nil {
		return err
	}
	if len(tags) == 0 {
		return nil
	}
	return o.askFor(ctx, tagAction, resource, keys)
}

// recordOf returns what runs last in a transaction whose result is not part of the
// answer: the call's record.
func recordOf[T any](o *op) func(meta.Txn, T) error {
	return func(tx meta.Txn, _ T) error { return o.Record(tx) }
}
