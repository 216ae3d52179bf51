package s3fs

import (
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// denied returns a filter that refuses the matching requests.
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

// without returns a filter that removes headers of requests, as if the service ignored them.
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

// call matches requests by name.
func call(names ...string) func(*http.Request) bool {
	return func(r *http.Request) bool { return slices.Contains(names, name(r)) }
}

// reading matches requests for the content of an object.
func reading(r *http.Request) bool {
	return r.Method == "GET" && r.URL.Query().Get("x-id") == "GetObject"
}

// rule returns a lifecycle configuration with one rule, which aborts uploads after a week.
func rule(status, prefix, filter string) string {
	return "<LifecycleConfiguration><Rule><Status>" + status + "</Status><Filter><Prefix>" + prefix + "</Prefix>" + filter + "</Filter>" +
		"<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>"
}

func lifecycle(r *http.Request) bool { return r.URL.Query().Has("lifecycle") }

// unsupported represents the finding that a feature is not supported.
func unsupported(x Feature) Check { return "not supported: " + Check(x) }

// Each fault of the service causes its own finding, and the probe deletes all its objects as far as permitted.
func TestProbeFaults(t *testing.T) {
	for name, test := range map[string]struct {
		filter func(*http.Request) (int, string)
		want   []Check // what is found to be wrong, beside the rule that is missing
		fact   string  // in what is found to be right: the checksum, or days
		left   bool
	}{
		"read only":          {denied(func(r *http.Request) bool { return r.Method != "GET" && r.Method != "HEAD" }), []Check{CheckPut}, "", false},
		"no listing":         {denied(func(r *http.Request) bool { return r.URL.Query().Has("list-type") }), []Check{CheckBucket, CheckList}, "", false},
		"no reading":         {denied(reading), []Check{CheckRead}, "", false},
		"no copies":          {instead(call("Copy"), 501, "NotImplemented"), []Check{CheckCopy, CheckCopyNew}, "", false},
		"no copies of parts": {instead(func(r *http.Request) bool { return name(r) == "PartCopy 1" }, 501, "NotImplemented"), []Check{CheckPartCopy}, "", false},
		"no parts": {denied(call("Part 1")), []Check{CheckMultipart, CheckCompleteMatch,
			CheckResume}, "", false},
		"no uploads": {denied(call("Create")), []Check{CheckMultipart, CheckPartCopy,
			CheckCompleteMatch, CheckResume, CheckAbort}, "", false},
		"uploads not listed": {denied(func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploads") }), []Check{CheckResume}, "", false},
		"parts not listed": {denied(func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploadId") }),
			[]Check{CheckResume, unsupported(uploadList)}, "", false},
		"no abort":         {denied(call("Abort")), []Check{CheckAbort, CheckLeft}, "", true},
		"no deletion":      {denied(call("Delete", "DeleteMany")), []Check{CheckDeleteMatch, CheckDeleteMany, CheckDelete, CheckLeft}, "", true},
		"not many deleted": {instead(call("DeleteMany"), 501, "NotImplemented"), []Check{unsupported(manyDeletions)}, "", false},
		"conditions ignored": {without("If-"), []Check{CheckPutNew, CheckPutUnchanged,
			CheckCopyNew, CheckCompleteMatch, CheckDeleteMatch}, "", false},
		"checksums ignored": {without("X-Amz-Checksum-Crc32c"), []Check{CheckDamaged}, "", false},
		"checksums refused": {instead(func(r *http.Request) bool { return r.Header.Get("X-Amz-Checksum-Crc32c") != "" }, 400, "InvalidRequest"),
			[]Check{unsupported(checksumHeaders)}, "md5", false},
		"quoted ETags refused": {instead(func(r *http.Request) bool {
			return strings.HasPrefix(r.Header.Get("If-Match"), `"`) && r.Method != "DELETE"
		}, 412, "PreconditionFailed"),
			[]Check{CheckPutUnchanged, CheckCompleteMatch}, "", false},
		"no conditions": {instead(func(r *http.Request) bool { return r.Header.Get("If-Match")+r.Header.Get("If-None-Match") != "" }, 501, "NotImplemented"),
			[]Check{CheckPutNew, CheckPutUnchanged, CheckCopyNew,
				CheckCompleteMatch, CheckDeleteMatch}, "", false},
		"1,000 parts":   {instead(call("Part 10000"), 400, "InvalidArgument"), []Check{CheckResume}, "", false},
		"other content": {instead(reading, 200, "<other content>"), []Check{CheckRead}, "", false},
		"other sizes": {instead(call("Head"), 200, "<short>"), []Check{CheckCopy, CheckMultipart, CheckResume,
			CheckPartCopy, CheckDeleteMany, CheckDelete}, "", false},
		"not in the listing": {instead(func(r *http.Request) bool { return r.URL.Query().Has("delimiter") }, 200, "<ListBucketResult></ListBucketResult>"),
			[]Check{CheckList}, "", false},
		"uploads hidden": {instead(func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploads") }, 200,
			"<ListMultipartUploadsResult></ListMultipartUploadsResult>"), []Check{CheckResume}, "", false},
		"deletion without effect": {instead(call("Delete"), 200, "<done>"), []Check{CheckDeleteMatch, CheckDelete, CheckLeft}, "", true},
		"a rule":                  {instead(lifecycle, 200, rule("Enabled", "a", "")), nil, "7", false},
		"a rule for all":          {instead(lifecycle, 200, rule("Enabled", "", "")), nil, "7", false},
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
			if test.fact != "7" {
				want = append(want, CheckLifecycle)
			}
			known := test.fact == ""
			for found := range f.Probe(t.Context(), time.Minute) {
				known = known || found.Err == nil && (found.Checksum == test.fact || strconv.Itoa(found.AbortDays) == test.fact)
				about := found.Check
				if about == CheckPermission {
					continue // see TestProbePermissions
				}
				if about == CheckFeature {
					about = unsupported(found.Refusal.Feature)
				}
				i := slices.Index(want, about)
				switch {
				case i >= 0 && found.Err != nil:
					want = slices.Delete(want, i, i+1)
				case i >= 0 || found.Err != nil:
					t.Errorf("%+v", found)
				}
			}
			if len(want) > 0 || !known {
				t.Errorf("not found: %q %s", want, test.fact)
			}
			blocked = false
			if left := contents(t, f); (len(left) > 0) != test.left {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The finding for a wrong region names the right one.
func TestProbeNamesTheRegion(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		moved := refusal(301, "PermanentRedirect", "")
		moved.Header = http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}
		return moved, nil
	}
	f := NewFS(dial(t, Config{Endpoint: "http://fake", Region: "us-east-1", Credentials: keys("a", "s"), HTTPClient: s}), Options{Bucket: "b"})
	n := 0
	for found := range f.Probe(t.Context(), time.Minute) {
		n++
		e, ok := errors.AsType[*RequestError](found.Err)
		if !ok || e.BucketRegion != "eu-west-1" || e.Region != "us-east-1" {
			t.Errorf("%+v", found)
		}
	}
	if n != 1 {
		t.Errorf("%d findings", n)
	}
}

// The attributes that HEAD returns are compared with the configured ones.
func TestProbeAttributes(t *testing.T) {
	const class, sse, tags = "x-amz-storage-class", "x-amz-server-side-encryption", "x-amz-tagging-count"
	for name, test := range map[string]struct {
		attributes Attributes
		header     http.Header
		want       []StoredAttribute
		differ     bool
	}{
		"all": {Attributes{StorageClass: "STANDARD_IA", SSE: "AES256", Tags: map[string]string{"a": "b"}},
			http.Header{"X-Amz-Storage-Class": {"STANDARD_IA"}, "X-Amz-Server-Side-Encryption": {"AES256"}, "X-Amz-Tagging-Count": {"1"}},
			[]StoredAttribute{{class, "STANDARD_IA", "STANDARD_IA"}, {sse, "AES256", "AES256"}, {tags, "1", "1"}}, false},
		"standard is not told": {Attributes{StorageClass: "STANDARD"}, nil, []StoredAttribute{{class, "STANDARD", "STANDARD"}}, false},
		"tags are not told":    {Attributes{Tags: map[string]string{"a": "b"}}, nil, nil, false},
		"another class":        {Attributes{StorageClass: "STANDARD_IA"}, nil, []StoredAttribute{{class, "STANDARD_IA", "STANDARD"}}, true},
		"plain": {Attributes{SSE: "aws:kms", Tags: map[string]string{"a": "b"}}, http.Header{"X-Amz-Tagging-Count": {"0"}},
			[]StoredAttribute{{sse, "aws:kms", ""}, {tags, "1", "0"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(*http.Request, string) (*http.Response, error) {
				head := tagged("e")
				maps.Copy(head.Header, test.header)
				return head, nil
			}
			p := prober{FS: s.fs(Options{Attributes: test.attributes}), key: "k"}
			var found Finding
			err := p.checkAttributes(t.Context(), &found)
			if !slices.Equal(found.Attributes, test.want) || err == nil == test.differ || !p.hasAttributes() {
				t.Errorf("%+v, %v", found.Attributes, err)
			}
		})
	}
}

// The findings name objects that the probe could not delete.
func TestProbeNamesLeftObjects(t *testing.T) {
	f := probing(t, Options{Prefix: "a"}, denied(call("Delete", "DeleteMany", "Abort")))
	var last Finding
	for last = range f.Probe(t.Context(), time.Minute) {
	}
	for what := range contents(t, f) {
		key, isUpload := strings.CutPrefix(what, "upload of ")
		named := slices.ContainsFunc(last.Left, func(l LeftBehind) bool { return l.Key == key && (l.UploadID != "") == isUpload })
		if !named || last.Check != CheckLeft || !last.Required {
			t.Errorf("%s is not in %+v", what, last)
		}
	}
	if !errors.Is(last.Err, fs.ErrPermission) {
		t.Errorf("error %v", last.Err)
	}
}
