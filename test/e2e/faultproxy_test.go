package e2e

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

// A faultProxy stands between the bridge and an S3 server, and does to some requests what the rules for their place say:
// the first element of their key, so that many tests can go through one proxy at a time.
type faultProxy struct {
	*faults.Proxy
	s3    real.S3 // as seen through the proxy
	mu    sync.Mutex
	rules map[string][]*rule
	seen  map[string][]string // operations, by place
}

// A rule does something to the first requests for an operation, or to all of them.
type rule struct {
	op    string // as S3 calls it; a part has its number behind it, from 1
	times int    // always = each time
	do    faults.Fault
}

const always = -1

func newFaultProxy(t testing.TB, server *real.S3) *faultProxy {
	p := &faultProxy{rules: map[string][]*rule{}, seen: map[string][]string{}, s3: *server}
	p.Proxy = faults.New(t, faults.To(t, server.Endpoint), p.match)
	p.s3.Endpoint = p.URL
	return p
}

// script sets the rules of a place, and forgets what was asked there.
func (p *faultProxy) script(place string, rules ...rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[place], p.seen[place] = nil, nil
	for _, r := range rules {
		p.rules[place] = append(p.rules[place], &r)
	}
}

// answered makes the rule that the first answer to an operation is told.
func (p *faultProxy) answered(place, op string) <-chan struct{} {
	there := make(chan struct{})
	p.script(place, rule{op, 1, func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
		p.Forward.ServeHTTP(w, r)
		close(there)
	}})
	return there
}

// unused returns the rules of a place that no request has met, or not as often as they were to be.
func (p *faultProxy) unused(place string) (ops []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules[place] {
		if r.times > 0 || r.times == always && !slices.Contains(p.seen[place], r.op) {
			ops = append(ops, r.op)
		}
	}
	return ops
}

func (p *faultProxy) match(r *http.Request) faults.Fault {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	place, _, _ := strings.Cut(cmp.Or(key, r.URL.Query().Get("prefix")), "/")
	op := operation(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[place] = append(p.seen[place], op)
	for _, rule := range p.rules[place] {
		if rule.op == op && rule.times != 0 {
			rule.times = max(rule.times-1, always)
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
