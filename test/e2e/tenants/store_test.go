package tenants

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// Buckets of a store.
const (
	files   = "files"
	reports = "reports"
)

// A store is an S3 service. s3ftpd reaches it through a proxy that records the requests.
type store struct {
	t       *testing.T
	real.S3 // at the proxy
	direct  *real.S3
	files   harness.Bucket
	reports harness.Bucket

	exclusive bool // if f is an object, f/x cannot be one

	source source                                 // of the users of attack; nil = fromFile
	rule   func(q request, places []place) string // says what is wrong with a request; nil = judge

	mu       sync.Mutex
	requests []request
}

// newStore starts an embedded store.
func newStore(t *testing.T) *store {
	t.Helper()
	s3 := real.S3{AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	demo, err := s3demo.Open(t.TempDir(), s3demo.Options{Keys: map[string]string{s3.AccessKey: s3.SecretKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.Close() })
	s3.Endpoint = faults.New(t, demo.Handler(), func(*http.Request) faults.Fault { return nil }).URL
	return recorded(t, &s3, demo.Handler())
}

// newMinIOStore starts MinIO.
func newMinIOStore(t *testing.T) *store {
	t.Helper()
	minio := real.MinIO(t)
	s := recorded(t, minio, faults.To(t, minio.Endpoint))
	s.exclusive = true
	return s
}

// recorded returns a store that records the requests to an S3 service, and makes its buckets.
func recorded(t *testing.T, direct *real.S3, service http.Handler) *store {
	t.Helper()
	s := &store{t: t, S3: *direct, direct: direct}
	s.Endpoint = faults.New(t, service, s.record).URL
	s.files = harness.NewBucket(t, direct)
	s.reports = s.files
	s.reports.Name = reports
	s.reports.Create()
	return s
}

// record records a request, and lets it pass.
func (s *store) record(r *http.Request) faults.Fault {
	q, err := parseRequest(r)
	if err != nil {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
	return nil
}

// judge adds what is wrong with the requests of a user who has these places, each once.
func (s *store) judge(v *verdict, places []place) {
	rule := s.rule
	if rule == nil {
		rule = judge
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.requests {
		v.requests++
		v.ops[q.op] = true
		if f := rule(q, places); f != "" && !slices.Contains(v.findings, f) {
			v.findings = append(v.findings, f)
		}
	}
}

// forget forgets the requests so far.
func (s *store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// bucket returns one of the buckets.
func (s *store) bucket(name string) harness.Bucket {
	if name == reports {
		return s.reports
	}
	return s.files
}

// sums returns the SHA-256 of all objects outside of places, by bucket and key.
func (s *store) sums(places []place) map[string]string {
	sums := make(map[string]string)
	for _, b := range []harness.Bucket{s.files, s.reports} {
		for _, key := range b.Keys("") {
			if judgeKey(b.Name, key, true, places) != "" {
				sums[b.Name+"/"+key] = b.Sum(key)
			}
		}
	}
	return sums
}

// Contents of files.
const (
	ownContent = "this file is the user's own"
	markerName = "marker-of-another-user" // contained in names and contents of files in places of other users
)

// secretContent returns the content of another user's file. Its size is in no other reply.
func secretContent() string { return string(bytes.Repeat([]byte(markerName+"\n"), 3571)) }

// secretSize is the size of secretContent.
const secretSize = "82133"

// putOwn stores the user's own files in a place.
func (s *store) putOwn(p place) {
	s.bucket(p.bucket).Put(p.prefix+"own.txt", ownContent)
	s.bucket(p.bucket).Put(p.prefix+"dir/inner.txt", ownContent)
}

// putSecrets stores files of another user below a prefix.
func (s *store) putSecrets(bucket, prefix string) {
	s.bucket(bucket).Put(prefix+"secret.txt", secretContent())
	s.bucket(bucket).Put(prefix+markerName+".bin", secretContent())
}
