package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// restrictedKeys sets temporary keys of MinIO with an inline policy that allows these actions only (AssumeRole of AWS STS).
func restrictedKeys(t *testing.T, minio *real.S3, actions []string) {
	t.Helper()
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": actions, "Resource": []string{"arn:aws:s3:::invoices", "arn:aws:s3:::invoices/*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	body := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "DurationSeconds": {"3600"}, "Policy": {string(policy)}}.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, minio.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	root := aws.Credentials{AccessKeyID: minio.AccessKey, SecretAccessKey: minio.SecretKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), root, r, hex.EncodeToString(sum[:]), "sts", minio.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var keys struct {
		AccessKeyID  string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret       string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		SessionToken string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if err := xml.Unmarshal(text, &keys); err != nil || keys.SessionToken == "" {
		t.Fatalf("AssumeRole: status %d, %v, %s", resp.StatusCode, err, text)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.Secret)
	t.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
}

// allActions are the actions that s3ftpd uses on MinIO.
var allActions = []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads",
	"s3:ListMultipartUploadParts", "s3:GetLifecycleConfiguration", "s3:GetBucketLocation"}

// A key without one permission: check names that permission and the policy that grants it, and so does the log of serve.
func TestMissingPermissions(t *testing.T) {
	awsEnvironment(t)
	minio := real.MinIO(t)
	real.AwaitKeys(t, minio)
	if _, err := minio.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("invoices")}); err != nil {
		t.Fatal(err)
	}
	for _, missing := range []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
		"s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"} {
		t.Run(missing, func(t *testing.T) {
			restrictedKeys(t, minio, slices.DeleteFunc(slices.Clone(allActions), func(a string) bool { return a == missing }))
			_, _, text := checked(t, checkArgs(minio.Endpoint, "--region", minio.Region))
			for l := range strings.Lines(text) {
				denied := strings.Contains(l, "is denied") && strings.HasPrefix(strings.TrimLeft(l[min(6, len(l)):], " "), "s3:")
				if denied && !strings.Contains(l, missing+" is denied") {
					t.Errorf("another permission: %s", l)
				}
			}
			if !strings.Contains(text, missing+" is denied") || !strings.Contains(text, `"Action":["`+missing+`"]`) {
				t.Errorf("%s is not named, or has no policy:\n%s", missing, text)
			}
		})
	}
	t.Run("serve", func(t *testing.T) {
		restrictedKeys(t, minio, []string{"s3:ListBucket", "s3:GetObject"})
		r := start(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--endpoint", minio.Endpoint, "--region", minio.Region)
		c := keyLogin(t, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1], "alice", "wonderland", 230)
		expect(t, c, "MKD d", 550)
		if text := r.stderr.await(t, `"command":"MKD"`); !strings.Contains(text, `"reason":"the keys may not do PutObject","advice":"allow s3:PutObject`) {
			t.Errorf("the log does not name the permission:\n%s", text)
		}
	})
}

// With AWS_CA_BUNDLE, check and serve use an endpoint whose certificate is of a private authority.
func TestPrivateAuthority(t *testing.T) {
	server := httptest.NewTLSServer(embedded(t, "invoices"))
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, text := checked(t, checkArgs(server.URL)); code == 0 || !strings.Contains(text, "in AWS_CA_BUNDLE") {
		t.Errorf("without AWS_CA_BUNDLE: code %d\n%s", code, text)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	if code, _, text := checked(t, checkArgs(server.URL)); code != 0 || !strings.Contains(text, "ok    an object can be deleted") {
		t.Errorf("with AWS_CA_BUNDLE: code %d\n%s", code, text)
	}
	r := start(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--endpoint", server.URL, "--region=us-east-1")
	c := keyLogin(t, listening.FindStringSubmatch(r.stderr.await(t, `"msg":"listening"`))[1], "alice", "wonderland", 230)
	exchange(t, c, "STOR f", "content")
	if got := exchange(t, c, "RETR f", ""); got != "content" {
		t.Errorf("got %q", got)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle+".missing")
	if code, _, text := checked(t, checkArgs(server.URL)); code == 0 || !strings.Contains(text, "correct AWS_CA_BUNDLE") {
		t.Errorf("with a missing file: code %d\n%s", code, text)
	}
}
