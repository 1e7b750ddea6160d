package redisconn

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Mode is how servers are reached.
type Mode string

// The modes.
const (
	ModeEmbedded Mode = "embedded"
	ModeSingle   Mode = "single"
	ModeSentinel Mode = "sentinel"
	ModeCluster  Mode = "cluster"
)

// Target is a parsed URL. It holds passwords: print it by its String only.
type Target struct {
	// Mode says which kind of servers Addrs are.
	Mode Mode
	// Addrs are "host:port", or the path of one Unix socket.
	Addrs []string
	// Username is the ACL user; empty for the default user.
	Username string
	// Password is empty when there is none, or when PasswordFile says where it is.
	Password string
	// PasswordFile is the path of a file that holds the password.
	PasswordFile string
	// DB is the number of the database.
	DB int
	// Master is the name by which Sentinels know the master.
	Master string
	// SentinelUsername, SentinelPassword and SentinelPasswordFile are for the Sentinels themselves.
	SentinelUsername, SentinelPassword, SentinelPasswordFile string
	// TLS says whether to speak TLS; the other fields are paths, and a name.
	TLS                                   bool
	TLSCA, TLSCert, TLSKey, TLSServerName string
}

// scheme is what the URL began with.
func (t Target) scheme() string {
	scheme := "redis"
	switch {
	case t.Mode == ModeEmbedded:
		return "embedded"
	case t.socket():
		return "unix"
	case t.TLS:
		scheme = "rediss"
	}
	if t.Mode == ModeSingle {
		return scheme
	}
	return scheme + "+" + string(t.Mode)
}

func (t Target) socket() bool {
	return t.Mode == ModeSingle && len(t.Addrs) == 1 && strings.HasPrefix(t.Addrs[0], "/")
}

// String is a URL without the passwords, for people and logs. It differs from
// what was parsed only in what it leaves out.
func (t Target) String() string {
	var s strings.Builder
	s.WriteString(t.scheme() + "://")
	if t.Username != "" {
		s.WriteString(url.User(t.Username).String() + "@")
	}
	if t.socket() {
		s.WriteString((&url.URL{Path: t.Addrs[0]}).EscapedPath())
	} else {
		s.WriteString(strings.Join(t.Addrs, ","))
	}
	switch {
	case t.Mode == ModeSentinel:
		s.WriteString("/" + url.PathEscape(t.Master))
	case t.Mode == ModeSingle && !t.socket() && t.DB != 0:
		s.WriteString("/" + strconv.Itoa(t.DB))
	}
	if (t.Mode == ModeSentinel || t.socket()) && t.DB != 0 {
		s.WriteString("?db=" + strconv.Itoa(t.DB))
	}
	return s.String()
}

// URL is what [Parse] makes t of again, passwords and all: it is a secret.
func (t Target) URL() string {
	text := t.String()
	if t.Password != "" {
		scheme, rest, _ := strings.Cut(text, "://")
		rest = strings.TrimPrefix(rest, url.User(t.Username).String()+"@")
		text = scheme + "://" + url.UserPassword(t.Username, t.Password).String() + "@" + rest
	}
	separator := "?"
	if strings.Contains(text, "?") { // db
		separator = "&"
	}
	known := t.parameters(t.scheme())
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if value := known[name]; value != nil && *value != "" {
			text += separator + name + "=" + url.QueryEscape(*value)
			separator = "&"
		}
	}
	return text
}

// GoString keeps the passwords out of %#v too.
func (t Target) GoString() string { return t.String() }
