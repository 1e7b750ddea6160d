package keyspace_test

import (
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

func TestRulesOfAUserCoverWhatItsServiceDoes(t *testing.T) {
	tests := []struct {
		name   string
		access keyspace.Access
		want   string // keys and channels
		never  []string
	}{
		{
			"its own keyspaces", keyspace.Access{Writes: []string{"snapshot/east"}, Reads: []string{"output/east"}},
			"~mw:{snapshot/east}:* %R~mw:{output/east}:* &mw:announce", []string{"+sadd", "+xgroup|create", "+xtrim", "+subscribe"},
		},
		{
			"all of a kind, with a group", keyspace.Access{Writes: []string{"view/*"}, Reads: []string{"snapshot/*"}, Group: "ui"},
			"~mw:{view/*}:* %R~mw:{snapshot/*}:* ~mw:{snapshot/*}:events ~mw:{dead}:ui ~mw:{directory}:names &mw:announce", []string{"+xinfo|stream"},
		},
		{
			"reading alone", keyspace.Access{Reads: []string{"output/east"}},
			"%R~mw:{output/east}:* &mw:announce", []string{"+hset", "+publish"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := tt.access.Rules()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(rules, " ")
			if keys, _, _ := strings.Cut(got, " -@all "); keys != tt.want {
				t.Errorf("got  %s\nwant %s", keys, tt.want)
			}
			for _, rule := range tt.never {
				if strings.Contains(got+" ", rule+" ") {
					t.Errorf("%s is in %s", rule, got)
				}
			}
		})
	}
}

func TestRulesAreRefusedForWhatIsNoKeyspace(t *testing.T) {
	for _, access := range []keyspace.Access{
		{}, {Writes: []string{"snapshot"}}, {Writes: []string{"*"}}, {Reads: []string{"*/east"}}, {Reads: []string{"snapshot/east ~*"}}, {Writes: []string{"snapshot/e?st"}},
	} {
		if rules, err := access.Rules(); err == nil {
			t.Errorf("%+v gave %v", access, rules)
		}
	}
}
