package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"coffer/internal/admin"
	"coffer/internal/meter"
)

// costReport is the --json output of coffer cost. Amounts are in millionths of a US
// dollar.
type costReport struct {
	Month        string        `json:"month"`
	From         time.Time     `json:"from"`
	Through      time.Time     `json:"through"`
	CountedSince time.Time     `json:"countedSince"`
	Accounts     []accountCost `json:"accounts"`
	// Total is what AWS would have charged, in words too.
	TotalMicros meter.Micros `json:"totalMicros"`
	Total       string       `json:"total"`
	SubjectKeys int          `json:"subjectKeys"`
	// SubjectKeysMicros is what as many KMS keys cost for the whole month.
	SubjectKeysMicros meter.Micros `json:"subjectKeysMicros"`
	Prices            admin.Prices `json:"prices"`
}

// An accountCost is what one account would have paid.
type accountCost struct {
	Account        string           `json:"account"`
	Keys           []admin.KeyUsage `json:"keys"`
	StorageMicros  meter.Micros     `json:"storageMicros"`
	RequestMicros  meter.Micros     `json:"requestMicros"`
	FreeTierMicros meter.Micros     `json:"freeTierMicros"` // to be taken off
	TotalMicros    meter.Micros     `json:"totalMicros"`
}

// cost runs coffer cost.
func cost(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("cost [flags]", "Print what the keys of a server, and the calls to them, would have cost on AWS KMS.\n"+
		"Coffer itself charges for neither.", `
coffer cost
coffer cost --month 2026-11 --account 210987654321
coffer cost --key 1234abcd-12ab-34cd-56ef-1234567890ab --json`)
	month := fs.String("month", "", "`month` such as 2026-11 (default the present one, up to now)")
	account := fs.String("account", "", "only the `account` with this ID (default all that the caller may see)")
	key := fs.String("key", "", "only the key with this `ID` or ARN, without the free tier")
	f := e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	if *month != "" {
		if _, err := meter.ParseMonth(*month); err != nil {
			return e.misuse("cost", fmt.Errorf("--month: %w", err))
		}
	}
	if strings.HasPrefix(*key, "alias/") {
		return e.misuse("cost", errors.New("--key takes the ID or the ARN of a key, not an alias"))
	}
	c, err := e.client(ctx, f)
	if err != nil {
		return e.misuse("cost", err)
	}
	r := &costReport{Accounts: []accountCost{}}
	for query := (url.Values{"month": {*month}, "account": {*account}, "key": {*key}}); ; {
		var page admin.GetUsageOutput
		if err := c.call(ctx, "GET", "usage", query, nil, &page); err != nil {
			return e.answered("cost", err)
		}
		r.add(&page)
		if page.Next == "" || page.Next <= query.Get("after") {
			break
		}
		query.Set("after", page.Next)
		query.Set("month", page.Month) // which may end meanwhile
	}
	r.sum(*key == "")
	if f.json {
		err = e.printJSON(r)
	} else {
		err = r.print(e)
	}
	if err != nil {
		return e.failed("cost", err)
	}
	return exitOK
}

// add takes up a page. Pages have the lines of an account together.
func (r *costReport) add(page *admin.GetUsageOutput) {
	r.Month, r.From, r.Through, r.CountedSince, r.Prices = page.Month, page.From, page.Through, page.CountedSince, page.Prices
	for _, u := range page.Usage {
		if n := len(r.Accounts); n == 0 || r.Accounts[n-1].Account != u.Account {
			r.Accounts = append(r.Accounts, accountCost{Account: u.Account})
		}
		a := &r.Accounts[len(r.Accounts)-1]
		a.Keys = append(a.Keys, u)
	}
}

// sum adds everything up. The free tier is that of an account: without all of its
// keys it is not known.
func (r *costReport) sum(isWhole bool) {
	for i := range r.Accounts {
		a := &r.Accounts[i]
		var free uint64
		for _, k := range a.Keys {
			a.StorageMicros += k.StorageMicros
			a.RequestMicros += k.RequestMicros
			free += k.Requests[r.Prices.FreeClass]
			r.SubjectKeys += k.SubjectKeys
		}
		if isWhole {
			a.FreeTierMicros = r.Prices.Requests[r.Prices.FreeClass] * meter.Micros(min(free, r.Prices.FreeRequests))
		}
		a.TotalMicros = a.StorageMicros + a.RequestMicros - a.FreeTierMicros
		r.TotalMicros += a.TotalMicros
	}
	r.SubjectKeysMicros = r.Prices.KeyMonth * meter.Micros(r.SubjectKeys)
	r.Total = r.TotalMicros.String()
}

func (r *costReport) print(e *environment) error {
	fmt.Fprintf(e.stdout, "What AWS KMS would have charged for %s, up to %s:\n\n", r.Month, r.Through.UTC().Format(time.RFC3339))
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCOUNT\tKEY\tSPEC\tHOURS\tCALLS\tKEEPING\tCALLING")
	for _, a := range r.Accounts {
		for _, k := range a.Keys {
			var calls uint64
			for _, n := range k.Requests {
				calls += n
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", a.Account, orDash(k.Key), orDash(k.Spec), k.KeyHours+k.RotatedHours, calls, k.StorageMicros, k.RequestMicros)
		}
	}
	fmt.Fprintln(w, "\nACCOUNT\tKEEPING\tCALLING\tFREE TIER\tTOTAL")
	for _, a := range r.Accounts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Account, a.StorageMicros, a.RequestMicros, -a.FreeTierMicros, a.TotalMicros)
	}
	fmt.Fprintf(w, "all\t\t\t\t%s\n", r.Total)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\nCoffer charges nothing for keys and calls: what it costs is the machine that it runs on.\n")
	if r.SubjectKeys > 0 {
		fmt.Fprintf(e.stdout, "Its %s subject keys as KMS keys, at %s each, would have cost %s more a month.\n",
			strconv.Itoa(r.SubjectKeys), r.Prices.KeyMonth, r.SubjectKeysMicros)
	}
	if r.CountedSince.After(r.From) {
		fmt.Fprintf(e.stdout, "Calls are counted since %s.\n", r.CountedSince.UTC().Format(time.RFC3339))
	}
	_, err := fmt.Fprintf(e.stdout, "Prices: %s, read %s; without taxes, discounts and what a custom key store needs.\n", r.Prices.Source, r.Prices.Read)
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
