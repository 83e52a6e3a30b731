package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/key"
	"coffer/internal/meter"
)

// GetUsageInput is the request of GetUsage.
type GetUsageInput struct {
	Month   string // such as 2026-11; the present one if empty
	Account string // the caller's own if empty, or all if the caller is of the server's own account
	Key     string // the ID or the ARN of a key; all if empty
	After   string // Next of the page before
}

// A KeyUsage is how one account used one key in a month, and what that would have
// cost on AWS. Whoever calls pays for the call, and whoever owns a key for keeping it.
type KeyUsage struct {
	Account string `json:"account"` // who pays
	Region  string `json:"region"`
	Key     string `json:"key,omitempty"` // ARN; empty for calls about no key
	Spec    string `json:"spec,omitempty"`
	Manager string `json:"manager,omitempty"` // AWS or CUSTOMER, of a key of the account
	// KeyHours is for how long the account kept the key, and RotatedHours its
	// first two versions beside the first, together.
	KeyHours     int64 `json:"keyHours"`
	RotatedHours int64 `json:"rotatedHours"`
	// SubjectKeys is how many subjects of the key have a key of their own now.
	SubjectKeys int               `json:"subjectKeys"`
	Requests    map[string]uint64 `json:"requests"`   // by billing class
	Operations  map[string]uint64 `json:"operations"` // by name
	// StorageMicros and RequestMicros are in millionths of a US dollar, and before
	// the free tier, which an account has once for all of its keys.
	StorageMicros meter.Micros `json:"storageMicros"`
	RequestMicros meter.Micros `json:"requestMicros"`
}

// GetUsageOutput is the answer of GetUsage.
type GetUsageOutput struct {
	Month string `json:"month"`
	// From and Through bound what is counted: the month up to now. Calls are
	// counted since CountedSince only.
	From         time.Time  `json:"from"`
	Through      time.Time  `json:"through"`
	CountedSince time.Time  `json:"countedSince"`
	Prices       Prices     `json:"prices"`
	Usage        []KeyUsage `json:"usage"`
	Next         string     `json:"next,omitempty"` // the After of the next page
}

// Prices are AWS's, in millionths of a US dollar.
type Prices struct {
	Source        string                  `json:"source"`
	Read          string                  `json:"read"` // the date
	KeyMonth      meter.Micros            `json:"keyMonthMicros"`
	Requests      map[string]meter.Micros `json:"requestMicros"` // each, by billing class
	FreeRequests  uint64                  `json:"freeRequests"`  // of the class request, a month and account
	FreeClass     string                  `json:"freeClass"`
	PaidRotations int                     `json:"paidRotations"`
}

func prices() Prices {
	p := Prices{Source: meter.Prices.Source, Read: meter.Prices.Read, KeyMonth: meter.Prices.KeyMonth, Requests: make(map[string]meter.Micros),
		FreeRequests: meter.Prices.Free, FreeClass: meter.Request.String(), PaidRotations: meter.Prices.Rotations}
	for class, price := range meter.Prices.Requests {
		p.Requests[meter.Class(class).String()] = price
	}
	return p
}

// GetUsage tells how keys were used in a month, and what that would have cost on AWS:
// a line for each account with each key that it used or kept, 1,000 to a page. An
// account sees itself; all of them see who may do coffer:GetUsage on the server.
//
// It returns a *awserr.Error with code AccessDeniedException, ValidationException or
// ServiceUnavailableException.
func (s *Service) GetUsage(ctx context.Context, c *authn.Caller, in *GetUsageInput) (*GetUsageOutput, error) {
	account := in.Account
	if account == "" && c.Account != s.cfg.Account {
		account = c.Account
	}
	resource := arn.ARN{Partition: arn.Partition, Service: source, Region: c.Region, Account: s.cfg.Account, Resource: "server"}
	if account == c.Account && account != s.cfg.Account {
		resource.Account, resource.Resource = account, "usage"
	}
	return authz.Run(ctx, s.cfg.Gate, c, authz.Operation{Source: source, Name: "GetUsage", ReadOnly: true}, s.answer,
		func(call *authz.Call) (*GetUsageOutput, error) {
			for _, p := range []struct{ name, value string }{{"month", in.Month}, {"account", in.Account}, {"key", in.Key}} {
				if p.value != "" {
					call.Param(p.name, p.value)
				}
			}
			if err := call.Ask(ctx, &authz.Ask{Action: source + ":GetUsage", Resource: resource.String(), Account: resource.Account}); err != nil {
				return nil, err
			}
			return s.usage(ctx, account, in)
		})
}

// maxKeyName is the longest ARN of a key.
const maxKeyName = 2048

