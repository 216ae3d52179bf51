package s3fs

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
	"github.com/s3ftpd/s3ftpd/test/quirks"
)

// quirkLimits are the limits of services with a quirk, by the name of the mode.
var quirkLimits = map[string]storetest.Limits{
	"uploads-403":            {NoResume: true},
	"uploads-400":            {NoResume: true},
	"uploads-501":            {NoResume: true},
	"parts-403":              {NoResume: true},
	"parts-501":              {NoResume: true},
	"service-storj":          {NoResume: true},
	"unlisted-parts-refused": {NoResume: true},
	"no-part-copy-501":       {NoLargeAppend: true},
	"no-part-copy-411":       {NoLargeAppend: true},
	"no-part-copy-405":       {NoLargeAppend: true},
	"copy-range-over-5-mib":  {},
	// Parts of a copied beginning are of another size than those that follow, and what broke is kept in whole parts only.
	"equal-parts":                  {NoLargeAppend: true, NoResume: true},
	"service-r2":                   {NoLargeAppend: true, NoResume: true},
	"unsorted-lists":               {Unsorted: true},
	"service-aws-directory-bucket": {Unsorted: true},
}

// quirkGroups are the groups of the contract that a kind of quirk can affect. Services, which have quirks of several kinds, run all groups.
var quirkGroups = map[string][]string{
	"service":     nil,
	"condition":   {"put", "rename", "directories"},
	"checksum":    {"append", "sum"},
	"delete":      {"rename", "directories"},
	"etag":        {"append", "open", "rename"},
	"error":       {"stat", "list", "rename", "append"},
	"get":         {"open", "stat"},
	"copy":        {"append", "rename", "time"},
	"part":        {"put", "resume"},
	"complete":    {"put", "append"},
	"upload list": {"put", "resume"},
	"list":        {"stat", "list", "names", "rename", "directories"},
	"access":      {"append", "stat", "list", "rename"},
}

// quirkOptions configure the client and the FS as options of s3ftpd do.
var quirkOptions = map[string]func(*Config, *Options){
	"":                   func(*Config, *Options) {},
	"--payload signed":   func(s *Config, _ *Options) { s.Payload = "signed" },
	"--request-payer":    func(s *Config, _ *Options) { s.RequestPayer = true },
	"--checksum md5":     func(s *Config, _ *Options) { s.Checksum = "md5" },
	"--max-parts 1000":   func(_ *Config, o *Options) { o.MaxParts = 1000 },
	"--uniform-parts on": func(_ *Config, o *Options) { o.UniformParts = true },
	"--resume 0":         func(_ *Config, o *Options) { o.Resume = -1 },
	"--path-style off":   func(s *Config, _ *Options) { s.PathStyle = new(bool) },
	"--region eu-west-1": func(s *Config, _ *Options) { s.Region = "eu-west-1" },
}

// The contract of a Store on services with each quirk, with the option that is needed. Services that combine quirks run the whole contract,
// single quirks the groups that they can affect. With -short, only services are tested.
func TestContractWithQuirks(t *testing.T) {
	for _, mode := range quirks.Modes() {
		t.Run(mode.Name, func(t *testing.T) {
			groups, ok := quirkGroups[mode.Kind]
			switch {
			case !ok:
				t.Fatalf("no groups for the kind %q", mode.Kind)
			case mode.Combined:
				t.Skip("a service with this quirk is tested")
			case testing.Short() || os.Getenv("S3FTPD_TEST_ALL") == "" && mode.Kind != "service":
				t.Skip("S3FTPD_TEST_ALL=1 runs it, without -short")
			}
			t.Parallel()
			set, ok := quirkOptions[mode.Option]
			if !ok {
				t.Fatalf("the option %s is not known here", mode.Option)
			}
			var s Config
			var o Options
			set(&s, &o)
			server := serveQuirks(t, embeddedStore(t, s3demo.Options{}, "contract"), mode)
			c := dialQuirks(t, server, s)
			limits := quirkLimits[mode.Name]
			limits.Brief, limits.Groups = true, groups
			var n atomic.Int32
			storetest.Run(t, limits, func(t *testing.T) proxy.Store {
				o.Bucket, o.Prefix, o.PartSize = "contract", fmt.Sprint(mode.Name, " ", n.Add(1)), minPart
				return NewFS(c, o)
			})
		})
	}
}

// serveQuirks starts a service with a quirk.
func serveQuirks(t *testing.T, store http.Handler, mode quirks.Mode) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(quirks.Wrap(store, mode))
	t.Cleanup(server.Close)
	return server
}

// dialQuirks returns a client of a server with quirks, which retries without delay.
func dialQuirks(t *testing.T, server *httptest.Server, s Config) *Client {
	t.Helper()
	s.Endpoint, s.Credentials, s.Timeout, s.MaxBackoff = server.URL, keys(quirks.AccessKey, quirks.SecretKey), 10*time.Second, time.Millisecond
	if s.PathStyle != nil && !*s.PathStyle {
		s.Endpoint = "http://" + quirks.Domain
		s.HTTPClient = new(features).newHTTPClient(s3http.Config{Timeout: s.Timeout, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		}})
	}
	return dial(t, s)
}

// Each mode has its documented quirks, and refuses requests without a signature.
func TestQuirks(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range quirks.Modes() {
		if m.Does == "" || m.Services == "" || !strings.HasSuffix(m.Does, ".") || seen[m.Name] {
			t.Errorf("%s: does %q, services %q", m.Name, m.Does, m.Services)
		}
		seen[m.Name] = true
		w := httptest.NewRecorder()
		quirks.Wrap(http.NotFoundHandler(), m).ServeHTTP(w, httptest.NewRequest("GET", "/contract/key", nil))
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d to a request that is not signed, want 403", m.Name, w.Code)
		}
	}
	for name := range quirkLimits {
		if !seen[name] {
			t.Errorf("no mode %s", name)
		}
	}
}
