package s3fs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// accessKeyOf returns the access key that signs the requests of a client.
func accessKeyOf(t *testing.T, c *Client) string {
	t.Helper()
	keys, err := c.api.Options().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys.AccessKeyID + "/" + keys.SecretAccessKey
}

func TestClients(t *testing.T) {
	base := dial(t, Config{Endpoint: "http://127.0.0.1:1", Region: "eu-west-1", Credentials: keys("base", "s")})
	all := NewClients(base)
	get := func(a Access) (*Client, func()) {
		t.Helper()
		return all.Client(a)
	}
	if c, _ := get(Access{Endpoint: "http://127.0.0.1:1"}); c != base {
		t.Error("the access of the base client has another client")
	}
	alice, release := get(Access{AccessKey: "alice", SecretKey: "a"})
	again, releaseAgain := get(Access{AccessKey: "alice", SecretKey: "a", Endpoint: "http://127.0.0.1:1"})
	if alice != again || alice.http != base.http || alice.uploads != base.uploads || accessKeyOf(t, alice) != "alice/a" {
		t.Error("users with the same keys do not share a client, or not the connections of the endpoint")
	}
	bob, releaseBob := get(Access{AccessKey: "bob", SecretKey: "b"})
	if bob == alice || accessKeyOf(t, bob) != "bob/b" || accessKeyOf(t, base) != "base/s" {
		t.Error("other keys have the same client")
	}
	release()
	release() // counts once
	if c, release := get(Access{AccessKey: "alice", SecretKey: "a"}); c != alice {
		t.Error("the client of a user in a session is dropped")
	} else {
		release()
	}
	releaseAgain()
	releaseBob()
	other, releaseOther := get(Access{Endpoint: "http://127.0.0.1:2", AccessKey: "carol", SecretKey: "c"})
	second, releaseSecond := get(Access{Endpoint: "http://127.0.0.1:2", Region: "us-east-2"})
	options := second.api.Options()
	if other.http == base.http || other.http != second.http || *options.BaseEndpoint != "http://127.0.0.1:2" || options.Region != "us-east-2" {
		t.Errorf("the endpoint %v, the region %v; its users share connections: %v", *options.BaseEndpoint, options.Region, other.http == second.http)
	}
	if NewFS(other, Options{Bucket: "b"}).bucketKey("k") == NewFS(base, Options{Bucket: "b"}).bucketKey("k") {
		t.Error("buckets of two services are taken for the same")
	}
	for _, c := range []*Client{base, alice, other} {
		f := NewFS(c, Options{Bucket: "b"})
		if _, seen := c.writtenKeys(&s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})[f.bucketKey("k")]; !seen {
			t.Errorf("%q: a request of the client is not noted as a write to the key", f.bucketKey("k"))
		}
	}
	releaseOther()
	if len(all.pools) != 1 {
		t.Error("connections in use are dropped")
	}
	releaseSecond()
	if len(all.pools) != 0 || len(all.byKey) != 0 {
		t.Errorf("%d pools and %d clients are kept without users", len(all.pools), len(all.byKey))
	}
}

// A user who names the endpoint that the server has from its environment has the same service: else conflicts between their sessions
// went unseen.
func TestClientsOfEndpointInEnvironment(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	base := dial(t, Config{Credentials: keys("base", "s")})
	client, release := NewClients(base).Client(Access{Endpoint: "http://127.0.0.1:1", AccessKey: "alice", SecretKey: "a"})
	defer release()
	if a, b := base.bucketKey("b", "k"), client.bucketKey("b", "k"); a != b || client.http != base.http {
		t.Errorf("a key is %q to the server and %q to the user", a, b)
	}
}

// A new secret key in the file is used within a second, and the old one while the file is being replaced. The log tells when the file
// becomes unreadable, and readable again.
func TestSecretKeyFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		k := &keyFile{accessKey: "alice", name: name, log: slog.New(slog.NewTextHandler(&logged, nil))}
		lines := func(want ...string) {
			t.Helper()
			text := logged.String()
			logged.Reset()
			if strings.Count(text, "\n") != len(want) || strings.Contains(text, "second") {
				t.Errorf("logged %s", text)
			}
			for _, part := range want {
				if !strings.Contains(text, part) || !strings.Contains(text, name) {
					t.Errorf("logged %s, want %q", text, part)
				}
			}
		}
		check := func(want string) {
			t.Helper()
			got, err := k.Retrieve(t.Context())
			if want == "" {
				if err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("got %q, %v, want an error that names the file", got.SecretAccessKey, err)
				}
			} else if err != nil || got.SecretAccessKey != want || got.AccessKeyID != "alice" {
				t.Errorf("got %+v, %v, want %s", got, err, want)
			}
		}
		check("")
		write("\n")
		check("")
		write(" first \n")
		check("first")
		write("second")
		check("first")
		<-time.After(keyFileAge)
		check("second")
		lines()
		os.Remove(name)
		for range 3 {
			<-time.After(keyFileAge)
			check("second")
		}
		lines("level=WARN msg=\"secret key file unreadable, using the last known key\"")
		write("\n")
		<-time.After(keyFileAge)
		check("second")
		lines()
		write("third")
		for range 2 {
			<-time.After(keyFileAge)
			check("third")
		}
		lines("level=INFO msg=\"secret key file readable again\"")
	})
}

