package redisconn

import "github.com/spf13/pflag"

// Role is a group of keyspaces that may live in a Redis of its own.
type Role string

// The roles.
const (
	// Control holds snapshots, outputs, statuses and every stream of theirs.
	Control Role = "control"
	// Insights holds findings and their history.
	Insights Role = "insights"
	// Auth holds API keys, sessions and claims.
	Auth Role = "auth"
	// Limits holds the counters of rate limits.
	Limits Role = "limits"
)

// URLs has a Redis URL for each role. An empty one means that the role shares Control's.
type URLs struct {
	Control, Insights, Auth, Limits string
}

// For returns the URL for a role.
func (u URLs) For(role Role) string {
	if own := *u.field(role); own != "" {
		return own
	}
	return u.Control
}

func (u *URLs) field(role Role) *string {
	switch role {
	case Insights:
		return &u.Insights
	case Auth:
		return &u.Auth
	case Limits:
		return &u.Limits
	case Control:
	}
	return &u.Control
}

// DefineFlags defines --redis-control, and --redis-<role> for each further role that the program uses.
func (u *URLs) DefineFlags(flags *pflag.FlagSet, roles ...Role) {
	if u.Control == "" {
		u.Control = "redis://127.0.0.1:6379"
	}
	flags.StringVar(&u.Control, "redis-control", u.Control,
		"Redis `URL`: redis[s]://, redis[s]+sentinel://, redis[s]+cluster:// or unix://; a password is better given by the environment variable, or by password_file=")
	for _, role := range roles {
		if role == Control {
			continue
		}
		flags.StringVar(u.field(role), "redis-"+string(role), *u.field(role),
			"Redis `URL` for what has the role "+string(role)+" (default: that of --redis-control)")
	}
}
