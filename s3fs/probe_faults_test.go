package s3fs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// denied makes a filter that refuses the requests that fit.
func denied(fits func(r *http.Request) bool) func(*http.Request) (int, string) {
	return instead(fits, 403, "AccessDenied")
}

func instead(fits func(r *http.Request) bool, status int, code string) func(*http.Request) (int, string) {
	return func(r *http.Request) (int, string) {
		if fits(r) {
			return status, code
		}
		return 0, ""
	}
}

// without makes a filter that drops headers of requests, as if the service took no notice of them.
func without(names ...string) func(*http.Request) (int, string) {
	return func(r *http.Request) (int, string) {
		for name := range r.Header {
			if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(name, n) }) {
				r.Header.Del(name)
			}
		}
		return 0, ""
	}
}

// call makes what fits of a request's name, as the fake has it.
func call(names ...string) func(*http.Request) bool {
	return func(r *http.Request) bool { return slices.Contains(names, name(r)) }
}

// reading fits requests for an object's content.
func reading(r *http.Request) bool {
	return r.Method == "GET" && r.URL.Query().Get("x-id") == "GetObject"
}

// rule is a bucket's lifecycle with one rule, which ends uploads after a week.
func rule(status, prefix, filter string) string {
	return "<LifecycleConfiguration><Rule><Status>" + status + "</Status><Filter><Prefix>" + prefix + "</Prefix>" + filter + "</Filter>" +
		"<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>"
}

func lifecycle(r *http.Request) bool { return r.URL.Query().Has("lifecycle") }

