package s3demo_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

func TestFailuresAreLogged(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	store, err := s3demo.Open(dir, s3demo.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	do := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		store.Handler().ServeHTTP(w, r)
		return w
	}
	do(http.MethodPut, "/bucket", "")
	do(http.MethodPut, "/bucket/k", "content")
	if log.Len() > 0 {
		t.Errorf("logged without need: %s", log.String())
	}
	records, err := filepath.Glob(filepath.Join(dir, "buckets/bucket/objects/*"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records: %v, %v", records, err)
	}
	if err := os.Truncate(records[0], 3); err != nil {
		t.Fatal(err)
	}
	if w := do(http.MethodGet, "/bucket/k", ""); w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, records[0]) {
		t.Errorf("log: %s", got)
	}
}
