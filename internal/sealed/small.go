package sealed

import "fmt"

// MaxSmall is the largest plaintext of [SealSmall] in bytes: 64 KiB.
const MaxSmall = 64 << 10

// A Bound is a [Binding] or a [PartBinding], by pointer.
type Bound interface {
	kind() byte
	content() *Content
	checkSmall() error
	appendTo([]byte) []byte
}

func (b *Binding) kind() byte        { return 1 }
func (b *Binding) content() *Content { return &b.Content }
func (b *Binding) checkSmall() error { return b.check() }

func (b *PartBinding) kind() byte        { return 2 }
func (b *PartBinding) content() *Content { return &b.Content }
func (b *PartBinding) checkSmall() error { return b.Content.check(false) }

// smallContext returns the info string and the additional data of one layer.
func smallContext(layer int, b Bound) (string, []byte) {
	n := byte(layer + 1)
	return info(infoChecksums, byte(b.content().Suite), n),
		b.appendTo([]byte{Version, n, b.kind()})
}

// checkSmall returns ErrFormat unless keys fit the binding.
func checkSmall(keys Keys, b Bound) error {
	if err := b.checkSmall(); err != nil {
		return fmt.Errorf("checksums: %w", err)
	}
	if suite := b.content().Suite; keys.Suite() != suite {
		return fmt.Errorf("checksums: %w: %d keys for suite %v", ErrFormat, len(keys), suite)
	}
	return nil
}

// SealSmall seals the checksums of a plaintext, up to [MaxSmall] bytes, under
// the keys of the object or part that b describes. They go dark with it. A wrap
// can be replaced without sealing them again.
//
// It returns ErrFormat if the keys do not fit the suite, and ErrTooLarge.
func SealSmall(keys Keys, b Bound, plain []byte) ([]byte, error) {
	if err := checkSmall(keys, b); err != nil {
		return nil, err
	}
	if len(plain) > MaxSmall {
		return nil, ErrTooLarge
	}
	box := plain
	for i := range keys {
		info, aad := smallContext(i, b)
		box = appendBox(nil, (*[KeySize]byte)(&keys[i]), &b.content().ID, info, aad, box)
	}
	return append([]byte{Version}, box...), nil
}

// OpenSmall opens what [SealSmall] sealed.
//
// It returns ErrWrongKey if the keys are not those that it was sealed under, or
// the content ID differs; ErrDamaged if it was altered or belongs to another object;
// and ErrFormat if its version is unknown or the keys do not fit the suite.
func OpenSmall(keys Keys, b Bound, sealed []byte) ([]byte, error) {
	if err := checkSmall(keys, b); err != nil {
		return nil, err
	}
	if len(sealed) < 1 || len(sealed) > 1+MaxSmall+len(keys)*boxOverhead {
		return nil, fmt.Errorf("checksums: %w", ErrDamaged)
	}
	if sealed[0] != Version {
		return nil, fmt.Errorf("checksums: %w: version %d", ErrFormat, sealed[0])
	}
	plain := sealed[1:]
	for i := len(keys) - 1; i >= 0; i-- {
		info, aad := smallContext(i, b)
		var err error
		if plain, err = openBox((*[KeySize]byte)(&keys[i]), &b.content().ID, info, aad, plain); err != nil {
			return nil, fmt.Errorf("checksums: %w", err)
		}
	}
	return plain, nil
}
