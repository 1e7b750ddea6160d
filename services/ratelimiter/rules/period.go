package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/limits"
)

// A Period is how long a limit counts: a fixed length, or what the calendar says in UTC.
type Period struct {
	// Length is the length of a fixed period, in whole seconds. 0 for one of the calendar.
	Length time.Duration
	// Unit is the envoyproxy/ratelimit unit that the period is one of, such as "minute", or "".
	Unit string

	calendar string // day, week, month, or ""
	months   int    // of the calendar's month and year
}

// Calendar says whether the period begins where the calendar says, so that its length varies.
func (p Period) Calendar() bool { return p.calendar != "" }

// Window returns the period that contains a time. Fixed ones begin at whole multiples of their length since the Unix
// epoch; a week of the calendar on Monday.
func (p Period) Window(now time.Time) (start, end time.Time) {
	now = now.UTC()
	year, month, day := now.Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	switch p.calendar {
	case "day":
		return midnight, midnight.AddDate(0, 0, 1)
	case "week":
		start = midnight.AddDate(0, 0, -(int(now.Weekday())+6)%7)
		return start, start.AddDate(0, 0, 7)
	case "month":
		first := (year*12 + int(month) - 1) / p.months * p.months
		start = time.Date(first/12, time.Month(first%12+1), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, p.months, 0)
	}
	length := int64(p.Length / time.Second)
	begin := now.Unix() / length * length
	if begin > now.Unix() { // before 1970
		begin -= length
	}
	return time.Unix(begin, 0).UTC(), time.Unix(begin+length, 0).UTC()
}

// String is the period as a configuration would say it: "1m0s", "calendar month".
func (p Period) String() string {
	switch {
	case p.calendar == "month" && p.months == 12:
		return "calendar year"
	case p.calendar == "month" && p.months > 1:
		return strconv.Itoa(p.months) + " calendar months"
	case p.calendar != "":
		return "calendar " + p.calendar
	}
	return p.Length.String()
}

// id is the part of a counter's identity.
func (p Period) id() string {
	switch {
	case p.calendar == "month":
		return "m" + strconv.Itoa(p.months)
	case p.calendar != "":
		return p.calendar[:1]
	}
	return strconv.FormatInt(int64(p.Length/time.Second), 10)
}

const (
	day     = 24 * time.Hour
	longest = 3660 * day // about ten years
)

// units are the units of envoyproxy/ratelimit; a month and a year are fixed spans there.
func unit(name string) time.Duration {
	switch name {
	case "second":
		return time.Second
	case "minute":
		return time.Minute
	case "hour":
		return time.Hour
	case "day":
		return day
	case "week":
		return 7 * day
	case "month":
		return 30 * day
	case "year":
		return 365 * day
	}
	return 0
}

// period reads the period of a limit. The error begins with the field that is wrong.
func period(l limits.Limit) (Period, *fieldError) {
	name := strings.ToLower(l.Unit)
	length := unit(name)
	many := max(l.Multiplier, 1)
	switch {
	case l.Unit == "" && l.Period == "":
		return Period{}, fault("unit", "a limit needs unit (second, minute, hour, day, week, month, year) or period (\"30s\")")
	case l.Unit != "" && l.Period != "":
		return Period{}, fault("period", "unit says it already; leave one of them out")
	case l.Period != "" && (l.Multiplier != 0 || l.Calendar):
		return Period{}, fault("period", "unit_multiplier and calendar go with unit")
	case l.Period != "":
		return lengthy(l.Period)
	case length == 0:
		return Period{}, fault("unit", fmt.Sprintf("%q is none of second, minute, hour, day, week, month, year%s", l.Unit,
			didYouMean(name, "second", "minute", "hour", "day", "week", "month", "year")))
	case l.Calendar:
		return calendar(name, int(min(many, 1000)))
	case int64(many) > int64(longest/length):
		return Period{}, fault("unit_multiplier", "the period would be longer than ten years")
	}
	return Period{Length: time.Duration(many) * length}.named(), nil
}

func calendar(name string, many int) (Period, *fieldError) {
	switch {
	case name == "second" || name == "minute" || name == "hour":
		return Period{}, fault("calendar", "goes with day, week, month and year; a "+name+" begins where it begins without it")
	case name == "month" && many <= 120:
		return Period{calendar: "month", months: many}, nil
	case name == "year" && many <= 10:
		return Period{calendar: "month", months: 12 * many}, nil
	case name == "month" || name == "year":
		return Period{}, fault("unit_multiplier", "the period would be longer than ten years")
	case many > 1:
		return Period{}, fault("unit_multiplier", "the calendar has no periods of several "+name+"s; leave out calendar, or the multiplier")
	}
	return Period{calendar: name}, nil
}

func lengthy(text string) (Period, *fieldError) {
	length, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return Period{}, fault("period", fmt.Sprintf("%q is no length of time; write \"30s\", \"5m\" or \"36h\"", text))
	case length < time.Second || length%time.Second != 0:
		return Period{}, fault("period", fmt.Sprintf("%q is not a whole number of seconds", text))
	case length > longest:
		return Period{}, fault("period", "it is longer than ten years")
	}
	return Period{Length: length}.named(), nil
}

// named adds the unit that a fixed period is one of.
func (p Period) named() Period {
	for _, name := range []string{"second", "minute", "hour", "day", "week", "month", "year"} {
		if unit(name) == p.Length {
			p.Unit = name
		}
	}
	return p
}
