package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// --fix-lifecycle adds the rule once, and reports it. Without the option nothing is written.
func TestCheckFixLifecycle(t *testing.T) {
	endpoint := checkable(t)
	const missing, there = "warn  no lifecycle rule is known", "ok    a lifecycle rule aborts incomplete multipart uploads, 7 days after they began\n"
	for _, step := range []struct {
		args []string
		says []string
	}{
		{nil, []string{missing, "advice: run s3ftpd check --fix-lifecycle"}},
		{[]string{"--fix-lifecycle"}, []string{"ok    added a lifecycle rule that aborts incomplete multipart uploads after 7 days; read back: ", there}},
		{[]string{"--fix-lifecycle"}, []string{"ok    nothing written: a lifecycle rule aborts incomplete multipart uploads after 7 days\n", there}},
		{nil, []string{there}},
		{[]string{"--resume=240h"}, []string{missing, "a rule aborts them after 7 days, before --resume 240h0m0s is over"}},
	} {
		code, _, text := checked(t, checkArgs(endpoint, step.args...))
		for _, says := range step.says {
			if code != 0 || !strings.Contains(text, says) {
				t.Errorf("%q: %d, without %q:\n%s", step.args, code, says, text)
			}
		}
	}
}

// The rule is added with the keys of the server where users have keys or prefixes of their own.
func TestCheckFixLifecycleOfUsers(t *testing.T) {
	for name, login := range map[string][]string{
		"S3 keys": {"--auth=s3", "--prefix=customers/"},
		"a file":  {"--users=" + writeUsers(t, "users: []\n"), "--prefix=customers/{user}/"},
	} {
		endpoint := checkable(t)
		args := append([]string{"check", "--fix-lifecycle", "--bucket=invoices", "--endpoint=" + endpoint, "--ftp=127.0.0.1:0",
			"--passive-ports=1024-65535", "--active=false"}, login...)
		for _, says := range []string{"ok    added a lifecycle rule that aborts incomplete multipart uploads after 7 days", "ok    nothing written: a lifecycle rule"} {
			if _, text, _ := output(t, "", nil, real.Arguments(args...)...); !strings.Contains(text, says) {
				t.Errorf("%s: without %q:\n%s", name, says, text)
			}
		}
		if _, _, text := checked(t, checkArgs(endpoint, "--prefix=customers/alice/")); !strings.Contains(text, "ok    a lifecycle rule aborts") {
			t.Errorf("%s: the rule is not for all customers:\n%s", name, text)
		}
	}
}

// If S3 refuses the rule, check fails and prints advice.
func TestCheckFixLifecycleRefused(t *testing.T) {
	store := embedded(t, "invoices")
	for name, test := range map[string]struct {
		fault checkFault
		says  string
	}{
		"denied":          {answered(403, "AccessDenied", "PutBucketLifecycleConfiguration"), "advice: allow s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration\n"},
		"not implemented": {answered(501, "NotImplemented", "PutBucketLifecycleConfiguration"), "advice: some services take no such rule"},
		"unknown element": {answered(200, strings.Replace(abortRule, "<Rule>", "<Rule><New>1</New>", 1), "GetBucketLifecycleConfiguration"), "nothing was written"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch status, answer := test.fault(r); {
				case status == 0:
					store.ServeHTTP(w, r)
				case strings.HasPrefix(answer, "<"):
					io.WriteString(w, strings.Replace(answer, "Enabled", "Disabled", 1))
				default:
					w.WriteHeader(status)
					io.WriteString(w, "<Error><Code>"+answer+"</Code></Error>")
				}
			}))
			defer server.Close()
			code, _, text := checked(t, checkArgs(server.URL, "--fix-lifecycle"))
			if code != exitFailure || !strings.Contains(text, test.says) {
				t.Errorf("%d, without %q:\n%s", code, test.says, text)
			}
		})
	}
}

// MinIO refuses such a rule, since it aborts uploads by itself.
func TestCheckFixLifecycleOnMinIO(t *testing.T) {
	server := real.MinIO(t)
	keysOf(t, server)
	bucket := "invoices"
	if _, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	code, _, text := checked(t, checkArgs(server.Endpoint, "--fix-lifecycle"))
	if code != exitFailure || !strings.Contains(text, "FAIL  no lifecycle rule was added: S3 says InvalidArgument") || !strings.Contains(text, "as MinIO does") {
		t.Errorf("%d\n%s", code, text)
	}
}
