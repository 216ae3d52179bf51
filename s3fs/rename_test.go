package s3fs

import (
	"fmt"
	"net/http"
	"testing"
)

// A file that is stored at the old name after the copy is a new file, and is kept.
func TestRenameKeepsFileStoredAfterCopy(t *testing.T) {
	s := newFake(t)
	heads := 0
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			heads++
			resp := response(200, "")
			resp.Header.Set("ETag", fmt.Sprintf(`"%d"`, heads))
			return resp, nil
		case "List":
			return response(200, "<ListBucketResult></ListBucketResult>"), nil
		case "Copy":
			return response(200, `<R><ETag>"1"</ETag></R>`), nil
		}
		return nil, nil
	}
	if _, err := s.fs(Options{}).Rename(t.Context(), "/a", "/b", true); err != nil {
		t.Error(err)
	}
	s.checkCalls("Head x2", "List", "Copy")
}

// A file that changes before each copy is not renamed.
func TestRenameOfChangingFileFails(t *testing.T) {
	s := newFake(t)
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			resp := response(200, "")
			resp.Header.Set("ETag", `"old"`)
			return resp, nil
		case "List":
			return response(200, "<ListBucketResult></ListBucketResult>"), nil
		case "Copy":
			return refusal(412, "PreconditionFailed", ""), nil
		}
		return nil, nil
	}
	if _, err := s.fs(Options{}).Rename(t.Context(), "/a b+c", "/e", true); err == nil {
		t.Error("no error")
	}
	s.checkCalls("Head x2", "List", "Copy x2")
	if got := s.header("Copy", "X-Amz-Copy-Source"); got != "b/a%20b%2Bc" {
		t.Errorf("source %q", got)
	}
	if got := s.header("Copy", "X-Amz-Copy-Source-If-Match"); got != `"old"` {
		t.Errorf("source's ETag %q", got)
	}
}
