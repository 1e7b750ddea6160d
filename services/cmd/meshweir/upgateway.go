package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/services/devgateway"
)

// gateway is the development gateway of up.
type gateway struct {
	listen, listenTLS     string
	reach                 []string
	listener, listenerTLS net.Listener
}

func (g *gateway) defineFlags(flags *pflag.FlagSet) {
	flags.StringVar(&g.listen, "gateway-listen", gatewayListen, "`host:port` of the development gateway, which does what the clusters' Gateways say; \"\" is none")
	flags.StringVar(&g.listenTLS, "gateway-listen-tls", gatewayListenTLS, "`host:port` of the development gateway for HTTPS")
	flags.StringSliceVar(&g.reach, "gateway-reach", []string{"127.0.0.0/8", "::1/128"}, "`networks` whose endpoints the development gateway calls; for other backends it answers itself")
}

// open opens the addresses. Where somebody has those that nobody asked for, other ones do.
func (g *gateway) open(ctx context.Context, log *slog.Logger) (err error) {
	if g.listen == "" {
		return nil
	}
	if g.listener, err = listenNear(ctx, log, g.listen, gatewayListen); err != nil {
		return fmt.Errorf("opening the development gateway: %w; name another address with --gateway-listen", err)
	}
	if g.listenerTLS, err = listenNear(ctx, log, g.listenTLS, gatewayListenTLS); err != nil {
		return errors.Join(fmt.Errorf("opening the development gateway: %w; name another address with --gateway-listen-tls", err), g.listener.Close())
	}
	return nil
}

func listenNear(ctx context.Context, log *slog.Logger, address, usual string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if address != usual || !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", anyPort); err == nil {
		log.WarnContext(ctx, "the development gateway's usual address is taken", "usual", usual, "listens_on", listener.Addr().String())
	}
	return listener, err
}

func (g *gateway) close() error {
	if g.listener == nil {
		return nil
	}
	return errors.Join(g.listener.Close(), g.listenerTLS.Close())
}

func (g *gateway) config() devgateway.Config {
	return devgateway.Config{Listener: g.listener, ListenerTLS: g.listenerTLS, Reach: g.reach}
}

// count is how many checks of readiness the gateway has.
func (g *gateway) count() int {
	if g.listener == nil {
		return 0
	}
	return 1
}

// says tells how the gateway is tried.
func (g *gateway) says(clusters string) string {
	if g.listener == nil {
		return ""
	}
	try := fmt.Sprintf("curl -H 'Host: HOST' http://%s/", g.listener.Addr())
	if clusters == demoDir {
		try = fmt.Sprintf("curl -k --connect-to ::%s https://%s/", g.listenerTLS.Addr(), demoHost)
	}
	return fmt.Sprintf("  gateway    %s   (for development, no Envoy)\n"+
		"             http://%s/.meshweir/devgateway   what it serves, and what it does not execute\n", try, g.listener.Addr())
}

// demoHost is a host of the demo clusters.
const demoHost = "shop.harborgoods.example"
