// Package server builds a Coffer from its parts: it alone chooses which
// implementations stand behind the interfaces.
package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/backup"
	"coffer/internal/blob/disk"
	"coffer/internal/calendar"
	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/erasure"
	"coffer/internal/iam"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/kms"
	"coffer/internal/meta"
	"coffer/internal/meta/pebble"
	"coffer/internal/meta/sealrows"
	"coffer/internal/meter"
	"coffer/internal/object"
	"coffer/internal/org"
	"coffer/internal/organization"
	"coffer/internal/quota"
	"coffer/internal/rolesanywhere"
	rootparts "coffer/internal/rootseal/parts"
	"coffer/internal/s3"
	"coffer/internal/sealed"
	"coffer/internal/shred"
	"coffer/internal/sts"
	"coffer/internal/trail"
	"coffer/internal/xksproxy"
)

// node names the one node of a server with embedded stores.
const node = "node-1"

// A Stack is an open data directory and the services on it.
type Stack struct {
	Dir      string
	DevClock bool
	IsNew    bool // made by this call

	Rows     *pebble.Store
	Meta     meta.Store // Rows, with every value sealed
	Blobs    *disk.Store
	Root     *key.Root
	Keys     *key.Keys
	Identity *identity.Store
	Orgs     *organization.Store
	Clock    *calendar.Clock
	Trail    *trail.Trail
	Gate     *authz.Gate
	Meter    *meter.Meter
	Quotas   *quota.Limiter // nil if nothing is limited
	Objects  *object.Store
	Ledger   *erasure.Ledger
	KMS      *kms.Service
	IAM      *iam.Service
	STS      *sts.Service
	S3       *s3.Service
	Shred    *shred.Service
	Org      *org.Service
	Anywhere *rolesanywhere.Service
	Authn    *authn.Authenticator
	XKS      *xksproxy.Service // nil without an external key store proxy
	Backups  *backup.Backups

	rootStore  *rootparts.Store
	rootOpener *rootOpener

	stamp   stamp
	closers []func() error
	log     *slog.Logger
}

