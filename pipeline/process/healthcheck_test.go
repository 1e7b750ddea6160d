package process_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/process"
)

func TestHealthcheckAsksTheRunningProgram(t *testing.T) {
	port := pipelinetest.FreePort(t)
	address := "127.0.0.1:" + port
	variables := map[string]string{"MESHWEIR_HEALTH_LISTEN": address}
	if code, _, errs := call(t, nil, variables, "--healthcheck"); code != process.ExitFailure || !strings.Contains(errs, address) {
		t.Errorf("while nothing runs: got %d and %q, want a failure that names %s", code, errs, address)
	}
	for _, tt := range []struct {
		state error
		want  int
	}{{nil, process.ExitOK}, {errors.New("no water"), process.ExitFailure}} {
		run := func(ctx context.Context, env process.Env) error {
			env.Health.AddReady("pump", func(context.Context) error { return tt.state })
			ctx, cancel := context.WithCancel(ctx)
			return process.Together(ctx, env.ServeHealth, func(ctx context.Context) error {
				defer cancel()
				code, out, errs := askHealth(ctx, t, ":"+port)
				if code != tt.want || !strings.Contains(out, "pump") || strings.Contains(errs, "503") != (tt.state != nil) {
					t.Errorf("when the check says %v: got %d, %q and %q, want %d", tt.state, code, out, errs, tt.want)
				}
				return nil
			})
		}
		if code, _, errs := call(t, run, variables); code != process.ExitOK {
			t.Fatalf("the program that was asked: %d, %s", code, errs)
		}
	}
}

// askHealth asks until somebody answers.
func askHealth(ctx context.Context, t *testing.T, address string) (code int, out, errs string) {
	t.Helper()
	for {
		code, out, errs = call(t, nil, map[string]string{"MESHWEIR_HEALTH_LISTEN": address}, "--healthcheck")
		if out != "" || ctx.Err() != nil {
			return code, out, errs
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestHealthcheckWithoutAnAddressSaysWhichFlagIsMissing(t *testing.T) {
	code, _, errs := call(t, nil, nil, "--healthcheck")
	if code != process.ExitUsage || !strings.Contains(errs, "MESHWEIR_HEALTH_LISTEN") {
		t.Errorf("got %d and %q, want a usage error that names the variable", code, errs)
	}
}
