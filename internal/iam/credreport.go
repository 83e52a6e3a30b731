package iam

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"maps"
	"strconv"
	"sync"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
)

// reportLife is how long a report is given out; then a new one may be made.
//
// Source: IAM User Guide, "Generate credential reports for your AWS account", read
// 2026-11-21.
const reportLife = 4 * time.Hour

// reports keeps the last report of each account, in memory: after a restart there is
// none, as before the first one was made.
type reports struct {
	mu        sync.Mutex
	byAccount map[string]report // guarded by mu
}

type report struct {
	at      time.Time
	content []byte
}

// get returns the last report of an account; ok is false if there is none.
func (r *reports) get(account string) (rep report, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep, ok = r.byAccount[account]
	return rep, ok
}

// put keeps a report, and forgets those that have been useless for a life.
func (r *reports) put(account string, rep report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byAccount == nil {
		r.byAccount = make(map[string]report)
	}
	maps.DeleteFunc(r.byAccount, func(_ string, old report) bool { return rep.at.Sub(old.at) > 2*reportLife })
	r.byAccount[account] = rep
}

// reportColumns are the columns of a credential report.
//
// Source: IAM User Guide, "Generate credential reports for your AWS account", read
// 2026-11-21. The column additional_credentials_info, which that page adds for users
// with more than two keys, is not in the reports of AWS for users with fewer.
var reportColumns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// What fields hold that have no value.
const (
	notApplicable = "N/A"
	notSupported  = "not_supported"
	noInformation = "no_information"
)

// GenerateCredentialReportInput is the request of [Service.GenerateCredentialReport].
type GenerateCredentialReportInput struct{}

// GenerateCredentialReportOutput is the answer of [Service.GenerateCredentialReport].
type GenerateCredentialReportOutput struct {
	State       string // "COMPLETE"
	Description string `query:",omitempty"`
}

// GenerateCredentialReport makes a report of the access keys of the account, unless
// the last one is less than four hours old. It is complete when the answer comes.
//
// It returns a *awserr.Error with code AccessDenied.
//
// Source: IAM API Reference, GenerateCredentialReport, read 2026-11-21.
func (s *Service) GenerateCredentialReport(ctx context.Context, c *authn.Caller, in *GenerateCredentialReportInput) (*GenerateCredentialReportOutput, error) {
	return run(ctx, s, c, "GenerateCredentialReport", in, nil, func(o *op) (*GenerateCredentialReportOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		now := s.now()
		if last, ok := s.reports.get(c.Account); ok && now.Sub(last.at) < reportLife {
			return &GenerateCredentialReportOutput{State: "COMPLETE"}, nil
		}
		content, err := s.makeReport(ctx, c.Account)
		if err != nil {
			return nil, err
		}
		s.reports.put(c.Account, report{now, content})
		return &GenerateCredentialReportOutput{State: "COMPLETE"}, nil
	})
}

// GetCredentialReportInput is the request of [Service.GetCredentialReport].
type GetCredentialReportInput struct{}

// GetCredentialReportOutput is the answer of [Service.GetCredentialReport].
type GetCredentialReportOutput struct {
	Content       []byte
	ReportFormat  string // "text/csv"
	GeneratedTime time.Time
}

// GetCredentialReport returns the last report.
//
// It returns a *awserr.Error with code AccessDenied, ReportNotPresent if there is
// none, or ReportExpired if it is four hours old.
//
// Source: IAM API Reference, GetCredentialReport, read 2026-11-21.
func (s *Service) GetCredentialReport(ctx context.Context, c *authn.Caller, in *GetCredentialReportInput) (*GetCredentialReportOutput, error) {
	return run(ctx, s, c, "GetCredentialReport", in, nil, func(o *op) (*GetCredentialReportOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		last, ok := s.reports.get(c.Account)
		switch {
		case !ok:
			return nil, fault(410, "ReportNotPresent", "No report exists. Call GenerateCredentialReport to make one.")
		case s.now().Sub(last.at) >= reportLife:
			return nil, fault(410, "ReportExpired", "The most recent report has expired. Call GenerateCredentialReport to make a new one.")
		}
		return &GetCredentialReportOutput{last.content, "text/csv", last.at}, nil
	})
}

// makeReport writes the report of an account: the root user, then the users by name.
func (s *Service) makeReport(ctx context.Context, account string) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Write(reportColumns) // a bytes.Buffer takes all; Flush's error is looked at below
	a, err := s.identity.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	var keys []identity.AccessKey
	root, err := s.identity.RootKey(ctx, account)
	switch {
	case err == nil:
		keys = append(keys, root)
	case !errors.Is(err, identity.ErrNoAccessKey):
		return nil, err
	}
	row := []string{"<root_account>", arn.Root(account), reportTime(a.CreatedAt), notSupported, noInformation, notSupported, notSupported, "false"}
	if row, err = s.reportKeys(ctx, row, keys); err != nil {
		return nil, err
	}
	w.Write(row)
	page := identity.Page{Limit: maxItems}
	for more := true; more; {
		var users []identity.User
		if users, more, err = s.identity.Users(ctx, account, page); err != nil {
			return nil, err
		}
		for _, u := range users {
			page.After = u.Name
			keys, err := s.identity.AccessKeys(ctx, account, u.Name)
			if errors.Is(err, identity.ErrNoUser) {
				continue // deleted since it was listed
			} else if err != nil {
				return nil, err
			}
			row := []string{u.Name, u.ARN, reportTime(u.CreatedAt), "false", notApplicable, notApplicable, notApplicable, "false"}
			if row, err = s.reportKeys(ctx, row, keys); err != nil {
				return nil, err
			}
			w.Write(row)
		}
	}
	w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), w.Error()
}

// reportKeys appends the columns of two access keys and two certificates to a row.
func (s *Service) reportKeys(ctx context.Context, row []string, keys []identity.AccessKey) ([]string, error) {
	for i := range identity.MaxAccessKeys {
		if i >= len(keys) {
			row = append(row, "false", notApplicable, notApplicable, notApplicable, notApplicable)
			continue
		}
		use, err := s.identity.AccessKeyUse(ctx, keys[i].ID)
		if err != nil && !errors.Is(err, identity.ErrNoAccessKey) {
			return nil, err
		}
		date, region, service := notApplicable, notApplicable, notApplicable
		if !use.At.IsZero() {
			date, service = reportTime(use.At), use.Service
			// S3 and IAM belong to no region there.
			if use.Region != "" && use.Service != "s3" && use.Service != "iam" {
				region = use.Region
			}
		}
		row = append(row, strconv.FormatBool(keys[i].Status == identity.Active), reportTime(keys[i].CreatedAt), date, region, service)
	}
	return append(row, "false", notApplicable, "false", notApplicable), nil
}

func reportTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