func (s *Service) usage(ctx context.Context, account string, in *GetUsageInput) (*GetUsageOutput, error) {
	now := s.cfg.Clock.Now().UTC()
	month := meter.MonthOf(now)
	if in.Month != "" {
		var err error
		if month, err = meter.ParseMonth(in.Month); err != nil {
			return nil, awserr.New(400, "ValidationException", "month: %v.", err)
		}
	}
	if account != "" && (len(account) != 12 || strings.Trim(account, "0123456789") != "") {
		return nil, awserr.New(400, "ValidationException", "account must be 12 digits.")
	}
	if len(in.Key) > maxKeyName || len(in.After) > maxKeyName {
		return nil, awserr.New(400, "ValidationException", "key and after have at most %d characters.", maxKeyName)
	}
	if err := s.cfg.Meter.Flush(ctx); err != nil {
		return nil, err
	}
	out := &GetUsageOutput{Month: month.String(), From: month.Start(), Through: month.End(), CountedSince: s.cfg.Meter.Since(),
		Prices: prices(), Usage: []KeyUsage{}}
	if now.Before(out.Through) {
		out.Through = now
	}
	lines, next, err := s.page(ctx, month, account, in.After, now)
	if err != nil {
		return nil, err
	}
	out.Next = next
	for _, line := range lines {
		if in.Key != "" && line.Key != in.Key && !strings.HasSuffix(line.Key, ":key/"+in.Key) {
			continue
		}
		if err := s.complete(ctx, month, line); err != nil {
			return nil, err
		}
		out.Usage = append(out.Usage, line.KeyUsage)
	}
	return out, nil
}

// A usageLine is one line on its way to the answer.
type usageLine struct {
	KeyUsage
	ref     key.Ref
	shredBy string
	classes [meter.ClassCount]uint64
}

// page joins what was called and what was kept, both in the order of their positions.
func (s *Service) page(ctx context.Context, month meter.Month, account, after string, now time.Time) (list []*usageLine, next string, err error) {
	calls, err := s.cfg.Meter.List(ctx, month, account, after, maxPage+1)
	if err != nil {
		return nil, "", err
	}
	kept, err := s.cfg.Keys.Stored(ctx, account, placeOf(after), maxPage+1)
	if err != nil {
		return nil, "", err
	}
	lines := make(map[string]*usageLine)
	at := func(position, account, region string, k meter.Key) *usageLine {
		l := lines[position]
		if l == nil {
			l = &usageLine{KeyUsage: KeyUsage{Account: account, Region: region}, ref: key.Ref{Account: k.Account, Region: k.Region, ID: k.ID}}
			if k != (meter.Key{}) {
				l.Key = l.ref.ARN()
			}
			lines[position] = l
		}
		return l
	}
	for _, c := range calls {
		l := at(c.Position(), c.Account, c.Region, c.Key)
		l.Operations, l.classes = c.Operations, c.Classes
	}
	for _, k := range kept {
		ref := meter.Key{Account: k.Account, Region: k.Region, ID: k.ID}
		l := at(meter.Position(k.Account, k.Region, ref), k.Account, k.Region, ref)
		l.Spec, l.Manager, l.shredBy = k.Spec, k.Manager, k.ShredBy
		stored := meter.Stored{IsManaged: k.Manager == key.ManagerAWS, Created: k.Created, Ended: k.Ended, Rotated: k.Rotated}
		hours, rotated := stored.Hours(month, now)
		l.KeyHours, l.RotatedHours = l.KeyHours+hours, l.RotatedHours+rotated
	}
	// Of two lists that were cut after maxPage+1 lines the first maxPage are whole, but
	// two keys that were kept may be one line.
	positions := slices.Sorted(maps.Keys(lines))
	end := ""
	if len(kept) > maxPage {
		k := kept[maxPage]
		end = meter.Position(k.Account, k.Region, meter.Key{Account: k.Account, Region: k.Region, ID: k.ID})
	}
	for i, p := range positions {
		if end != "" && p >= end || i == maxPage {
			next = positions[i-1]
			break
		}
		if l := lines[p]; l.KeyHours > 0 || len(l.Operations) > 0 {
			list = append(list, l)
		}
	}
	return list, next, nil
}

// placeOf returns where the keys of an account begin that stand behind a position,
// which is account/region/ or account/region/owner/ID: a key that is kept stands under
// its owner.
func placeOf(position string) string {
	part := strings.Split(position, "/")
	switch {
	case len(part) < 3:
		return position
	case len(part) < 4 || part[2] < part[0]:
		return part[0] + "/" + part[1] + "/"
	case part[2] > part[0]:
		return part[0] + "/" + part[1] + "/\xff"
	}
	return part[0] + "/" + part[1] + "/" + part[3]
}

// complete fills in what only the lines of the answer need.
func (s *Service) complete(ctx context.Context, month meter.Month, l *usageLine) error {
	l.Requests = make(map[string]uint64)
	for class, n := range l.classes {
		if n > 0 {
			l.Requests[meter.Class(class).String()] = n
		}
	}
	if l.Operations == nil {
		l.Operations = make(map[string]uint64)
	}
	l.StorageMicros = meter.StorageCost(month, l.KeyHours+l.RotatedHours)
	l.RequestMicros = meter.RequestCost(l.classes)
	if l.shredBy == "" {
		return nil
	}
	var err error
	if l.SubjectKeys, err = s.cfg.Keys.CountSubjects(ctx, l.ref); err != nil {
		return fmt.Errorf("usage of %s: %w", l.Key, err)
	}
	return nil
}
