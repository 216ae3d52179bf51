package s3fs

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// refusing returns a fault that refuses the requests for which fits returns true.
func refusing(fits func(r *http.Request, call string) bool, status int, code, message string) func(*http.Request, string) (*http.Response, error) {
	return func(r *http.Request, call string) (*http.Response, error) {
		if fits(r, call) {
			return refusal(status, code, message), nil
		}
		return nil, nil
	}
}

// conditional reports whether a PUT request has a condition.
func conditional(r *http.Request, call string) bool {
	return call == "Put" && r.Header.Get("If-None-Match") != ""
}

// A refused feature is not used for ten minutes, and then tried again. Only the first refusal is logged.
func TestRefusedFeatureIsRetriedAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.fault = refusing(conditional, 501, "NotImplemented", "")
		f := s.fs(Options{})
		f.client.checksum = string(none)
		var log bytes.Buffer
		f.client.features.log = slog.New(slog.NewTextHandler(&log, nil))
		for i, want := range []struct {
			calls []string
			after time.Duration
		}{
			{[]string{"Put", "Head", "Put"}, 0},
			{[]string{"Head", "Put"}, refusalTTL - time.Second},
			{[]string{"Put", "Head", "Put"}, time.Second},
			{[]string{"Head", "Put"}, 0},
		} {
			<-time.After(want.after)
			clear(s.objects)
			s.forget()
			if _, err := f.putMarker(t.Context(), "d/", ifAbsent); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.requests(), want.calls) {
				t.Errorf("time %d: requests %q, want %q", i+1, s.requests(), want.calls)
			}
		}
		if n := strings.Count(log.String(), "S3 feature refused"); n != 1 || !strings.Contains(log.String(), "If-None-Match on PutObject") {
			t.Errorf("logged %d times: %s", n, log.String())
		}
		is := f.client.Refusals()
		if len(is) != 1 || is[0].Feature != "If-None-Match on PutObject" || !errors.Is(is[0].Err, errors.ErrUnsupported) || is[0].Feature.Instead() == "" {
			t.Errorf("refusals: %v", is)
		}
		<-time.After(refusalTTL)
		s.fault = nil
		clear(s.objects)
		if _, err := f.putMarker(t.Context(), "d/", ifAbsent); err != nil || len(f.client.Refusals()) != 0 {
			t.Errorf("%v, refusals %v", err, f.client.Refusals())
		}
	})
}

// If a service refuses a condition, with any of the known errors, HEAD checks the condition, and the request is sent without it.
func TestConditionRefused(t *testing.T) {
	for name, refuse := range map[string]*struct {
		status        int
		code, message string
	}{
		"B2":                 {501, "NotImplemented", "A header you provided implies functionality that is not implemented"},
		"OSS":                {400, "NotImplemented", "A header you provided implies functionality that is not implemented."},
		"an unknown header":  {400, "InvalidArgument", "Unsupported header 'if-none-match' received for this API call."},
		"an unknown header.": {400, "InvalidRequest", "Unsupported header 'if-none-match' received for this API call."},
	} {
		s := newFake(t)
		s.fault = refusing(conditional, refuse.status, refuse.code, refuse.message)
		f := s.fs(Options{})
		if _, err := f.putMarker(t.Context(), "d/", ifAbsent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.putMarker(t.Context(), "d/", ifAbsent); !isConditionFailed(err) {
			t.Errorf("%s: Put over an existing object: %v", name, err)
		}
		if got := f.client.Refusals(); len(got) != 1 {
			t.Errorf("%s: refusals %v", name, got)
		}
	}
}

// If a request is refused without its condition too, the service may support conditions.
func TestRefusalWithoutConditionIsNotRemembered(t *testing.T) {
	s := newFake(t)
	s.fault = refusing(func(_ *http.Request, call string) bool { return call == "Put" }, 400, "InvalidRequest", "no")
	f := s.fs(Options{})
	if _, err := f.putMarker(t.Context(), "d/", ifAbsent); err == nil || isConditionFailed(err) {
		t.Errorf("error %v", err)
	}
	if got := f.client.Refusals(); len(got) != 0 {
		t.Errorf("refusals %v", got)
	}
	s.checkCalls("Put x2", "Head")
}

// A request that conflicts with a running one is retried, as AWS documents. A lasting conflict says nothing about the object.
func TestConflict(t *testing.T) {
	for times, want := range map[int]bool{1: true, maxConflictAttempts - 1: true, maxConflictAttempts: false} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			n := 0
			s.fault = refusing(func(_ *http.Request, call string) bool {
				n++
				return call == "Put" && n <= times
			}, 409, "ConditionalRequestConflict", "")
			_, err := s.fs(Options{}).putMarker(t.Context(), "d/", ifAbsent)
			if (err == nil) != want || isConditionFailed(err) {
				t.Errorf("%d conflicts: %v", times, err)
			}
		})
	}
}

