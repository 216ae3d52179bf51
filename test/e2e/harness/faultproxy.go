package harness

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A FaultProxy relays requests to an S3 server, except those that a Rule makes fail. Rules belong to a place, the first
// element of a request's key, so that many tests can use one proxy concurrently.
type FaultProxy struct {
	*faults.Proxy
	S3    real.S3 // the server, at the proxy's address
	mu    sync.Mutex
	rules map[string][]*Rule
	seen  map[string][]string // operations, by place
}

// A Rule applies a fault to the first requests for an operation, or to all of them. When makes it.
type Rule struct {
	op    string // as S3 calls it; UploadPart is followed by the part's number, from 1
	times int    // Always = each time
	do    faults.Fault
}

// Always, as the times of a Rule, applies it to each request.
const Always = -1

// When returns a rule for the first requests for an operation, so many times.
func When(op string, times int, do faults.Fault) Rule { return Rule{op, times, do} }

// NewFaultProxy starts a proxy that stops when the test ends.
func NewFaultProxy(t testing.TB, server *real.S3) *FaultProxy {
	p := &FaultProxy{rules: map[string][]*Rule{}, seen: map[string][]string{}, S3: *server}
	p.Proxy = faults.New(t, faults.To(t, server.Endpoint), p.match)
	p.S3.Endpoint = p.URL
	return p
}

// Script replaces the rules of a place, and forgets the requests so far.
func (p *FaultProxy) Script(place string, rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[place], p.seen[place] = nil, nil
	for _, r := range rules {
		p.rules[place] = append(p.rules[place], &r)
	}
}

// Answered returns a channel that is closed after the first answer to an operation. It replaces the rules of the place.
func (p *FaultProxy) Answered(place, op string) <-chan struct{} {
	there := make(chan struct{})
	p.Script(place, When(op, 1, func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
		p.Forward.ServeHTTP(w, r)
		close(there)
	}))
	return there
}

// Unused returns the operations of those rules of a place that were not applied, or not as often as they say.
func (p *FaultProxy) Unused(place string) (ops []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules[place] {
		if r.times > 0 || r.times == Always && !slices.Contains(p.seen[place], r.op) {
			ops = append(ops, r.op)
		}
	}
	return ops
}

func (p *FaultProxy) match(r *http.Request) faults.Fault {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	place, _, _ := strings.Cut(cmp.Or(key, r.URL.Query().Get("prefix")), "/")
	op := operation(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[place] = append(p.seen[place], op)
	for _, rule := range p.rules[place] {
		if rule.op == op && rule.times != 0 {
			rule.times = max(rule.times-1, Always)
			return rule.do
		}
	}
	return nil
}

// operation is real.Operation, with the number of a part.
func operation(r *http.Request) string {
	op := real.Operation(r)
	if op == "UploadPart" {
		op += " " + r.URL.Query().Get("partNumber")
	}
	return op
}
