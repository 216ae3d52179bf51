package s3demo_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// A refused sends a request that must be refused, to its own store with an empty bucket. It returns the error.
type refused func(o *open) error

// limit is the size limit of a request in the stores of these tests.
const limit = 6 * mib

func TestRules(t *testing.T) {
	cases := map[string]refused{}
	total := 0
	for _, some := range []map[string]refused{uploadRules, checksumRules, conditionRules, deletionRules, copyRules, objectRules, listRules, missingRules, lifecycleRules, signatureRules} {
		maps.Copy(cases, some)
		total += len(some)
	}
	if total != len(cases) {
		t.Errorf("%d cases have %d names", total, len(cases))
	}
	for _, rule := range s3demo.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			request, ok := cases[rule.Name]
			if !ok {
				t.Fatal("no case")
			}
			delete(cases, rule.Name)
			o := startWith(t, t.TempDir(), s3demo.Options{Region: "us-east-1", MaxPutSize: limit, MaxCopySize: limit})
			if err := o.store.CreateBucket(bucketName); err != nil {
				t.Fatal(err)
			}
			err := request(o)
			if status, code := refusal(t, err); status != rule.Status || code != rule.Code {
				t.Errorf("%d %q (%v), want %d %q", status, code, err, rule.Status, rule.Code)
			}
			if rule.Source == "" {
				t.Error("no source")
			}
		})
	}
	for name := range cases {
		t.Errorf("%s: a case without a rule", name)
	}
}

// refusal returns the status and the code of an error; the SDK invents a code for an answer to HEAD.
func refusal(t *testing.T, err error) (status int, code string) {
	t.Helper()
	if err == nil {
		return http.StatusOK, ""
	}
	if answer, ok := errors.AsType[*rawError](err); ok {
		return answer.Status, answer.Code
	}
	answer, ok := errors.AsType[*awshttp.ResponseError](err)
	api, isAPI := errors.AsType[smithy.APIError](err)
	if !ok || !isAPI {
		t.Fatalf("not an error of S3: %v", err)
	}
	if answer.Response.Request.Method == http.MethodHead {
		return answer.HTTPStatusCode(), ""
	}
	return answer.HTTPStatusCode(), api.ErrorCode()
}

// A rawError is the error response to a request that the SDK would not send.
type rawError struct {
	Status  int         `xml:"-"`
	Header  http.Header `xml:"-"`
	Code    string
	Message string

	Resource, Key, Condition, Region, ArgumentName string

	RequestID string `xml:"RequestId"`
	UploadID  string `xml:"UploadId"`
	text      string
}

func (e *rawError) Error() string { return e.text }

// raw makes a request, signed by the SDK. The target begins behind the bucket; the headers are pairs of name and value.
func (o *open) raw(method, target, body string, headers ...string) error {
	o.t.Helper()
	return o.send(o.request(method, target, body, headers...))
}

// page returns the body of an answer to GET.
func (o *open) page(target string) string {
	o.t.Helper()
	answer, err := o.Options().HTTPClient.Do(o.request("GET", target, ""))
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: %s, %v", target, answer.Status, err)
	}
	return string(text)
}

// request returns a signed request.
func (o *open) request(method, target, body string, headers ...string) *http.Request {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.url+"/"+bucketName+target, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	o.sign(r, body, "us-east-1", time.Now())
	return r
}

// sign signs a request, with the hash of the body unless it has another one.
func (o *open) sign(r *http.Request, body, region string, at time.Time) {
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		sum := sha256.Sum256([]byte(body))
		hash = hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	credentials := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	unescaped := func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }
	if err := v4.NewSigner().SignHTTP(o.t.Context(), credentials, r, hash, "s3", region, at, unescaped); err != nil {
		o.t.Fatal(err)
	}
}

// send returns the refusal of a request, or nil.
func (o *open) send(r *http.Request) error {
	o.t.Helper()
	answer, err := o.Options().HTTPClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	return rawAnswer(answer)
}

// rawAnswer returns the error in a response, or nil.
func rawAnswer(answer *http.Response) error {
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode < 300 {
		return err
	}
	refused := &rawError{}
	if len(text) > 0 {
		if err := xml.Unmarshal(text, refused); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	refused.Status, refused.Header, refused.text = answer.StatusCode, answer.Header, string(text)
	return refused
}

// versioning sets the versioning of the bucket.
func (o *open) versioning(status types.BucketVersioningStatus) {
	o.t.Helper()
	if _, err := o.PutBucketVersioning(o.t.Context(), &s3.PutBucketVersioningInput{
		Bucket: aws.String(bucketName), VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	}); err != nil {
		o.t.Fatal(err)
	}
}

// remove deletes an object, or a version of it.
func (o *open) remove(key string, change ...func(*s3.DeleteObjectInput)) *s3.DeleteObjectOutput {
	o.t.Helper()
	in := &s3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: &key}
	for _, f := range change {
		f(in)
	}
	out, err := o.DeleteObject(o.t.Context(), in)
	if err != nil {
		o.t.Fatalf("DeleteObject %q: %v", key, err)
	}
	return out
}

// The body of an error response has the elements of S3.
func TestRefusalBody(t *testing.T) {
	o := start(t)
	o.put("k", []byte("content"))
	for _, c := range []struct {
		name string
		err  error
		want func(*rawError) bool
	}{
		{"the key", o.raw("GET", "/a%20key", ""), func(e *rawError) bool { return e.Key == "a key" && e.Resource == "/bucket/a key" }},
		{"the condition", o.raw("PUT", "/k", "", "If-None-Match", "*"), func(e *rawError) bool { return e.Condition == "If-None-Match" }},
		{"the upload", o.raw("POST", "/k?uploadId=x", ""), func(e *rawError) bool { return e.UploadID == "x" }},
		{"the argument", o.raw("GET", "?encoding-type=x", ""), func(e *rawError) bool { return e.ArgumentName == "encoding-type" }},
		{"the request", o.raw("GET", "/a", ""), func(e *rawError) bool {
			return e.RequestID != "" && e.RequestID == e.Header.Get("X-Amz-Request-Id") && e.Message == "The specified key does not exist."
		}},
		{"no body", o.raw("HEAD", "/a", ""), func(e *rawError) bool { return e.text == "" && e.Status == http.StatusNotFound }},
	} {
		if e, ok := errors.AsType[*rawError](c.err); !ok || !c.want(e) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	other := startWith(t, t.TempDir(), s3demo.Options{Region: "eu-central-1"})
	if e, ok := errors.AsType[*rawError](other.raw("GET", "", "")); !ok || e.Region != "eu-central-1" {
		t.Errorf("the region: %v", e)
	}
}
