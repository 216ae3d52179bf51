package s3fs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A lifecycleServer keeps the lifecycle configuration of a bucket as the XML that was put, and answers nothing else.
type lifecycleServer struct {
	xml  string
	puts int
	keep func(string) string // changes what is put; nil = it is kept as it is
}

func (s *lifecycleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch body, _ := io.ReadAll(r.Body); {
	case r.Method == "PUT":
		if s.puts++; r.Header.Get("Content-MD5") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if s.xml = string(body); s.keep != nil {
			s.xml = s.keep(s.xml)
		}
	case s.xml == "":
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>")
	default:
		w.Header().Set("x-amz-transition-default-minimum-object-size", "varies_by_storage_class")
		io.WriteString(w, s.xml)
	}
}

func (s *lifecycleServer) fs(t *testing.T, o Options) *FS {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	o.Bucket = "b"
	return NewFS(dial(t, Config{Endpoint: server.URL, Credentials: keys("a", "s"), MaxBackoff: time.Millisecond}), o)
}

const (
	lifecycleOpen = `<?xml version="1.0"?>` + "\n" + `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + "\n  "
	lifecycleEnd  = "\n</LifecycleConfiguration>"
	expiring      = "<Rule><Status>Enabled</Status><ID>logs</ID>\n<Filter><And><Prefix>l &amp; g/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>" +
		"<Expiration><Date>2040-01-01T00:00:00.000Z</Date></Expiration></Rule>"
	oldStyle = "<Rule><ID>old</ID><Prefix></Prefix><Status>Disabled</Status><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>"
)

// A rule is added, and all others stay as they are.
func TestFixLifecycle(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		o      Options
		days   int
		added  string // "" = none
	}{
		"no rules": {"", Options{}, 7, "<ID>s3ftpd-abort-incomplete-uploads</ID>"},
		"others":   {lifecycleOpen + expiring + oldStyle + lifecycleEnd, Options{Prefix: "a b"}, 7, "<Prefix>a b/</Prefix>"},
		"long resume": {lifecycleOpen + expiring + lifecycleEnd, Options{Resume: 10 * 24 * time.Hour}, 11,
			"<DaysAfterInitiation>11</DaysAfterInitiation>"},
		"our ID, disabled": {lifecycleOpen + strings.Replace(oldStyle, ">old<", ">"+lifecycleID+"<", 1) + lifecycleEnd, Options{}, 7,
			"<ID>s3ftpd-abort-incomplete-uploads-2</ID>"},
		"has one": {lifecycleOpen +
			"<Rule><Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>" +
			lifecycleEnd, Options{Prefix: "a"}, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &lifecycleServer{xml: test.before}
			days, added, err := s.fs(t, test.o).FixLifecycle(t.Context())
			if days != test.days || added != (test.added != "") || err != nil {
				t.Fatalf("%d days, added %v, %v", days, added, err)
			}
			if test.added == "" {
				if s.puts > 0 {
					t.Error("something was put")
				}
				return
			}
			if !strings.Contains(s.xml, test.added) || strings.Count(s.xml, "<AbortIncompleteMultipartUpload>") != 1 {
				t.Errorf("put: %s", s.xml)
			}
			for id, there := range map[string]string{"logs": "<Value>v</Value>", "old": "<StorageClass>GLACIER</StorageClass>"} {
				if strings.Contains(test.before, id) != strings.Contains(s.xml, id) || strings.Contains(test.before, there) != strings.Contains(s.xml, there) {
					t.Errorf("the rule %s: %s", id, s.xml)
				}
			}
		})
	}
}

// Nothing is written if the rules have something that would be lost, and a configuration that reads back otherwise is reported with the
// one before.
func TestFixLifecycleKeepsWhatItDoesNotKnow(t *testing.T) {
	for name, rule := range map[string]string{
		"element":          strings.Replace(expiring, "<Expiration>", "<Expiration><Hours>5</Hours>", 1),
		"element of rule":  strings.Replace(oldStyle, "<Status>", "<Priority>1</Priority><Status>", 1),
		"element of root":  oldStyle + "<ExpiryUpdatedAt>2030-01-01T00:00:00Z</ExpiryUpdatedAt>",
		"attribute":        strings.Replace(oldStyle, "<Rule>", `<Rule kind="x">`, 1),
		"repeated element": strings.Replace(oldStyle, "<Status>", "<Prefix>b</Prefix><Status>", 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := &lifecycleServer{xml: lifecycleOpen + rule + lifecycleEnd}
			_, added, err := s.fs(t, Options{}).FixLifecycle(t.Context())
			if !errors.Is(err, ErrLifecycleKept) || added || s.puts > 0 || !strings.Contains(err.Error(), rule) {
				t.Errorf("added %v, %d put, %v", added, s.puts, err)
			}
		})
	}
	s := &lifecycleServer{xml: lifecycleOpen + oldStyle + lifecycleEnd, keep: func(put string) string { return strings.Replace(put, "GLACIER", "STANDARD_IA", 1) }}
	if _, added, err := s.fs(t, Options{}).FixLifecycle(t.Context()); !added || !errors.Is(err, ErrLifecycleChanged) || !strings.Contains(err.Error(), oldStyle) {
		t.Errorf("added %v, %v", added, err)
	}
}

// The strict embedded store takes the rule, and MinIO, which aborts uploads by itself, keeps its rules whatever it answers.
func TestFixLifecycleOnServers(t *testing.T) {
	f := probing(t, Options{Prefix: "a"}, asItComes)
	for _, want := range []bool{true, false} {
		if days, added, err := f.FixLifecycle(t.Context()); days != 7 || added != want || err != nil {
			t.Errorf("%d days, added %v, %v", days, added, err)
		}
	}
	f = NewFS(minio(t, "lifecycle"), Options{Bucket: "lifecycle"})
	days, added, err := f.FixLifecycle(t.Context())
	after, readErr := f.readLifecycle(t.Context())
	if readErr != nil || (err == nil) != (after.abortDays("") == days && days > 0) {
		t.Errorf("%d days, added %v, %v; then %s, %v", days, added, err, after.raw, readErr)
	}
	t.Logf("MinIO: %d days, added %v, %v", days, added, err)
}
