package process

import (
	"context"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"

	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/trace"
)

// Logging says how a program logs.
type Logging struct {
	// Level is the lowest level that is logged: debug, info, warn or error; empty means info.
	Level string
	// Format is text or json; auto and empty mean text on a terminal and json elsewhere.
	Format string
}

// DefineFlags defines --log-level, whose default is Level, and --log-format.
func (l *Logging) DefineFlags(flags *pflag.FlagSet) {
	levels := []string{"info", "debug", "warn", "error"}
	if i := slices.Index(levels, l.Level); i > 0 {
		levels[0], levels[i] = levels[i], levels[0] // the first is the default
	}
	Choice(flags, &l.Level, "log-level", "lowest level that is logged", levels...)
	Choice(flags, &l.Format, "log-format", "form of the log (auto: text on a terminal, json elsewhere)", "auto", "text", "json")
}

// Logger returns a logger that writes to out. Its lines carry the trace_id and
// span_id of their context, and never the value of an attribute whose key
// tells of a secret.
func (l Logging) Logger(out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.level(), ReplaceAttr: redact}
	var h slog.Handler = slog.NewJSONHandler(out, options)
	if l.Format == "text" || l.Format != "json" && isTerminal(out) {
		h = slog.NewTextHandler(out, options)
	}
	return slog.New(traceHandler{h})
}

func (l Logging) level() slog.Level {
	switch l.Level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	stat, err := f.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}

var secretKey = regexp.MustCompile(`(?i)secret|passw|token$|authorization|cookie|api_?key|credential`)

// redact hides the values of attributes that are secrets by their key, or by that of a group they are in.
func redact(groups []string, a slog.Attr) slog.Attr {
	hide := secretKey.MatchString(a.Key)
	for _, g := range groups {
		hide = hide || secretKey.MatchString(g)
	}
	if hide {
		a.Value = slog.StringValue("[redacted]")
	}
	return a
}

// traceHandler adds the ids of the context's span to each line.
type traceHandler struct{ slog.Handler }

// Handle is part of [slog.Handler].
func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is part of [slog.Handler].
func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup is part of [slog.Handler]. The ids stand in the group too.
func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
