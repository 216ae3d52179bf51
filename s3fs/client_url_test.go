package s3fs

import "testing"

// URL returns the URL of requests, in path style and in host style.
func TestURL(t *testing.T) {
	on, off := true, false
	for _, c := range []struct {
		endpoint  string
		pathStyle *bool
		want      string
	}{
		{"http://host:9000", nil, "http://host:9000/abc/a/FILE"},
		{"http://host:9000/", &on, "http://host:9000/abc/a/FILE"},
		{"http://host/s3", nil, "http://host/s3/abc/a/FILE"},
		{"http://host.example.com", &off, "http://abc.host.example.com/a/FILE"},
	} {
		client := dial(t, Config{Endpoint: c.endpoint, PathStyle: c.pathStyle, Credentials: keys("key", "secret")})
		if got, err := client.URL(t.Context(), "abc", "a/FILE"); got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.endpoint, got, err, c.want)
		}
		if client.Endpoint() != c.endpoint {
			t.Errorf("got the endpoint %q, want %q", client.Endpoint(), c.endpoint)
		}
	}
}
