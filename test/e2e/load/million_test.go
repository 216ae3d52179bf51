package load

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// keysAt returns the number of keys of a keyServer under a prefix: "1000/" has a thousand.
func keysAt(prefix string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(prefix, "/"))
	return n
}

// A keyServer is an S3 server that only lists generated keys, a thousand a page.
type keyServer struct {
	second chan struct{} // closed = pages after the first may be sent
}

func (s keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("list-type") != "2" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	prefix, all := q.Get("prefix"), keysAt(q.Get("prefix"))
	from, _ := strconv.Atoi(q.Get("continuation-token"))
	if from > 0 {
		<-s.second
	}
	end := min(from+1000, all)
	b := bufio.NewWriter(w)
	defer b.Flush()
	fmt.Fprint(b, "<ListBucketResult>")
	for i := from; i < end; i++ {
		fmt.Fprintf(b, "<Contents><Key>%sa-file-with-a-name-%07d.dat</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"+
			"<ETag>&quot;%032x&quot;</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>", prefix, i, i, i)
	}
	if end < all {
		fmt.Fprintf(b, "<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", end)
	}
	fmt.Fprint(b, "</ListBucketResult>")
}

// TestListMillion lists a directory of a million files. It must take no more memory than one of ten thousand, and the first lines
// must come before the second page.
func TestListMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million lines take some seconds")
	}
	s := keyServer{make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	bridge := harness.StartServer(t, &real.S3{Endpoint: server.URL, AccessKey: "key", SecretKey: "secret", Region: "us-east-1"})
	w := bridge.Connect(t)
	data := w.Open("LIST 10000")
	first, err := bufio.NewReaderSize(data, 64).ReadString('\n')
	if err != nil || !strings.HasSuffix(first, "a-file-with-a-name-0000000.dat\r\n") {
		t.Errorf("the first line is %q, %v", first, err)
	}
	close(s.second)
	if _, err := io.Copy(io.Discard, data); err != nil {
		t.Error(err)
	}
	w.Expect(226)
	for _, verb := range []string{"LIST", "MLSD"} {
		countLines(t, w, verb+" 10000", 10_000)
		before := bridge.Peak(t)
		countLines(t, w, verb+" 1000000", 1_000_000)
		if grown := bridge.Peak(t) - before; grown > 16 {
			t.Errorf("%s: a million lines take %.1f MiB more than ten thousand", verb, grown)
		} else {
			t.Logf("%s: a million lines take %.1f MiB more than ten thousand", verb, grown)
		}
	}
}

// countLines counts the lines that come over a data connection.
func countLines(t *testing.T, w *harness.Client, command string, want int) {
	t.Helper()
	got := 0
	for lines := bufio.NewScanner(w.Open("%s", command)); lines.Scan(); {
		got++
	}
	w.Expect(226)
	if got != want {
		t.Errorf("%s: %d lines, want %d", command, got, want)
	}
}
