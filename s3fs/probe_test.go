package s3fs

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// probing returns an FS in the embedded store. A filter may change its requests, or answer them with an error code.
func probing(t *testing.T, o Options, filter func(r *http.Request) (status int, code string)) *FS {
	t.Helper()
	store := embeddedStore(t, s3demo.Options{}, "probe") // where a request may be changed after it was signed
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, code := filter(r)
		switch {
		case status == 0:
			store.ServeHTTP(w, r)
		case strings.HasPrefix(code, "<"):
			io.WriteString(w, code)
		default:
			w.WriteHeader(status)
			if r.Method != "HEAD" {
				io.WriteString(w, "<Error><Code>"+code+"</Code><Message>a checksum was refused</Message></Error>")
			}
		}
	}))
	t.Cleanup(server.Close)
	o.Bucket = "probe"
	return NewFS(dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret"), MaxBackoff: time.Millisecond}), o)
}

func asItComes(*http.Request) (int, string) { return 0, "" }

// contents returns the keys in the bucket with the sizes of their objects.
func contents(t *testing.T, f *FS) map[string]int64 {
	t.Helper()
	all := make(map[string]int64)
	for page, err := range NewFS(f.client, Options{Bucket: f.bucket}).pages(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.objects {
			all[o.key] = o.size
		}
	}
	uploads, err := f.api.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &f.bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		all["upload of "+*u.Key] = 0
	}
	return all
}

// On a service without faults all findings are good, and the probe leaves no objects and changes no others.
func TestProbe(t *testing.T) {
	lacking := map[string][]Check{
		"MinIO":    {CheckLifecycle, CheckCopyNew, CheckDeleteMatch},
		"embedded": {CheckLifecycle},
	}
	for name, c := range map[string]*Client{"MinIO": minio(t, "probe"), "embedded": probing(t, Options{}, asItComes).client} {
		for _, o := range []Options{{}, {Prefix: "a b"}, {Prefix: "x", Attributes: Attributes{StorageClass: "REDUCED_REDUNDANCY", Tags: map[string]string{"a": "b"}}}} {
			t.Run(name+" "+o.Prefix, func(t *testing.T) {
				o.Bucket = "probe"
				f := NewFS(c, o)
				for _, name := range []string{"/s3ftpd-check-", "/z"} {
					if _, err := f.Put(t.Context(), name, storetest.Source(strings.NewReader("theirs")), proxy.Write{}); err != nil {
						t.Fatal(err)
					}
				}
				before := contents(t, f)
				n := 0
				for found := range f.Probe(t.Context(), time.Minute) {
					n++
					if lacks := slices.Contains(lacking[name], found.Check); found.Err == nil == lacks || found.Check == "" {
						t.Errorf("%+v", found)
					}
				}
				p := &prober{FS: f}
				if want := len(p.probes()) + 1 + len(p.actions()); n != want {
					t.Errorf("%d findings, want %d", n, want)
				}
				if after := contents(t, f); !maps.Equal(before, after) {
					t.Errorf("before: %v, after: %v", before, after)
				}
			})
		}
	}
}

// If the caller stops the probe, or its time is over, it still deletes its objects.
func TestStoppedProbeCleansUp(t *testing.T) {
	f := probing(t, Options{}, asItComes)
	p := &prober{FS: f}
	all := len(p.probes()) + 1 + len(p.actions())
	for stop := 1; stop <= all; stop++ {
		for _, cancelled := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			for range f.Probe(ctx, time.Minute) {
				if n++; n == stop {
					cancel()
					if !cancelled {
						break
					}
				}
			}
			cancel()
			if left := contents(t, f); len(left) > 0 {
				t.Fatalf("broken off after %d: left: %v", stop, left)
			}
		}
	}
}

// The time of a probe of a silent service is limited.
func TestProbeOfSilentServiceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.fault = func(r *http.Request, _ string) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		begun, n := time.Now(), 0
		for found := range s.fs(Options{}).Probe(t.Context(), time.Minute) {
			if n++; found.Err == nil || !strings.Contains(found.Err.Error(), "no answer within 1m0s") {
				t.Errorf("%+v", found)
			}
		}
		if took := time.Since(begun); n != 1 || took != time.Minute {
			t.Errorf("%d findings in %v", n, took)
		}
	})
}

// Each probe uses different names.
func TestProbeNames(t *testing.T) {
	var paths [2]string
	for i := range paths {
		f := probing(t, Options{}, func(r *http.Request) (int, string) {
			if name(r) == "Put" && paths[i] == "" {
				paths[i] = r.URL.Path
			}
			return 0, ""
		})
		for range f.Probe(t.Context(), time.Minute) {
		}
	}
	if paths[0] == paths[1] || len(paths[0]) < len("/probe/s3ftpd-check-")+26 {
		t.Errorf("names %q", paths)
	}
}
