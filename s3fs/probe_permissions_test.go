package s3fs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

// permissionsOf probes a service and returns its permissions that are denied, and those that no request has shown.
func permissionsOf(t *testing.T, f *FS) (denied, unknown []string) {
	t.Helper()
	for found := range f.Probe(t.Context(), time.Minute) {
		switch {
		case found.Check != CheckPermission || found.Err == nil:
		case errors.Is(found.Err, fs.ErrPermission):
			denied = append(denied, found.Action)
		case errors.Is(found.Err, ErrUntried):
			unknown = append(unknown, found.Action)
		default:
			t.Errorf("%+v", found)
		}
	}
	return denied, unknown
}

// Each permission that is missing is found, also if it keeps the probe from putting an object.
func TestProbePermissions(t *testing.T) {
	with := func(header string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Header.Get(header) != "" }
	}
	for name, test := range map[string]struct {
		fits            func(*http.Request) bool
		denied, unknown []string
	}{
		"all allowed": {call("none"), nil, nil},
		"nothing allowed": {func(*http.Request) bool { return true },
			[]string{"s3:ListBucket", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads",
				"s3:ListMultipartUploadParts", "s3:GetLifecycleConfiguration"}, []string{"s3:GetObject", "s3:PutObjectTagging"}},
		"no PutObject": {func(r *http.Request) bool { return r.Method == "PUT" || r.Method == "POST" },
			[]string{"s3:PutObject"}, []string{"s3:PutObjectTagging"}},
		"no tags": {with("X-Amz-Tagging"), []string{"s3:PutObjectTagging"}, nil},
		"no GetObject": {func(r *http.Request) bool {
			return reading(r) || r.Method == "HEAD" || name(r) == "Copy" || name(r) == "PartCopy 1"
		}, []string{"s3:GetObject"}, nil},
		"no abort":    {call("Abort"), []string{"s3:AbortMultipartUpload"}, nil},
		"no deletion": {call("Delete", "DeleteMany"), []string{"s3:DeleteObject"}, nil},
		"no listing":  {func(r *http.Request) bool { return r.URL.Query().Has("list-type") }, []string{"s3:ListBucket"}, nil},
		"no list of uploads": {func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploads") },
			[]string{"s3:ListBucketMultipartUploads"}, nil},
		"no list of parts": {func(r *http.Request) bool { return r.Method == "GET" && r.URL.Query().Has("uploadId") },
			[]string{"s3:ListMultipartUploadParts"}, nil},
		"no lifecycle": {lifecycle, []string{"s3:GetLifecycleConfiguration"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := probing(t, Options{Prefix: "a", Attributes: Attributes{Tags: map[string]string{"a": "b"}}}, denied(test.fits))
			denied, unknown := permissionsOf(t, f)
			if !slices.Equal(denied, test.denied) || !slices.Equal(unknown, test.unknown) {
				t.Errorf("denied %q, want %q; unknown %q, want %q", denied, test.denied, unknown, test.unknown)
			}
		})
	}
}

// A permission that AWS names in a denial is found by that name, also one that the FS needs for some files only.
func TestProbeNamesThePermission(t *testing.T) {
	const denial = "<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/u is not authorized to perform: s3:GetObjectTagging " +
		"on resource: \"x\" because no identity-based policy allows it</Message></Error>"
	f := probing(t, Options{}, instead(call("Copy"), 403, denial))
	if denied, _ := permissionsOf(t, f); !slices.Equal(denied, []string{"s3:GetObjectTagging"}) {
		t.Errorf("denied %q", denied)
	}
}

// All requests to a directory bucket need one permission, so any request that passes shows it.
func TestPermissionOfDirectoryBucket(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDenied"}
	refused := fmt.Errorf("%w: %w", fs.ErrPermission, denied)
	for name, test := range map[string]struct {
		outcomes []error
		want     error
	}{
		"no request":     {nil, ErrUntried},
		"all denied":     {[]error{refused, refused}, refused},
		"some denied":    {[]error{refused, nil}, nil},
		"other failures": {[]error{errors.New("down")}, ErrUntried},
	} {
		trace := newTrace()
		for i, err := range test.outcomes {
			trace.record([]string{fmt.Sprint("s3:Action", i)}, err)
		}
		if got := trace.findAny(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
