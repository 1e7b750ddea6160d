package ratelimiter

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// longestBody bounds a call by HTTP.
const longestBody = 1 << 20

// mostShown bounds the counters of one answer.
const mostShown = 1000

// pages serves decisions, health and counters by HTTP:
//
//	POST /json         a RateLimitRequest as JSON; 200, 429 over a limit, 400 for a bad call, 503 when Redis does not answer
//	GET  /healthcheck  200 while it decides
//	GET  /counters     who is close to a limit or over it, as this limiter last heard: ?n=100&domain=…
func (s *Service) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /json", s.serveJSON)
	mux.HandleFunc("GET /healthcheck", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.loaded(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "OK")
	})
	mux.HandleFunc("GET /counters", s.serveCounters)
	return mux
}

func (s *Service) serveJSON(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
	if err != nil {
		refuse(w, http.StatusBadRequest, "reading the call: "+err.Error())
		return
	}
	var request pb.RateLimitRequest
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, &request); err != nil {
		refuse(w, http.StatusBadRequest, "reading the call: it is no RateLimitRequest as JSON: "+err.Error())
		return
	}
	answer, err := s.decider.decide(time.Now(), &request)
	if err != nil {
		code := http.StatusBadRequest
		if status.Code(err) == codes.Unavailable {
			code = http.StatusServiceUnavailable
		}
		refuse(w, code, status.Convert(err).Message())
		return
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "writing the answer: "+err.Error())
		return
	}
	for _, h := range answer.GetResponseHeadersToAdd() {
		w.Header().Set(h.GetKey(), h.GetValue())
	}
	w.Header().Set("Content-Type", "application/json")
	if answer.GetOverallCode() == pb.RateLimitResponse_OVER_LIMIT {
		w.WriteHeader(http.StatusTooManyRequests)
	}
	w.Write(text) //nolint:errcheck // the client left
}

func (s *Service) serveCounters(w http.ResponseWriter, r *http.Request) {
	n := 100
	if text := r.URL.Query().Get("n"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > mostShown {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("n is %q; want a number from 1 to %d", text, mostShown))
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"counters": s.Counters(n, r.URL.Query().Get("domain"))})
}

func refuse(w http.ResponseWriter, code int, why string) {
	writeJSON(w, code, map[string]string{"error": why})
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(value) //nolint:errcheck // the client left
}
