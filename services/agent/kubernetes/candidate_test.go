package kubernetes

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/typed/coordination/v1/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// TestALeaderThatDoesNotFindItsLeaseAsItLeftItLeadsNoMore: another replica took
// it over while this one was paused, or the cluster was restored from a backup.
func TestALeaderThatDoesNotFindItsLeaseAsItLeftItLeadsNoMore(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	held := func(by string, at time.Time) *coordination.Lease {
		renewed := metav1.NewMicroTime(at.Truncate(time.Microsecond)) // as the API server keeps it
		return &coordination.Lease{Spec: coordination.LeaseSpec{HolderIdentity: &by, RenewTime: &renewed}}
	}
	tests := map[string]struct {
		leads bool
		lease *coordination.Lease
		err   error
		lost  bool
	}{
		"as it left it":                     {leads: true, lease: held("me", now)},
		"with an answer that never came":    {leads: true, lease: held("me", now.Add(2*time.Second))},
		"another replica's":                 {leads: true, lease: held("other", now.Add(20*time.Second)), lost: true},
		"its own, of an earlier day":        {leads: true, lease: held("me", now.Add(-24*time.Hour)), lost: true},
		"gone":                              {leads: true, err: apierrors.NewNotFound(schema.GroupResource{}, Name), lost: true},
		"out of reach":                      {leads: true, err: errors.New("connection refused")},
		"another's, while it does not lead": {lease: held("other", now)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api := &clienttesting.Fake{}
			api.AddReactor("create", "leases", func(clienttesting.Action) (bool, runtime.Object, error) { return true, held("me", now), nil })
			api.AddReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) { return true, test.lease, test.err })
			lost := false
			c := &candidate{lose: func() { lost = true }, reach: newReach(slog.New(slog.DiscardHandler), nil), LeaseLock: resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: "meshweir", Name: Name},
				Client:     &fake.FakeCoordinationV1{Fake: api},
				LockConfig: resourcelock.ResourceLockConfig{Identity: "me"},
			}}
			if test.leads {
				c.RecordEvent("became leader")
			}
			if err := c.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me", RenewTime: metav1.NewTime(now)}); err != nil {
				t.Fatal(err)
			}
			_, _, err := c.Get(t.Context())
			if !errors.Is(err, test.err) {
				t.Errorf("got %v from Get, want %v", err, test.err)
			}
			if lost != test.lost {
				t.Errorf("lost: %t, want %t", lost, test.lost)
			}
		})
	}
}
