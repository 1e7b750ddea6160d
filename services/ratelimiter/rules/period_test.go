package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/schemas/limits"
)

func TestWindowsBeginWhereTheirPeriodSays(t *testing.T) {
	tests := []struct {
		name           string
		limit          limits.Limit
		now            string
		start, end, is string
	}{
		{"a minute", limits.Limit{Unit: "MINUTE"}, "2026-12-01T04:20:52Z", "2026-12-01T04:20:00Z", "2026-12-01T04:21:00Z", "minute"},
		{"30 s", limits.Limit{Period: "30s"}, "2026-12-01T04:20:52Z", "2026-12-01T04:20:30Z", "2026-12-01T04:21:00Z", ""},
		{"a length that is a unit", limits.Limit{Period: "60s"}, "2026-12-01T04:20:52Z", "2026-12-01T04:20:00Z", "2026-12-01T04:21:00Z", "minute"},
		{"five minutes", limits.Limit{Unit: "minute", Multiplier: 5}, "2026-12-01T04:24:59Z", "2026-12-01T04:20:00Z", "2026-12-01T04:25:00Z", ""},
		{"a week of envoyproxy/ratelimit begins on Thursday", limits.Limit{Unit: "week"}, "2026-12-01T04:20:52Z", "2026-11-26T00:00:00Z", "2026-12-03T00:00:00Z", "week"},
		{"a week of the calendar on Monday", limits.Limit{Unit: "week", Calendar: true}, "2026-12-01T04:20:52Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z", ""},
		{"also on a Sunday", limits.Limit{Unit: "week", Calendar: true}, "2026-12-06T23:59:59Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z", ""},
		{"a day of the calendar", limits.Limit{Unit: "day", Calendar: true}, "2026-12-01T04:20:52Z", "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", ""},
		{"a day in another zone", limits.Limit{Unit: "day", Calendar: true}, "2026-12-01T01:00:00+02:00", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", ""},
		{"a month of the calendar", limits.Limit{Unit: "month", Calendar: true}, "2024-02-29T04:20:52Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", ""},
		{"a quarter", limits.Limit{Unit: "month", Multiplier: 3, Calendar: true}, "2026-12-01T04:20:52Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z", ""},
		{"a year of the calendar", limits.Limit{Unit: "year", Calendar: true}, "2026-12-01T04:20:52Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", ""},
		{"before 1970", limits.Limit{Unit: "minute"}, "1969-12-31T23:59:30Z", "1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z", "minute"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := period(tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			now, bad := time.Parse(time.RFC3339, tt.now)
			if bad != nil {
				t.Fatal(bad)
			}
			start, end := p.Window(now)
			if start.Format(time.RFC3339) != tt.start || end.Format(time.RFC3339) != tt.end || p.Unit != tt.is {
				t.Errorf("got %v to %v (%q), want %s to %s (%q)", start, end, p.Unit, tt.start, tt.end, tt.is)
			}
		})
	}
}

func TestRefusesWhatDoesNotGoTogether(t *testing.T) {
	tests := []struct {
		name string
		in   limits.Limit
		want string
	}{
		{"unit and period", limits.Limit{Unit: "second", Period: "1s"}, "rate_limit.period: unit says it already"},
		{"a fraction of a second", limits.Limit{Period: "1500ms"}, "rate_limit.period: \"1500ms\" is not a whole number of seconds"},
		{"no time at all", limits.Limit{Period: "-5s"}, "rate_limit.period: \"-5s\" is not"},
		{"a period without a length", limits.Limit{Period: "soon"}, "rate_limit.period: \"soon\" is no length of time"},
		{"too long", limits.Limit{Unit: "year", Multiplier: 4294967295}, "rate_limit.unit_multiplier: the period would be longer than ten years"},
		{"too long by the calendar", limits.Limit{Unit: "year", Multiplier: 4294967295, Calendar: true}, "rate_limit.unit_multiplier: the period would be longer than ten years"},
		{"hours of the calendar", limits.Limit{Unit: "hour", Calendar: true}, "rate_limit.calendar: goes with day"},
		{"weeks of the calendar", limits.Limit{Unit: "week", Multiplier: 2, Calendar: true}, "rate_limit.unit_multiplier: the calendar has no periods of several weeks"},
		{"a sliding month", limits.Limit{Unit: "month", Calendar: true, Algorithm: limits.SlidingWindow}, "rate_limit.calendar: goes with algorithm fixed_window"},
		{"a burst of a window", limits.Limit{Unit: "second", Burst: 5}, "rate_limit.burst: goes with algorithm gcra"},
		{"more than one in a microsecond", limits.Limit{Unit: "second", Requests: 1000001, Algorithm: limits.GCRA}, "rate_limit.requests_per_unit: gcra spaces"},
		{"an algorithm", limits.Limit{Unit: "second", Algorithm: "gcar"}, "did you mean \"gcra\"?"},
		{"an outcome", limits.Limit{Unit: "second", OnError: "alow"}, "did you mean \"allow\"?"},
		{"unlimited with a period", limits.Limit{Unlimited: true, Period: "1s"}, "rate_limit.period: goes without unlimited"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Build(limits.Domain{Domain: "d", Descriptors: []limits.Rule{{Key: "k", Terms: limits.Terms{Limit: &tt.in}}}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
