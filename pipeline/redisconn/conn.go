package redisconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say how a [Conn] behaves. The zero value is usable.
type Options struct {
	// Name is what the server lists the connections as (CLIENT LIST); empty means "meshweir".
	Name string
	// Timeout bounds each dial, read and write; 0 means 5 s.
	Timeout time.Duration
	// Retries is how often Client runs a command again that a broken connection interrupted; 0 means 3, and -1 never.
	Retries int
	// Readers is the highest number of blocking reads at once, for each node; 0 means 1,024.
	// Connections are made as readers come, and closed when they go.
	Readers int
	// Wait is the longest time that a blocking read may ask for (BLOCK); 0 means 30 s.
	Wait time.Duration
}

// Conn is a Redis, by two clients.
type Conn struct {
	// Client runs commands. It retries what a broken connection interrupted, so
	// commands may run twice, unless Options say otherwise.
	Client redis.UniversalClient
	// Blocking is for reads that wait, and nothing else. It retries nothing: its
	// callers loop anyway.
	Blocking redis.UniversalClient

	log    *slog.Logger
	target Target
}

// Open makes the clients. It checks the URL and the files that the URL names,
// but connects to nothing: services start in any order. [Conn.Await] connects.
func Open(log *slog.Logger, rawURL string, o Options) (*Conn, error) {
	target, err := Parse(rawURL)
	if err != nil {
		return nil, err
	}
	commands, err := target.options(o)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", target, err)
	}
	blocking := *commands
	blocking.MaxRetries = -1
	blocking.ReadTimeout = commands.ReadTimeout + cmp.Or(o.Wait, 30*time.Second)
	blocking.PoolSize = cmp.Or(o.Readers, 1024)
	blocking.ConnMaxIdleTime = time.Minute

	c := &Conn{
		Client:   redis.NewUniversalClient(commands),
		Blocking: redis.NewUniversalClient(&blocking),
		log:      log.With("redis", target.String()),
		target:   target,
	}
	outages := &outages{log: c.log}
	for _, client := range []redis.UniversalClient{c.Client, c.Blocking} {
		if cluster, ok := client.(*redis.ClusterClient); ok {
			cluster.OnNewNode(func(node *redis.Client) {
				node.AddHook(outages)
				node.AddHook(moves{cluster})
			})
		} else {
			client.AddHook(outages)
		}
	}
	return c, nil
}

func (t Target) options(o Options) (*redis.UniversalOptions, error) {
	tlsConfig, err := t.tlsConfig()
	if err != nil {
		return nil, err
	}
	timeout := cmp.Or(o.Timeout, 5*time.Second)
	u := &redis.UniversalOptions{
		Addrs: t.Addrs, MasterName: t.Master, DB: t.DB, IsClusterMode: t.Mode == ModeCluster,
		Username: t.Username, Password: t.Password,
		SentinelUsername: t.SentinelUsername, SentinelPassword: t.SentinelPassword,
		TLSConfig:  tlsConfig,
		ClientName: cmp.Or(o.Name, "meshweir"),
		// What the library says of itself helps nobody, and a user of few rights may not say it.
		DisableIdentity: true,
		DialTimeout:     timeout, ReadTimeout: timeout, WriteTimeout: timeout,
		ContextTimeoutEnabled: true,
		// One try to dial for each try of a command: what retries here multiplies.
		DialerRetries: 1,
		MaxRetries:    cmp.Or(o.Retries, 3), MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 500 * time.Millisecond,
		// A second pool for pipelines would double the connections.
		PipelinePoolSize: -1,
		// Costs a command for each connection and helps on Redis Enterprise only.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if t.PasswordFile != "" {
		if _, err := readPassword(t.PasswordFile); err != nil {
			return nil, fmt.Errorf("reading password_file: %w", err)
		}
		u.CredentialsProviderContext = func(context.Context) (string, string, error) {
			password, err := readPassword(t.PasswordFile)
			return t.Username, password, err
		}
	}
	if t.SentinelPasswordFile != "" {
		if u.SentinelPassword, err = readPassword(t.SentinelPasswordFile); err != nil {
			return nil, fmt.Errorf("reading sentinel_password_file: %w", err)
		}
	}
	return u, nil
}

func readPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return password, nil
}

// Target says where the connection goes.
func (c *Conn) Target() Target { return c.target }

// String is the URL without its passwords.
func (c *Conn) String() string { return c.target.String() }

// Close closes both clients. A client that someone closed before is no error.
func (c *Conn) Close() error {
	var errs []error
	for _, client := range []redis.UniversalClient{c.Client, c.Blocking} {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing %s: %w", c.target, err)
	}
	return nil
}