// If-Match for a deleted object gets 404, which means that the condition failed.
func TestIfMatchOfDeletedObject(t *testing.T) {
	s := newFake(t)
	s.fault = refusing(func(_ *http.Request, call string) bool { return call == "Put" }, 404, "NoSuchKey", "")
	_, err := s.fs(Options{}).putMarker(t.Context(), "d/", condition{match: quoted("e")})
	if !isConditionFailed(err) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// If a service refuses the CRC32C header, with any of the known errors, Content-MD5 replaces it.
func TestChecksumRefused(t *testing.T) {
	for name, refuse := range map[string]struct {
		status        int
		code, message string
	}{
		"Google": {400, "ExcessHeaderValues", "Multiple values have been specified for a single value field."},
		"B2":     {400, "InvalidArgument", "Unsupported header 'x-amz-checksum-crc32c' received for this API call."},
		"R2":     {501, "NotImplemented", "Header 'x-amz-checksum-crc32c' with value 'x' not implemented"},
		"no XML": {501, "", ""},
	} {
		s := newFake(t)
		s.fault = refusing(func(r *http.Request, _ string) bool { return r.Header.Get("X-Amz-Checksum-Crc32c") != "" }, refuse.status, refuse.code, refuse.message)
		f := s.fs(Options{})
		for range 2 {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(10)), proxy.Write{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.checkCalls("Put x3")
		if got := f.client.Refusals(); len(got) != 1 || got[0].Feature != checksumHeaders || got[0].Feature.Option() != "--checksum md5" {
			t.Errorf("%s: refusals %v", name, got)
		}
	}
}

// If a service refuses checksums in CompleteMultipartUpload, with any error, the upload is completed without them.
func TestCompleteChecksumRefused(t *testing.T) {
	for _, refusal := range []struct {
		status int
		code   string
	}{{400, "NotImplemented"}, {501, ""}, {500, ""}, {500, "InternalError"}} {
		status, code := refusal.status, refusal.code
		c := newFake(t).fs(Options{}).client
		var asked []bool
		for range 2 {
			err := c.withCompleteChecksums(func(checksums bool) error {
				if asked = append(asked, checksums); checksums {
					return failed(status, code)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%d: %v", status, err)
			}
		}
		if !slices.Equal(asked, []bool{true, false, false}) {
			t.Errorf("%d: request with checksums: %v", status, asked)
		}
	}
}

// failed returns the SDK's error for an answer.
func failed(status int, code string) error {
	resp := &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: http.Header{}}}
	return &smithyhttp.ResponseError{Response: resp, Err: &smithy.GenericAPIError{Code: code}}
}

// If a service refuses to list multipart uploads, with any error, no upload can be resumed.
func TestUploadsNotListed(t *testing.T) {
	for _, refuse := range []struct {
		status int
		code   string
		want   error
	}{
		{400, "InvalidArgument", nil}, {400, "", nil}, {403, "AccessDenied", nil}, {404, "NotFound", nil}, {404, "", nil},
		{405, "MethodNotAllowed", nil}, {501, "NotImplemented", nil}, {501, "", nil},
		{404, "NoSuchBucket", ErrNoBucket}, {400, "ExpiredToken", errAny},
	} {
		s := newFake(t)
		s.fault = refusing(func(_ *http.Request, call string) bool { return call == "ListUploads" }, refuse.status, refuse.code, "")
		f := s.fs(Options{Resume: time.Hour})
		for range 2 {
			_, err := f.Stat(t.Context(), "/d/missing")
			if want := refuse.want; want == nil && !errors.Is(err, fs.ErrNotExist) || want != nil && want != errAny && !errors.Is(err, want) || err == nil {
				t.Errorf("%d %s: %v", refuse.status, refuse.code, err)
			}
		}
		if n := s.count("ListUploads"); refuse.want == nil && n > 2 { // by the key, and by its directory
			t.Errorf("%d %s: %d requests", refuse.status, refuse.code, n)
		}
	}
}

// If prefixes must end in a slash, whole directories are listed and filtered.
func TestPrefixRefused(t *testing.T) {
	for bucket, refusals := range map[string]int{"b": 1, "b--use1-az4--x-s3": 0} {
		s := newFake(t)
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			prefix := r.URL.Query().Get("prefix")
			switch {
			case r.URL.Query().Has("session"):
				return sessions(r, call)
			case prefix != "" && !strings.HasSuffix(prefix, "/"):
				return refusal(400, "InvalidArgument", "This bucket does not support a prefix that does not end in a delimiter."), nil
			case call == "List" && prefix == "d/" && r.URL.Query().Get("continuation-token") == "":
				return response(200, "<ListBucketResult><Contents><Key>d/xc</Key></Contents><Contents><Key>d/a</Key></Contents>"+
					"<CommonPrefixes><Prefix>d/xb/</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>"+
					"<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"), nil
			case call == "List" && prefix == "d/":
				return response(200, "<ListBucketResult><Contents><Key>d/xa</Key></Contents></ListBucketResult>"), nil
			case call == "ListUploads" && prefix == "d/":
				return response(200, "<R><Upload><Key>d/f</Key><UploadId>1</UploadId></Upload><Upload><Key>d/fg</Key><UploadId>2</UploadId></Upload></R>"), nil
			}
			return nil, nil
		}
		f := s.fs(Options{Resume: time.Hour})
		f.bucket = bucket
		for range 2 {
			var names []string
			for e, err := range f.List(t.Context(), "/d", "x") {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, e.Name)
			}
			want := []string{"xb", "xc", "xa"}
			if refusals == 0 {
				slices.Sort(want) // as the list of a directory bucket is in no order
			}
			if !slices.Equal(names, want) {
				t.Errorf("%s: listed %q, want %q", bucket, names, want)
			}
		}
		open, err := f.listUploadsTo(t.Context(), "d/f")
		if err != nil || len(open) != 1 || *open[0].UploadId != "1" {
			t.Errorf("%s: uploads %v, %v", bucket, open, err)
		}
		if got := f.client.Refusals(); len(got) != refusals || refusals > 0 && (got[0].Feature != anyPrefix || got[0].Scope != bucket) {
			t.Errorf("%s: refusals %v", bucket, got)
		}
	}
}

