package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// An endpoint of the AWS environment is used as a configured one is, and has to be as good.
func TestEndpointOfTheEnvironment(t *testing.T) {
	for _, test := range []struct{ variable, url, says string }{
		{"AWS_ENDPOINT_URL", "http://127.0.0.1:1/invoices", "has the bucket in its path, and --bucket invoices adds it again: must be http://127.0.0.1:1"},
		{"AWS_ENDPOINT_URL_S3", "http://invoices.host", "has the bucket in its host name, and --bucket invoices adds it again: must be http://host"},
		{"AWS_ENDPOINT_URL", "http://key:canary@host", "keys do not belong into the URL"},
		{"AWS_ENDPOINT_URL", "http://host/?X-Amz-Signature=canary", "the ? or # of the URL"},
	} {
		t.Run(test.url, func(t *testing.T) {
			awsEnvironment(t)
			t.Setenv(test.variable, test.url)
			code, _, text := output(t, "", []string{"S3FTPD_PASSWORD=x"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0")
			if code != exitUsage || !strings.Contains(text, "AWS_ENDPOINT_URL") || !strings.Contains(text, test.says) || strings.Contains(text, "canary") {
				t.Errorf("serve: %d, %s", code, text)
			}
			args := []string{"check", "--bucket=invoices", "--user=alice", "--ftp=127.0.0.1:0"}
			if code, _, text := checked(t, args); code != exitFailure || !strings.Contains(text, "AWS_ENDPOINT_URL") || !strings.Contains(text, test.says) {
				t.Errorf("check: %d, %s", code, text)
			}
		})
	}
}

// Where an endpoint has a path, `check` and the log say where files are stored.
func TestPathInTheEndpoint(t *testing.T) {
	awsEnvironment(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	endpoint := server.URL + "/storage/v1/s3"
	url := endpoint + "/invoices/a%20b/FILE"
	_, _, text := checked(t, checkArgs(endpoint, "--prefix=a b"))
	if !strings.Contains(text, "note  the endpoint has a path, which few services need: files are stored at "+url+"\n") {
		t.Error(text)
	}
	r := start(t, []string{"S3FTPD_PASSWORD=x"}, "--user=alice", "--bucket=invoices", "--prefix=a b", "--ftp=127.0.0.1:0",
		"--endpoint="+endpoint)
	r.stderr.await(t, url)
	if _, _, text := checked(t, checkArgs(server.URL+"/")); strings.Contains(text, "has a path") {
		t.Error(text)
	}
}