// Each fault of the service shows in its own finding, and nothing is left behind that may be deleted.
func TestProbeFaults(t *testing.T) {
	for name, test := range map[string]struct {
		filter func(*http.Request) (int, string)
		want   []string // beginnings of what is found to be wrong, beside the rule that is missing
		detail string   // in what is found to be right
		left   bool
	}{
		"read only":          {denied(func(r *http.Request) bool { return r.Method != "GET" && r.Method != "HEAD" }), []string{"an object cannot be put"}, "", false},
		"no listing":         {denied(func(r *http.Request) bool { return r.URL.Query().Has("list-type") }), []string{"the bucket does not answer", "it is not listed"}, "", false},
		"no reading":         {denied(reading), []string{"it cannot be read"}, "", false},
		"no copies":          {instead(call("Copy"), 501, "NotImplemented"), []string{"an object cannot be copied", "RNTO: If-None-Match does not hold"}, "", false},
		"no copies of parts": {instead(func(r *http.Request) bool { return name(r) == "PartCopy 1" }, 501, "NotImplemented"), []string{"a part cannot be copied"}, "", false},
		"no parts": {denied(call("Part 1")), []string{"an object cannot be uploaded in parts", "conditions do not hold when a multipart upload",
			"an upload that breaks cannot be resumed"}, "", false},
		"no uploads": {denied(call("Create")), []string{"an object cannot be uploaded in parts", "a part cannot be copied",
			"conditions do not hold when a multipart upload", "an upload that breaks cannot be resumed", "a multipart upload cannot be aborted"}, "", false},
		"uploads not listed": {denied(func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploads") }), []string{"an upload that breaks cannot be resumed"}, "", false},
		"parts not listed": {denied(func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploadId") }),
			[]string{"an upload that breaks cannot be resumed", "not supported: ListMultipartUploads"}, "", false},
		"no abort":         {denied(call("Abort")), []string{"a multipart upload cannot be aborted", "left behind"}, "", true},
		"no deletion":      {denied(call("Delete", "DeleteMany")), []string{"a deletion with If-Match", "many objects cannot be deleted", "an object cannot be deleted", "left behind"}, "", true},
		"not many deleted": {instead(call("DeleteMany"), 501, "NotImplemented"), []string{"not supported: DeleteObjects"}, "", false},
		"conditions ignored": {without("If-"), []string{"STOU: If-None-Match does not hold", "APPE: If-Match does not hold",
			"RNTO: If-None-Match does not hold", "conditions do not hold when a multipart upload", "a deletion with If-Match does not spare"}, "", false},
		"checksums ignored": {without("X-Amz-Checksum-Crc32c"), []string{"content that was damaged"}, "", false},
		"checksums refused": {instead(func(r *http.Request) bool { return r.Header.Get("X-Amz-Checksum-Crc32c") != "" }, 400, "InvalidRequest"),
			[]string{"not supported: x-amz-checksum headers"}, "with an MD5 checksum", false},
		"quoted ETags refused": {instead(func(r *http.Request) bool {
			return strings.HasPrefix(r.Header.Get("If-Match"), `"`) && r.Method != "DELETE"
		}, 412, "PreconditionFailed"),
			[]string{"APPE: If-Match does not hold", "conditions do not hold when a multipart upload"}, "", false},
		"no conditions": {instead(func(r *http.Request) bool { return r.Header.Get("If-Match")+r.Header.Get("If-None-Match") != "" }, 501, "NotImplemented"),
			[]string{"STOU: If-None-Match does not hold", "APPE: If-Match does not hold", "RNTO: If-None-Match does not hold",
				"conditions do not hold when a multipart upload", "a deletion with If-Match does not spare"}, "", false},
		"1,000 parts":   {instead(call("Part 10000"), 400, "InvalidArgument"), []string{"an upload that breaks cannot be resumed"}, "", false},
		"other content": {instead(reading, 200, "<other content>"), []string{"it cannot be read"}, "", false},
		"other sizes": {instead(call("Head"), 200, "<short>"), []string{"an object cannot be copied", "an object cannot be uploaded in parts", "an upload that breaks cannot be resumed",
			"a part cannot be copied", "many objects cannot be deleted", "an object cannot be deleted"}, "", false},
		"not in the listing": {instead(func(r *http.Request) bool { return r.URL.Query().Has("delimiter") }, 200, "<ListBucketResult></ListBucketResult>"),
			[]string{"it is not listed"}, "", false},
		"uploads hidden": {instead(func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploads") }, 200,
			"<ListMultipartUploadsResult></ListMultipartUploadsResult>"), []string{"an upload that breaks cannot be resumed"}, "", false},
		"deletion without effect": {instead(call("Delete"), 200, "<done>"), []string{"a deletion with If-Match does not spare", "an object cannot be deleted", "left behind"}, "", true},
		"a rule":                  {instead(lifecycle, 200, rule("Enabled", "a", "")), nil, "7 days", false},
		"a rule for all":          {instead(lifecycle, 200, rule("Enabled", "", "")), nil, "7 days", false},
		"a rule for others":       {instead(lifecycle, 200, rule("Enabled", "b", "")), nil, "", false},
		"a rule that is off":      {instead(lifecycle, 200, rule("Disabled", "a", "")), nil, "", false},
		"a rule for some sizes":   {instead(lifecycle, 200, rule("Enabled", "a", "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>")), nil, "", false},
		"rules not shown":         {denied(lifecycle), nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			blocked := true
			f := probing(t, Options{Prefix: "a"}, func(r *http.Request) (int, string) {
				if blocked {
					return test.filter(r)
				}
				return 0, ""
			})
			want := slices.Clone(test.want)
			if !strings.Contains(test.detail, "days") {
				want = append(want, "the bucket is not known to abort multipart uploads")
			}
			detail := test.detail == ""
			for found := range f.Probe(t.Context(), time.Minute) {
				detail = detail || found.Err == nil && strings.Contains(found.Detail, test.detail)
				i := slices.IndexFunc(want, func(w string) bool { return strings.HasPrefix(found.Text, w) })
				switch {
				case i >= 0 && found.Err != nil:
					want = slices.Delete(want, i, i+1)
				case i >= 0 || found.Err != nil:
					t.Errorf("%+v", found)
				}
			}
			if len(want) > 0 || !detail {
				t.Errorf("not found: %q %s", want, test.detail)
			}
			blocked = false
			if left := contents(t, f); (len(left) > 0) != test.left {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The region that the bucket is in is named.
func TestProbeNamesTheRegion(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		moved := refusal(301, "PermanentRedirect", "")
		moved.Header = http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}
		return moved, nil
	}
	f := New(dial(t, Service{Endpoint: "http://fake", Region: "us-east-1", Credentials: keys("a", "s"), HTTPClient: s}), Options{Bucket: "b"})
	n := 0
	for found := range f.Probe(t.Context(), time.Minute) {
		n++
		region, ok := errors.AsType[*RegionError](found.Err)
		if !ok || region.Error() != "the bucket is in eu-west-1, --region says us-east-1" {
			t.Errorf("%+v", found)
		}
	}
	if n != 1 {
		t.Errorf("%d findings", n)
	}
}

// What HEAD tells of the attributes is compared with what is configured.
func TestProbeAttributes(t *testing.T) {
	for name, test := range map[string]struct {
		attributes Attributes
		header     http.Header
		detail     string
		err        string
	}{
		"all": {Attributes{StorageClass: "STANDARD_IA", SSE: "AES256", Tags: map[string]string{"a": "b"}},
			http.Header{"X-Amz-Storage-Class": {"STANDARD_IA"}, "X-Amz-Server-Side-Encryption": {"AES256"}, "X-Amz-Tagging-Count": {"1"}},
			"--storage-class STANDARD_IA, --sse AES256, --tags 1", ""},
		"standard is not told": {Attributes{StorageClass: "STANDARD"}, nil, "--storage-class STANDARD", ""},
		"tags are not told":    {Attributes{Tags: map[string]string{"a": "b"}}, nil, "", ""},
		"another class":        {Attributes{StorageClass: "STANDARD_IA"}, nil, "", `--storage-class is "STANDARD", not "STANDARD_IA"`},
		"plain": {Attributes{SSE: "aws:kms", Tags: map[string]string{"a": "b"}}, http.Header{"X-Amz-Tagging-Count": {"0"}}, "",
			`--sse is "", not "aws:kms", --tags is "0", not "1"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(*http.Request, string) (*http.Response, error) {
				head := tagged("e")
				maps.Copy(head.Header, test.header)
				return head, nil
			}
			p := prober{FS: s.fs(Options{Attributes: test.attributes}), key: "k"}
			detail, err := p.attributesKept(t.Context())
			if detail != test.detail || fmt.Sprint(err) != cmp.Or(test.err, "<nil>") || !p.hasAttributes() {
				t.Errorf("%q, %v", detail, err)
			}
		})
	}
}

// What is left behind is named.
func TestProbeNamesWhatItLeaves(t *testing.T) {
	f := probing(t, Options{Prefix: "a"}, denied(call("Delete", "DeleteMany", "Abort")))
	var last Finding
	for last = range f.Probe(t.Context(), time.Minute) {
	}
	for what := range contents(t, f) {
		if key := strings.TrimPrefix(what, "upload of "); !strings.Contains(last.Text, `"`+key+`"`) || last.Lost != "" {
			t.Errorf("%s is not in %+v", what, last)
		}
	}
	if !errors.Is(last.Err, fs.ErrPermission) {
		t.Errorf("error %v", last.Err)
	}
}