// Open locks the data directory, opens its stores and builds the services. With
// create it makes the directory if it is missing; otherwise that is ErrNoData.
func Open(ctx context.Context, cfg *config.Server, create bool, log *slog.Logger) (_ *Stack, err error) {
	s := &Stack{Dir: cfg.Data, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	st, err := s.lock(ctx, cfg, create)
	if err != nil {
		return nil, err
	}
	if err := s.openStores(ctx, cfg); err != nil {
		return nil, err
	}
	if err := s.openDomains(ctx, cfg); err != nil {
		return nil, err
	}
	if create {
		if err := s.firstAccount(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if s.IsNew {
		if err := st.write(s.Dir); err != nil {
			return nil, fmt.Errorf("stamp data directory: %w", err)
		}
	}
	return s, nil
}

// Init makes the data directory that cfg names, and leaves one that is there as it
// is: that is ErrIsData.
func Init(ctx context.Context, cfg *config.Server, log *slog.Logger) error {
	stamped, err := isStamped(cfg.Data)
	if err != nil {
		return err
	}
	if stamped {
		return fmt.Errorf("%w: %s", ErrIsData, cfg.Data)
	}
	s, err := Open(ctx, cfg, true, log)
	if err != nil {
		return err
	}
	if !s.IsNew { // another process was faster
		err = fmt.Errorf("%w: %s", ErrIsData, cfg.Data)
	}
	return errors.Join(err, s.Close(ctx))
}

// onClose adds what Close does, in reverse order.
func (s *Stack) onClose(fn func() error) { s.closers = append(s.closers, fn) }

// Close closes everything in reverse order and releases the lock.
func (s *Stack) Close(context.Context) error {
	var err error
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	s.closers = nil
	return err
}

// lock makes the directory if it may, locks it, and reads its stamp.
func (s *Stack) lock(ctx context.Context, cfg *config.Server, create bool) (st stamp, err error) {
	if create {
		if err := durable.MkdirAll(durable.OS{}, s.Dir, 0o700); err != nil {
			return st, fmt.Errorf("make data directory: %w", err)
		}
		// Before the lock leaves a file in somebody else's directory.
		if stamped, err := isStamped(s.Dir); err != nil {
			return st, err
		} else if !stamped {
			if err := checkEmpty(s.Dir); err != nil {
				return st, err
			}
		}
	} else if _, err := os.Stat(s.Dir); errors.Is(err, fs.ErrNotExist) {
		return st, fmt.Errorf("%w: %s", ErrNoData, s.Dir)
	}
	l, err := durable.AcquireLock(filepath.Join(s.Dir, lockFile))
	if err != nil {
		return st, fmt.Errorf("lock data directory %s: %w", s.Dir, err)
	}
	s.onClose(l.Release)
	st, s.IsNew, err = prepare(ctx, s.Dir, create, cfg.DevClock)
	if err != nil {
		return st, err
	}
	if cfg.DevClock && !st.DevClock {
		return st, errors.New("the data directory was not made with --dev-clock: its time can't be moved on")
	}
	s.DevClock, s.stamp = cfg.DevClock, st
	return st, nil
}

func (s *Stack) openStores(ctx context.Context, cfg *config.Server) error {
	if err := s.openRoot(ctx, cfg); err != nil {
		return err
	}
	return s.openRows(cfg)
}

// openRows opens the metadata, with the key that the root of trust holds, and the
// blobs.
func (s *Stack) openRows(cfg *config.Server) (err error) {
	if !s.IsNew {
		if err := checkRows(s.Dir); err != nil {
			return fmt.Errorf("open metadata: %w", err)
		}
	}
	minFree := cfg.MinFree
	if minFree == 0 {
		minFree = -1
	}
	s.Rows, err = pebble.Open(pebble.Config{Dir: filepath.Join(s.Dir, metaDir), CacheBytes: cfg.CacheSize, MinFreeBytes: minFree, Log: s.log})
	if err != nil {
		return fmt.Errorf("open metadata: %w", err)
	}
	s.onClose(s.Rows.Close)
	s.Meta = sealrows.New(s.Rows, sealrows.Key(s.Root.StoreKey()), rand.Reader)
	s.Blobs, err = disk.Open(disk.Config{Dir: filepath.Join(s.Dir, blobDir)})
	if err != nil {
		return fmt.Errorf("open blobs: %w", err)
	}
	s.onClose(s.Blobs.Close)
	return nil
}

func (s *Stack) openDomains(ctx context.Context, cfg *config.Server) (err error) {
	if s.Clock, err = calendar.Open(ctx, calendar.Config{Store: s.Meta, Boot: bootClock}); err != nil {
		return err
	}
	dialer, err := newDialer(&cfg.KeyStores)
	if err != nil {
		return err
	}
	s.onClose(func() error { dialer.Close(); return nil })
	if s.Keys, err = key.Open(ctx, key.Config{Meta: s.Meta, Root: s.Root, Now: s.Clock.Now, Log: s.log, Dialer: dialer}); err != nil {
		return err
	}
	s.onClose(func() error { s.Keys.Close(); return nil })
	s.Trail, err = trail.New(ctx, trail.Config{Store: s.Meta, Node: node, Now: s.Clock.Now, Log: s.log, SyncReads: cfg.TrailSync})
	if err != nil {
		return err
	}
	s.onClose(func() error { return s.Trail.Close(context.Background()) })
	s.Identity = identity.New(identity.Config{Meta: s.Meta, Now: s.Clock.Now, Log: s.log})
	s.onClose(func() error { return s.Identity.Close(context.Background()) })
	s.Orgs = organization.New(organization.Config{Meta: s.Meta, Identity: s.Identity, Now: s.Clock.Now})
	secret, err := s.Keys.Derive(authn.TokenPurpose)
	if err != nil {
		return err
	}
	tokens := authn.NewTokens(secret)
	s.Authn = authn.New(authn.Config{
		Keys: s.Identity, Tokens: tokens, Entities: s.Identity, Usage: s.Identity, Calendar: s.Clock.Now, Region: cfg.Region,
		TrustedProxies: cfg.TrustedProxies,
	})
	s.Gate = authz.New(authz.Config{
		Trail: s.Trail, Meta: s.Meta, Identities: s.Identity, Organizations: s.Orgs, Alive: s.Authn.Alive,
		SessionPolicies: s.Authn.SessionPolicies, Now: s.Clock.Now, Log: s.log,
	})
	s.onClose(func() error { s.Gate.Close(); return nil })
	s.Objects, err = object.Open(ctx, object.Config{
		Meta: s.Meta, Blobs: s.Blobs, Service: serviceKeys{s.Keys}, StoreID: s.Root.StoreID(), Now: s.Clock.Now,
		Rand: rand.Reader, Log: s.log, RecoveryWindow: cfg.RecoveryWindow,
		// Bodies stop earlier than rows: deleting them on a full disk takes rows.
		Room: func() error { return room(s.Dir, 2*cfg.MinFree) },
	})
	if err != nil {
		return err
	}
	s.onClose(func() error { s.Objects.Close(); return nil })
	if s.Backups, err = newBackups(s, cfg.Account); err != nil {
		return err
	}
	s.onClose(func() error { s.Backups.Close(); return nil })
	if s.Meter, err = meter.Open(ctx, meter.Config{Meta: s.Meta, Now: s.Clock.Now, Log: s.log}); err != nil {
		return err
	}
	s.onClose(func() error { return s.Meter.Close(context.Background()) })
	s.Quotas = quota.New(cfg.KMSQuotas, nil)
	if err := s.openLedger(ctx, cfg); err != nil {
		return err
	}
	s.KMS = kms.New(kms.Config{Keys: s.Keys, Gate: s.Gate, Principals: s.Identity, Meter: s.Meter, Ledger: s.Ledger, Quotas: s.Quotas, Now: s.Clock.Now, Log: s.log})
	s.IAM = iam.New(iam.Config{Identity: s.Identity, Gate: s.Gate, Organizations: s.Orgs, Now: s.Clock.Now, Log: s.log})
	s.Org = org.New(org.Config{Organizations: s.Orgs, Gate: s.Gate, Log: s.log})
	s.STS = sts.New(sts.Config{
		Identity: s.Identity, Gate: s.Gate, Tokens: tokens, Meta: s.Meta, Now: s.Clock.Now, Explainer: explainer{s.Gate}, Log: s.log,
	})
	s.Anywhere = rolesanywhere.New(rolesanywhere.Config{
		Anchors: anchor.New(anchor.Config{Meta: s.Meta, Now: s.Clock.Now}), Identity: s.Identity, Gate: s.Gate,
		Sessions: roleSessions{s.STS}, Meta: s.Meta, Log: s.log,
	})
	s.S3 = s3.New(s3.Config{
		Objects: s.Objects, Keys: dataKeys{s.KMS, s.Keys}, Gate: s.Gate, Owners: s.Identity, Principals: s.Identity,
		AllowCustomerKeys: cfg.AllowSSEC,
	})
	s.Shred = newShred(s)
	return s.openXKS(cfg)
}

// firstAccount makes sure that the first account and its root access key exist,
// and that DIR/credentials holds the key.
func (s *Stack) firstAccount(ctx context.Context, cfg *config.Server) error {
	if s.IsNew {
		_, err := s.Identity.CreateAccount(ctx, cfg.Account, "root", nil)
		if err != nil && !errors.Is(err, identity.ErrAccountExists) {
			return err
		}
	} else if _, err := s.Identity.Account(ctx, cfg.Account); err != nil {
		return fmt.Errorf("the data directory has no account %s: %w", cfg.Account, err)
	}
	var k identity.AccessKey
	var err error
	if cfg.RootAccessKeyID != "" {
		k, err = s.Identity.PutRootKey(ctx, cfg.Account, cfg.RootAccessKeyID, identity.NewSecret(cfg.RootSecretAccessKey), nil)
	} else if k, err = s.Identity.RootKey(ctx, cfg.Account); errors.Is(err, identity.ErrNoAccessKey) {
		k, err = s.Identity.NewRootKey(ctx, cfg.Account, nil)
	}
	if err != nil {
		return err
	}
	if cfg.RootAccessKeyID == "" && !s.IsNew {
		return nil // the operator may have moved the file away
	}
	return writeCredentials(s.Dir, k)
}

// writeCredentials writes the access key of a data directory's first account.
func writeCredentials(dir string, k identity.AccessKey) error {
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", k.ID, k.Secret.Reveal())
	if err := durable.WriteFile(durable.OS{}, filepath.Join(dir, credentialsFile), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}

// serviceKeys lets package object derive the secrets of SSE-S3.
type serviceKeys struct{ keys *key.Keys }

func (k serviceKeys) ServiceSecret(ctx context.Context, account string, salt [32]byte) (sealed.Secret, error) {
	s, err := k.keys.ServiceSecret(ctx, account, salt)
	return sealed.Secret(s), err
}

// dataKeys lets package s3 use the KMS service.
type dataKeys struct {
	*kms.Service
	keys *key.Keys
}

func (k dataKeys) NewDataKey(ctx context.Context, c *authn.Caller, keyID string, ec map[string]string) ([32]byte, []byte, string, error) {
	plain, blob, arn, err := k.Service.NewDataKey(ctx, c, keyID, ec)
	return plain, blob, arn, err
}

func (k dataKeys) OpenDataKey(ctx context.Context, c *authn.Caller, keyARN string, blob []byte, ec map[string]string) ([32]byte, error) {
	return k.Service.OpenDataKey(ctx, c, keyARN, blob, ec)
}

// roleSessions lets package rolesanywhere make the sessions of roles.
type roleSessions struct{ sts *sts.Service }

func (r roleSessions) NewRoleSession(in *rolesanywhere.RoleSession) (*identity.Session, *rolesanywhere.Credentials, error) {
	s, c, err := r.sts.NewRoleSession(&sts.RoleSession{
		Role: in.Role, Name: in.Name, Duration: in.Duration, PolicyText: in.SessionPolicy, PolicyARNs: in.ManagedPolicies,
		Tags: in.Tags, SourceIdentity: in.SourceIdentity, SourceARN: in.TrustAnchor,
	})
	if err != nil {
		return nil, nil, err
	}
	return s, &rolesanywhere.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expiration: c.Expiration}, nil
}

// explainer lets package sts explain denials.
type explainer struct{ gate *authz.Gate }

func (e explainer) Decode(ctx context.Context, c *authn.Caller, message string) (string, error) {
	x, err := e.gate.Explain(ctx, c.Account, message)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(x)
	return string(b), err
}
