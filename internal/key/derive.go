package key

import "errors"

// Derive is [Root.Derive] of the root that the keys hang from.
func (k *Keys) Derive(purpose string) (Secret, error) { return k.root.Derive(purpose) }

// Derive returns the secret of a service for one purpose, such as
// "session-token/v1". It comes from the store key, so it is the same in every
// epoch and on every node of an installation, and differs from that of every
// other installation; the secrets of two purposes say nothing of each other.
//
// What is sealed under it dies with the installation and not with any KMS key:
// it is for what the server hands out for a while, and for what is sealed under
// keys of its own already, such as a backup.
func (r *Root) Derive(purpose string) (Secret, error) {
	if purpose == "" {
		return Secret{}, errors.New("key: derive a secret without a purpose")
	}
	var out Secret
	err := r.view(func(s *epochState) error {
		out = derive(&s.head.storeKey, nil, labelPurpose+purpose)
		return nil
	})
	return out, err
}
