package config

import (
	"strings"
	"testing"
)

// With the bucket in the endpoint, S3 clients add it twice: files were stored below invoices/invoices/, and listings were empty.
func TestBucketInEndpoint(t *testing.T) {
	for _, c := range []struct {
		endpoint, bucket string
		more             []string
		wantErr          string // empty = valid
	}{
		{"http://host/invoices", "invoices", nil, "must be http://host"},
		{"http://host:9000/invoices/", "invoices", nil, "must be http://host:9000"},
		{"http://host/invoices/customers", "invoices", nil, "must be http://host"},
		{"http://host/s3/invoices", "invoices", nil, "must be http://host/s3"},
		{"http://host/invoices", "invoices", []string{"--path-style=on"}, "must be http://host"},
		{"http://invoices.host", "invoices", nil, "must be http://host"},
		{"http://Invoices.host:9000", "invoices", nil, "must be http://host:9000"},
		{"https://a.b.s3.eu-central-1.amazonaws.com", "a.b", nil, "must be https://s3.eu-central-1.amazonaws.com"},
		{"http://invoices.host", "invoices", []string{"--path-style=off"}, "must be http://host"},
		{"http://invoices.host", "invoices", []string{"--path-style=on"}, ""}, // the host name of the service
		{"http://invoices", "invoices", nil, ""},
		{"http://invoices-store.host", "invoices", nil, ""},
		{"http://host/s3", "invoices", nil, ""},
		{"http://host/invoices-store", "invoices", nil, ""},
		{"http://127.0.0.1:9000", "127", nil, ""},
		{"https://x.supabase.co/storage/v1/s3", "storage", nil, ""},
		{"https://x.supabase.co/storage/v1/s3/invoices", "invoices", nil, "must be https://x.supabase.co/storage/v1/s3"},
	} {
		args := append([]string{"--endpoint=" + c.endpoint, "--bucket=" + c.bucket, "--user=alice"}, c.more...)
		_, err := load(Serve, args, completeEnv, noLimit)
		switch {
		case c.wantErr == "" && err != nil, c.wantErr != "" && err == nil:
			t.Errorf("%v: got %v", args, err)
		case err == nil:
		case !strings.Contains(err.Error()+" ", c.wantErr+" ") || !strings.Contains(err.Error(), "--endpoint") || !strings.Contains(err.Error(), "--bucket "+c.bucket):
			t.Errorf("%v: got %v, want %q and the names of both options", args, err, c.wantErr)
		}
	}
}

// The part of a URL that may contain a secret is not in a message.
func TestSecretsInURLs(t *testing.T) {
	for _, arg := range []string{
		"--endpoint=http://key:hush@host", "--endpoint=http://host/?X-Amz-Signature=hush", "--endpoint=http://host/x#hush", "--endpoint=key:hush@host",
		"--bucket=https://host/invoices?X-Amz-Signature=hush",
	} {
		if _, err := load(Serve, append([]string{"--user=alice"}, arg), completeEnv, noLimit); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", arg, err)
		}
	}
}
