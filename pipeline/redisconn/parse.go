package redisconn

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a URL in one of the forms that the package lists. Its errors say
// what is wrong and never quote a password. (net/url would: its errors hold the
// whole URL, and it takes no list of hosts.)
func Parse(raw string) (Target, error) {
	t, err := parse(raw)
	if err != nil {
		return Target{}, fmt.Errorf("reading a Redis URL: %w", err)
	}
	return t, nil
}

func parse(raw string) (Target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return Target{}, fmt.Errorf("it has no %q; want one of %s", "scheme://", schemeList())
	}
	t, ok := schemes()[scheme]
	if !ok {
		return Target{}, fmt.Errorf("its scheme is none of %s", schemeList())
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	// An unencoded password must not pass for a host, a path or a parameter: those are quoted in errors.
	if strings.ContainsAny(path+query, "@#") || strings.Contains(authority, "#") {
		return Target{}, errors.New(`it has an "@" or "#" behind the host; write a user or password that holds one of "@/?#" percent-encoded (%40 %2F %3F %23)`)
	}
	hosts := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := t.parseUser(authority[:i]); err != nil {
			return Target{}, err
		}
		hosts = authority[i+1:]
	}
	unixSocket := scheme == "unix"
	err := errors.Join(
		t.parseHosts(hosts, path, unixSocket),
		t.parsePath(path, unixSocket),
		t.parseParameters(query, scheme),
	)
	if err != nil {
		return Target{}, err
	}
	return t, t.checkTogether()
}

func schemes() map[string]Target {
	return map[string]Target{
		"embedded":        {Mode: ModeEmbedded},
		"unix":            {Mode: ModeSingle},
		"redis":           {Mode: ModeSingle},
		"rediss":          {Mode: ModeSingle, TLS: true},
		"redis+sentinel":  {Mode: ModeSentinel},
		"rediss+sentinel": {Mode: ModeSentinel, TLS: true},
		"redis+cluster":   {Mode: ModeCluster},
		"rediss+cluster":  {Mode: ModeCluster, TLS: true},
	}
}

func schemeList() string {
	return strings.Join(slices.Sorted(maps.Keys(schemes())), ", ")
}

func (t *Target) parseUser(info string) error {
	user, password, _ := strings.Cut(info, ":")
	var err [2]error
	t.Username, err[0] = url.PathUnescape(user)
	t.Password, err[1] = url.PathUnescape(password)
	if errors.Join(err[:]...) != nil {
		return errors.New(`its user or password holds a "%" that begins no percent-encoded byte; write "%" itself as %25`)
	}
	if t.Mode == ModeEmbedded {
		return errors.New("the embedded Redis takes no user and no password")
	}
	return nil
}

func (t *Target) parseHosts(hosts, path string, unixSocket bool) error {
	if unixSocket {
		if hosts != "" {
			return fmt.Errorf("a Unix socket has no host, but there is %q; write three slashes: unix:///run/redis.sock", hosts)
		}
		if len(path) < 2 {
			return errors.New("it names no socket; want unix:///run/redis.sock")
		}
		return nil
	}
	if hosts == "" {
		if t.Mode == ModeEmbedded {
			return errors.New("embedded:// without an address has no meaning across processes; `meshweir up` starts an embedded Redis and prints its address")
		}
		return errors.New("it names no host")
	}
	list := strings.Split(hosts, ",")
	if len(list) > 1 && (t.Mode == ModeSingle || t.Mode == ModeEmbedded) {
		return errors.New("it names several hosts; that takes redis+sentinel:// or redis+cluster://")
	}
	for _, host := range list {
		addr, err := parseHost(host, t.defaultPort())
		if err != nil {
			return err
		}
		t.Addrs = append(t.Addrs, addr)
	}
	return nil
}

func (t *Target) defaultPort() string {
	if t.Mode == ModeSentinel {
		return "26379"
	}
	return "6379"
}

func parseHost(s, defaultPort string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil { // it has no port, or is no address at all
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is no host:port", s)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("port %q of host %q is no number of 1 to 65535", port, host)
	}
	if host == "" || strings.ContainsFunc(host, notInHost) {
		return "", fmt.Errorf("%q is no host name or address", host)
	}
	return net.JoinHostPort(host, port), nil
}

func notInHost(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`[]<>{}|\^"'%;&=+$!*(),`+"`", r)
}

func (t *Target) parsePath(path string, unixSocket bool) error {
	name, err := url.PathUnescape(path)
	if err != nil {
		return errors.New(`its path holds a "%" that begins no percent-encoded byte`)
	}
	if unixSocket {
		t.Addrs = []string{name}
		return nil
	}
	name = strings.Trim(name, "/")
	switch t.Mode {
	case ModeSentinel:
		if name == "" || strings.Contains(name, "/") {
			return errors.New("it names no master; want redis+sentinel://host:26379/mymaster")
		}
		t.Master = name
	case ModeSingle:
		if name == "" {
			return nil
		}
		return t.parseDB(name)
	case ModeCluster:
		if name != "" && name != "0" {
			return fmt.Errorf("it names database %q; a Redis Cluster has database 0 only", name)
		}
	case ModeEmbedded:
		if name != "" {
			return fmt.Errorf("it has a path %q, which the embedded Redis does not use", name)
		}
	}
	return nil
}

func (t *Target) parseDB(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return fmt.Errorf("database %q is no number", s)
	}
	t.DB = int(n)
	return nil
}
