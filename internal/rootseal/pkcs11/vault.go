package pkcs11

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/rootseal"
)

const (
	vaultInfo = "coffer/v1/pkcs11-vault"
	gateInfo  = "coffer/v1/pkcs11-gate"
	gateName  = "gate"
	idSize    = 10 // bytes; 16 characters
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID draws the ID of a vault or a gate, 16 characters of [a-z2-7]. It is not
// secret; without it nobody finds the keys again.
func NewID() string {
	var b [idSize]byte
	rand.Read(b[:])
	return idEncoding.EncodeToString(b[:])
}

func checkID(id string) error {
	if b, err := idEncoding.DecodeString(id); err != nil || len(b) != idSize || idEncoding.EncodeToString(b) != id {
		return fmt.Errorf("pkcs11: %q is not the ID of a vault or a gate", id)
	}
	return nil
}

// A Vault keeps a key for each epoch in a token.
type Vault struct {
	c  *client
	id string
}

var _ rootseal.Vault = (*Vault)(nil)

// OpenVault opens the vault with the ID, which [NewID] drew; a new one is empty. It
// logs in, so that what is wrong with the configuration shows now.
func OpenVault(ctx context.Context, cfg Config, id string) (*Vault, error) {
	c, err := open(ctx, cfg, id)
	if err != nil {
		return nil, err
	}
	return &Vault{c, id}, nil
}

func open(ctx context.Context, cfg Config, id string) (*client, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := c.do(ctx, &Request{Op: OpList, Label: prefix(id)}, false); err != nil {
		c.Close()
		return nil, fmt.Errorf("pkcs11: open token %q: %w", cfg.Token, err)
	}
	return c, nil
}

func prefix(id string) string { return LabelPrefix + id + "/" }

func (v *Vault) label(epoch uint64) string { return fmt.Sprintf("%s%016x", prefix(v.id), epoch) }

// Token describes the token in words: its label, maker, model and serial number.
func (v *Vault) Token() string { return v.c.token }

// Make implements [rootseal.Vault].
func (v *Vault) Make(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	if _, err := v.c.do(ctx, &Request{Op: OpMake, Label: v.label(epoch), Kind: v.c.cfg.Kind}, false); err != nil {
		return rootseal.Secret{}, fmt.Errorf("pkcs11: make the key of epoch %d: %w", epoch, err)
	}
	return v.Open(ctx, epoch)
}

// Open implements [rootseal.Vault]. It returns [ErrUnsafe] if the key of the epoch is
// not one that the token made and keeps to itself.
func (v *Vault) Open(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	s, err := v.c.derive(ctx, v.label(epoch), vaultInfo, v.id, epoch)
	if err != nil {
		return s, fmt.Errorf("pkcs11: open epoch %d: %w", epoch, err)
	}
	return s, nil
}

func (c *client) derive(ctx context.Context, label, info, id string, epoch uint64) (rootseal.Secret, error) {
	input := binary.BigEndian.AppendUint64([]byte(info+id), epoch)
	a, err := c.do(ctx, &Request{Op: OpDerive, Label: label, Input: input}, true)
	if err != nil {
		return rootseal.Secret{}, err
	}
	defer clear(a.Secret[:])
	if a.Secret == ([SecretSize]byte{}) {
		return rootseal.Secret{}, errors.New("the token derived zeros")
	}
	return a.Secret, nil
}

// Forget implements [rootseal.Vault]: it destroys the key of the epoch in the token,
// and looks whether it is gone.
func (v *Vault) Forget(ctx context.Context, epoch uint64) error {
	if _, err := v.c.do(ctx, &Request{Op: OpDestroy, Label: v.label(epoch)}, true); err != nil {
		return fmt.Errorf("pkcs11: destroy the key of epoch %d: %w", epoch, err)
	}
	left, err := v.Epochs(ctx)
	if err == nil && slices.Contains(left, epoch) {
		err = fmt.Errorf("pkcs11: the key of epoch %d is still in the token", epoch)
	}
	return err
}

// Epochs implements [rootseal.Vault].
func (v *Vault) Epochs(ctx context.Context) ([]uint64, error) {
	a, err := v.c.do(ctx, &Request{Op: OpList, Label: prefix(v.id)}, true)
	if err != nil {
		return nil, fmt.Errorf("pkcs11: list the keys: %w", err)
	}
	var epochs []uint64
	for _, l := range a.Labels {
		name := strings.TrimPrefix(l, prefix(v.id))
		epoch, err := strconv.ParseUint(name, 16, 64)
		if err != nil || l != v.label(epoch) {
			return nil, fmt.Errorf("pkcs11: a key has the label %q, which is not one of an epoch: %w", printable(l), ErrUnsafe)
		}
		epochs = append(epochs, epoch)
	}
	slices.Sort(epochs)
	return slices.Compact(epochs), nil
}

// Close ends the helper.
func (v *Vault) Close() error { return v.c.Close() }

// A Gate is a key in a token that lasts.
type Gate struct {
	c  *client
	id string
}

var _ rootseal.Gate = (*Gate)(nil)

// MakeGate makes the key of a gate with the ID, which [NewID] drew, and opens it. It
// returns [rootseal.ErrExists] if the key is there.
func MakeGate(ctx context.Context, cfg Config, id string) (*Gate, error) {
	c, err := open(ctx, cfg, id)
	if err != nil {
		return nil, err
	}
	g := &Gate{c, id}
	if _, err := c.do(ctx, &Request{Op: OpMake, Label: prefix(id) + gateName, Kind: cfg.Kind}, false); err != nil {
		c.Close()
		return nil, fmt.Errorf("pkcs11: make the key of the gate: %w", err)
	}
	return g, nil
}

// OpenGate opens the gate with the ID. It returns [ErrNoGate] if its key is not in the
// token.
func OpenGate(ctx context.Context, cfg Config, id string) (*Gate, error) {
	c, err := open(ctx, cfg, id)
	if err != nil {
		return nil, err
	}
	g := &Gate{c, id}
	if _, err := g.Mask(ctx, 0); err != nil {
		c.Close()
		return nil, err
	}
	return g, nil
}

// Token describes the token in words: its label, maker, model and serial number.
func (g *Gate) Token() string { return g.c.token }

// Mask implements [rootseal.Gate].
func (g *Gate) Mask(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	s, err := g.c.derive(ctx, prefix(g.id)+gateName, gateInfo, g.id, epoch)
	switch {
	case errors.Is(err, rootseal.ErrNoRoot):
		return s, fmt.Errorf("pkcs11: mask epoch %d: %w", epoch, ErrNoGate)
	case err != nil:
		return s, fmt.Errorf("pkcs11: mask epoch %d: %w", epoch, err)
	}
	return s, nil
}

// Close ends the helper.
func (g *Gate) Close() error { return g.c.Close() }
