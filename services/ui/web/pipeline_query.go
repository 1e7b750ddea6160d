package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
)

// pipelineQuery says which keyspaces, and which dead letters, the page of the pipeline shows.
type pipelineQuery struct {
	// Text is a part of the names of keyspaces.
	Text string `json:"q,omitempty"`
	// Page is the number of the page of keyspaces, from 1.
	Page int `json:"page"`
	// Before is the dead letter behind which those of Group are listed; Class leaves those of one class. Empty: the newest of all.
	Group  string       `json:"group,omitempty"`
	Class  stream.Class `json:"class,omitempty"`
	Before string       `json:"before,omitempty"`
}

// parsePipelineQuery reads a query. Its errors are for the person who wrote the URL.
func parsePipelineQuery(values url.Values) (pipelineQuery, error) {
	q := pipelineQuery{
		Text: strings.TrimSpace(values.Get("q")), Page: 1,
		Group: values.Get("group"), Class: stream.Class(values.Get("class")), Before: values.Get("before"),
	}
	if len(q.Text) > maxText {
		return q, fmt.Errorf("q is %d bytes long; it can be %d", len(q.Text), maxText)
	}
	if text := values.Get("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return q, fmt.Errorf("page is %q; it can be a number from 1", text)
		}
		q.Page = n
	}
	if q.Before != "" && (!letterID.MatchString(q.Before) || !letterGroup.MatchString(q.Group)) {
		return q, fmt.Errorf("before is %q of group %q, which is no dead letter", q.Before, q.Group)
	}
	return q, nil
}

// URL is the page of the query.
func (q pipelineQuery) URL() string {
	values := given(map[string]string{"q": q.Text, "group": q.Group, "class": string(q.Class), "before": q.Before})
	if q.Page > 1 {
		values.Set("page", strconv.Itoa(q.Page))
	}
	return withQuery("/pipeline", values)
}

func (q pipelineQuery) at(page int) string {
	q.Page = page
	return q.URL()
}

// olderThan is the page of the dead letters of a group before one of them; of one class where it names one.
func (q pipelineQuery) olderThan(group string, class stream.Class, id string) string {
	q.Group, q.Class, q.Before = group, class, id
	return q.URL()
}

// fillKeyspaces takes from the survey what the query asks for, what asks for attention first.
func (p *pipelinePage) fillKeyspaces() {
	var all []survey.Keyspace
	for _, k := range p.Survey.Keyspaces {
		if strings.Contains(string(k.Name), strings.ToLower(p.Query.Text)) {
			all = append(all, k)
		}
	}
	slices.SortStableFunc(all, func(a, b survey.Keyspace) int {
		return cmp.Or(attention(a)-attention(b), strings.Compare(string(a.Name), string(b.Name)))
	})
	p.Total = len(all)
	from := min(min(p.Query.Page-1, len(all))*pageSize, len(all)) // what is bounded first cannot overflow
	to := min(from+pageSize, len(all))
	p.Keyspaces = all[from:to]
	if p.Query.Page > 1 {
		p.Previous = p.Query.at(p.Query.Page - 1)
	}
	if to < len(all) {
		p.Next = p.Query.at(p.Query.Page + 1)
	}
}

// attention ranks keyspaces: first what is wrong with them, then what waits.
func attention(k survey.Keyspace) int {
	wrong, waits := !k.Exists || len(k.Trouble) > 0, !k.Complete
	for _, i := range k.Inputs {
		wrong, waits = wrong || i.Lost, waits || i.Behind > 0
	}
	for _, g := range k.Stream.Groups {
		wrong, waits = wrong || g.Lag < 0, waits || g.Lag > 0 || g.Pending > 0
	}
	switch {
	case wrong:
		return 0
	case waits:
		return 1
	default:
		return 2
	}
}