// The credentials of a role are renewed before they end. While STS fails they are used to their end.
func TestRole(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int64
	until := time.Now().Add(time.Hour)
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		r.ParseForm()
		if down.Load() || r.Form.Get("RoleArn") != "arn:aws:iam::1:role/files" || r.Form.Get("ExternalId") != "42" ||
			!strings.Contains(r.Header.Get("Authorization"), "Credential=alice/") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Write([]byte(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>temporary</AccessKeyId>` +
			`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>` + until.UTC().Format(time.RFC3339) +
			`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
	}))
	defer sts.Close()
	base := dial(t, Config{Endpoint: sts.URL, Credentials: keys("base", "s")})
	client, release := NewClients(base).Client(Access{AccessKey: "alice", SecretKey: "a", RoleARN: "arn:aws:iam::1:role/files", ExternalID: "42"})
	defer release()
	check := func(when string, requests int64, works bool) {
		t.Helper()
		got, err := client.api.Options().Credentials.Retrieve(t.Context())
		if works && (err != nil || got.AccessKeyID != "temporary") || !works && err == nil {
			t.Errorf("%s: %+v, %v", when, got, err)
		}
		if n := asked.Swap(0); n != requests {
			t.Errorf("%s: STS was asked %d times, want %d", when, n, requests)
		}
	}
	check("at first", 1, true)
	check("in the hour", 0, true)
	until = time.Now().Add(renewal / 2) // to be renewed at once
	soon, release2 := NewClients(base).Client(Access{AccessKey: "alice", SecretKey: "a", RoleARN: "arn:aws:iam::1:role/files", ExternalID: "42"})
	defer release2()
	client = soon
	check("shortly before the end", 1, true)
	check("shortly before the end, again", 1, true)
	down.Store(true)
	check("STS fails", 1, true)
	check("STS fails again", 1, true)
	down.Store(false)
	until = time.Now().Add(-time.Minute)
	check("ended", 1, true)
	down.Store(true)
	check("ended, and STS fails", 1, false)
}

// An error of STS is not taken for one of S3.
func TestRoleRefused(t *testing.T) {
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized.</Message></Error></ErrorResponse>"))
	}))
	defer sts.Close()
	client, release := NewClients(dial(t, Config{Credentials: keys("base", "s")})).Client(Access{Endpoint: sts.URL, RoleARN: "arn:aws:iam::1:role/files"})
	defer release()
	_, err := NewFS(client, Options{Bucket: "invoices"}).Stat(t.Context(), "/f")
	got, ok := errors.AsType[*RequestError](err)
	if !ok {
		t.Fatal(err)
	}
	want := RequestError{Operation: "AssumeRole", Service: "STS", Bucket: "invoices", Endpoint: sts.URL, Status: 403, Code: "AccessDenied", Message: "Not authorized."}
	described := RequestError{Operation: got.Operation, Service: got.Service, Bucket: got.Bucket, Endpoint: got.Endpoint, Status: got.Status, Code: got.Code, Message: got.Message}
	if described != want || got.Error() != "STS says AccessDenied, Not authorized" {
		t.Errorf("got %+v, %v", described, got)
	}
}

// A refusal of STS is not taken for one of a feature of S3. It fails the request, and is forgotten.
func TestRoleRefusesNoFeature(t *testing.T) {
	for status, code := range map[int]string{405: "MethodNotAllowed", 501: "NotImplemented", 400: "InvalidRequest", 403: "AccessDenied"} {
		asked := new(atomic.Int64)
		sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			w.WriteHeader(status)
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>checksum header</Message></Error></ErrorResponse>", code)
		}))
		client, release := NewClients(dial(t, Config{Credentials: keys("base", "s")})).Client(Access{Endpoint: sts.URL, RoleARN: "arn:aws:iam::1:role/files"})
		f := NewFS(client, Options{Bucket: "invoices", Resume: time.Hour})
		if open, err := f.listUploads(t.Context(), "f"); err == nil {
			t.Errorf("%s: %v, want the error of STS", code, open)
		}
		if _, err := f.fetchPage(t.Context(), "d/", "/", "", 0); err == nil {
			t.Errorf("%s: a listing succeeds", code)
		}
		if asked.Load() != 2 {
			t.Errorf("%s: STS was asked %d times by two requests", code, asked.Load())
		}
		if is := client.Refusals(); len(is) > 0 {
			t.Errorf("%s: refused features %v", code, is)
		}
		release()
		sts.Close()
	}
}
