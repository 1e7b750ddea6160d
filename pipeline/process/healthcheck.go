package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"
)

// healthcheckTime bounds the whole question; a service's own checks have less.
const healthcheckTime = 3 * time.Second

// healthcheck asks the same program, which runs beside it with the same flags and variables, whether it is ready. It
// is what the health check of a container calls, whose image holds nothing else that could ask.
func healthcheck(ctx context.Context, flags *pflag.FlagSet, system System) error {
	if err := SetFromEnvironment(flags, system.LookupEnv); err != nil {
		return err
	}
	listen := flags.Lookup("health-listen").Value.String()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return UsageError{fmt.Errorf("asking for health: --health-listen is %q: want the host:port that the running program was given, or %s", listen, Variable("health-listen"))}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // everywhere means here too
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", http.NoBody)
	if err != nil {
		return UsageError{fmt.Errorf("asking for health: %w", err)}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	fmt.Fprintf(system.Stdout, "%s", said) // docker inspect shows it
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	return nil
}
