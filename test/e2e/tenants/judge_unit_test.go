package tenants

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// judged are requests, and what the judge must say of them; "" = nothing.
var judged = []struct {
	method, target, source, body string
	want                         string
}{
	{method: "GET", target: "/files/a/x"},
	{method: "PUT", target: "/files/a/x?partNumber=1&uploadId=u"},
	{method: "GET", target: "/files/r/x"},
	{method: "GET", target: "/files/?list-type=2&prefix=a%2F&delimiter=%2F"},
	{method: "GET", target: "/files/?list-type=2&prefix=a%2Fx%2F..&delimiter=%2F"}, // ..*
	{method: "GET", target: "/files?uploads&prefix=a%2Fx"},
	{method: "PUT", target: "/files/a/y", source: "/files/r/x%20y?versionId=1"},
	{method: "POST", target: "/files?delete", body: "<Delete><Object><Key>a/x</Key></Object></Delete>"},

	{method: "HEAD", target: "/files/a", want: `"a" of`},
	{method: "GET", target: "/files/ab/x", want: `"ab/x" of`},
	{method: "GET", target: "/other/a/x", want: `"a/x" of the bucket "other"`},
	{method: "GET", target: "/files/a/../ab/x", want: "not a clean path"},
	{method: "GET", target: "/files/a/%2e%2e/ab/x", want: "not a clean path"},
	{method: "GET", target: "/files/a//x", want: "not a clean path"},
	{method: "GET", target: "/files/a/x%00", want: "not printable"},
	{method: "GET", target: "/files/a/%c0%ae", want: "not printable"},
	{method: "DELETE", target: "/files/r/x", want: `"r/x" of`},
	{method: "PUT", target: "/files/r/x", want: `"r/x" of`},
	{method: "GET", target: "/files?list-type=2&prefix=a", want: `"a" of`},
	{method: "GET", target: "/files?list-type=2&prefix=", want: `"" of`},
	{method: "GET", target: "/files?list-type=2&prefix=a%2F..%2F", want: "not a clean path"},
	{method: "GET", target: "/files?list-type=2", want: "asks for a bucket"},
	{method: "GET", target: "/files?uploads", want: "asks for a bucket"},
	{method: "GET", target: "/", want: "asks for a bucket"},
	{method: "DELETE", target: "/files", want: "changes a bucket"},
	{method: "PUT", target: "/files/a/y", source: "files/ab%2Fx", want: `"ab/x" of`},
	{method: "PUT", target: "/files/a/y", source: "other/a/x", want: `bucket "other"`},
	{method: "PUT", target: "/files/ab/y", source: "files/a/x", want: `"ab/y" of`},
	{method: "POST", target: "/files?delete", body: "<Delete><Object><Key>a/x</Key></Object><Object><Key>ab/x</Key></Object></Delete>", want: `"ab/x" of`},
	{method: "POST", target: "/files?delete", body: "<Delete><Object><Key>r/x</Key></Object></Delete>", want: `"r/x" of`},
}

// TestJudge: the judge passes requests within a place, and finds each way in which a request can name something else.
func TestJudge(t *testing.T) {
	places := []place{{bucket: "files", prefix: "a/"}, {bucket: "files", prefix: "r/", readOnly: true}}
	for _, c := range judged {
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), c.method, "http://s3"+c.target, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.source != "" {
			r.Header.Set("X-Amz-Copy-Source", c.source)
		}
		q, err := parseRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		got := judge(q, places)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s %s from %q with %q: %q, want %q", c.method, c.target, c.source, c.body, got, c.want)
		}
		if body, _ := io.ReadAll(r.Body); !bytes.Equal(body, []byte(c.body)) {
			t.Errorf("%s %s: the body is %q after that", c.method, c.target, body)
		}
	}
}
