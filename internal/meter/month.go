package meter

import (
	"fmt"
	"time"
)

// A Month is a calendar month in UTC, which bills go by: year times 12 plus the
// month from 0.
type Month int32

// MonthOf returns the month of a time.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month(t.Year()*12 + int(t.Month()) - 1)
}

// ParseMonth reads a month such as 2026-11.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Year() < 1970 || t.Year() > 2250 || MonthOf(t).String() != s {
		return 0, fmt.Errorf("%q is no month such as 2026-11", s)
	}
	return MonthOf(t), nil
}

// String returns the month as 2026-11.
func (m Month) String() string { return m.Start().Format("2006-01") }

// Start returns the beginning of the month.
func (m Month) Start() time.Time {
	return time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC)
}

// End returns the beginning of the next month.
func (m Month) End() time.Time { return (m + 1).Start() }

// Hours returns how many hours the month has.
func (m Month) Hours() int64 { return int64(m.End().Sub(m.Start()) / time.Hour) }

// A span is a month with its bounds in Unix seconds.
type span struct {
	month      Month
	start, end int64
}

// monthOf is MonthOf, quick for times of the month that was asked for last.
func (m *Meter) monthOf(t time.Time) Month {
	at := t.Unix()
	if s := m.month.Load(); s != nil && s.start <= at && at < s.end {
		return s.month
	}
	month := MonthOf(t)
	m.month.Store(&span{month, month.Start().Unix(), month.End().Unix()})
	return month
}