// If S3 refuses an upload because of --checksum none, the error says so.
func TestRequiredChecksumIsNamedInError(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		return refusal(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"), nil
	}
	f := s.fs(Options{})
	f.client.checksum = string(none)
	if _, err := f.putMarker(t.Context(), "d/", condition{}); err == nil || !strings.Contains(err.Error(), "--checksum none") {
		t.Errorf("error %v", err)
	}
}

// If the service refuses encoding-type, keys are listed without encoding. A key that XML cannot represent is then an error, because a
// rename or deletion of a directory must not omit it.
func TestEncodingTypeRefused(t *testing.T) {
	for status, code := range map[int]string{400: "InvalidArgument", 501: "NotImplemented"} {
		key := "d/a+b%20&amp;c"
		s := newFake(t)
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case r.URL.Query().Has("encoding-type"):
				return refusal(status, code, "Invalid Encoding Method specified in Request"), nil
			case call == "List":
				return response(200, "<ListBucketResult><Contents><Key>"+key+"</Key></Contents></ListBucketResult>"), nil
			}
			return nil, nil
		}
		f := s.fs(Options{})
		for range 2 {
			p, err := f.fetchPage(t.Context(), "d/", "", "", 0)
			if err != nil || len(p.objects) != 1 || p.objects[0].key != "d/a+b%20&c" {
				t.Errorf("%d: %+v, %v", status, p, err)
			}
		}
		s.checkCalls("List x3")
		if got := f.client.Refusals(); len(got) != 1 || got[0].Feature != encodedKeys {
			t.Errorf("%d: refusals %v", status, got)
		}
		key = "d/a&#x1;"
		if _, err := f.fetchPage(t.Context(), "d/", "", "", 0); err == nil || !strings.Contains(err.Error(), "in the listing") {
			t.Errorf("%d: error %v", status, err)
		}
	}
}

// On AWS, a 500 for CompleteMultipartUpload is a failure, not a refusal of checksums.
func TestFailureOfAWSIsNotARefusal(t *testing.T) {
	c := dial(t, Config{Endpoint: "https://s3.eu-west-1.amazonaws.com", Credentials: keys("a", "s")})
	times := 0
	err := c.withCompleteChecksums(func(bool) error {
		times++
		return failed(500, "InternalError")
	})
	if err == nil || times != 1 {
		t.Errorf("%d requests, error %v", times, err)
	}
}

// If the service refuses Content-MD5, as directory buckets do, the parts of an append are sent without a checksum, unless one is configured.
func TestPartMD5Refused(t *testing.T) {
	refuses := func(r *http.Request, call string) bool {
		return strings.HasPrefix(call, "Part ") && r.Header.Get("Content-Md5") != ""
	}
	for bucket, times := range map[string]int{"b": 3, "b--use1-az4--x-s3": 2} {
		s := newFake(t)
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			switch {
			case r.URL.Query().Has("session"):
				return sessions(r, call)
			case refuses(r, call):
				return refusal(400, "InvalidRequest", "The header content-md5 is not supported for this bucket."), nil
			case r.Method == http.MethodHead:
				return headAnswer(map[string]string{"ETag": `"e"`}, 2*minPart), nil
			case strings.HasPrefix(call, "PartCopy "):
				return response(200, "<R><ETag>0123456789abcdef0123456789abcdef</ETag></R>"), nil
			}
			return nil, nil
		}
		f := s.fs(Options{PartSize: minPart})
		f.bucket = bucket
		for range 2 {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}); err != nil {
				t.Errorf("%s: %v", bucket, err)
			}
		}
		if n := s.count("Part 2"); n != times {
			t.Errorf("%s: part 2 was sent %d times, want %d", bucket, n, times)
		}
		if got := f.client.Refusals(); len(got) != times-2 || len(got) > 0 && (got[0].Feature != partMD5 || got[0].Scope != bucket) {
			t.Errorf("%s: refusals %v", bucket, got)
		}
		f.client.checksum = string(md5Sum)
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(3), storetest.All()), proxy.Write{}); err == nil {
			t.Errorf("%s: the configured checksum was not sent", bucket)
		}
	}
}
