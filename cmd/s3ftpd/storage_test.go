package main

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// An endpoint from the AWS environment is used and checked like a configured one.
func TestEndpointOfTheEnvironment(t *testing.T) {
	for _, test := range []struct{ variable, url, says string }{
		{"AWS_ENDPOINT_URL", "http://127.0.0.1:1/invoices", "has the bucket in its path, and --bucket invoices adds it again: must be http://127.0.0.1:1"},
		{"AWS_ENDPOINT_URL_S3", "http://invoices.host", "has the bucket in its host name, and --bucket invoices adds it again: must be http://host"},
		{"AWS_ENDPOINT_URL", "http://key:canary@host", "must not contain keys"},
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

// If the endpoint has a path, `check` and the log say where files are stored.
func TestPathInTheEndpoint(t *testing.T) {
	awsEnvironment(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	endpoint := server.URL + "/storage/v1/s3"
	url := endpoint + "/invoices/a%20b/FILE"
	_, _, text := checked(t, checkArgs(endpoint, "--prefix=a b"))
	if !strings.Contains(text, "warn  the endpoint has a path, which few services need: files are stored at "+url+"\n") {
		t.Error(text)
	}
	r := start(t, []string{"S3FTPD_PASSWORD=x"}, "--user=alice", "--bucket=invoices", "--prefix=a b", "--ftp=127.0.0.1:0",
		"--endpoint="+endpoint)
	r.stderr.await(t, url)
	if _, _, text := checked(t, checkArgs(server.URL+"/")); strings.Contains(text, "has a path") {
		t.Error(text)
	}
}

// Without a region and an endpoint, serve and check report the default region.
func TestAssumedRegion(t *testing.T) {
	for _, test := range []struct {
		name, variable, value string
		service               s3fs.Config
		warns                 bool
	}{
		{"nothing configured", "AWS_REGION", "", s3fs.Config{}, true},
		{"region", "AWS_REGION", "", s3fs.Config{Region: "us-east-1"}, false},
		{"endpoint", "AWS_REGION", "", s3fs.Config{Endpoint: "http://127.0.0.1:1"}, false},
		{"AWS_REGION", "AWS_REGION", "us-east-1", s3fs.Config{}, false},
		{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL", "http://127.0.0.1:1", s3fs.Config{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			awsEnvironment(t)
			t.Setenv(test.variable, test.value)
			c := &config.Config{Bucket: "invoices", LogFormat: "json"}
			client, err := connect(t.Context(), c, test.service)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			log, out := newConsole(), newConsole()
			warnService(t.Context(), c, client, newLog(c, log))
			checkService(t.Context(), &report{w: out}, c, client)
			for _, text := range []string{log.String(), out.String()} {
				if strings.Contains(text, "us-east-1") != test.warns || strings.Contains(text, "--region") != test.warns {
					t.Errorf("got %q", text)
				}
			}
		})
	}
}

// Passwords of LDAP users go to the endpoint, and nothing secret of others does. A hook by plain http is refused, see package config.
func TestPasswordsToS3WithoutTLS(t *testing.T) {
	awsEnvironment(t)
	for _, x := range []struct {
		endpoint, auth string
		warns          bool
	}{
		{"http://192.0.2.1:9000", "ldap-sts", true},
		{"http://minio:9000", "s3,ldap-sts", true},
		{"http://localhost.example.com:9000", "ldap-sts", true},
		{"https://192.0.2.1:9000", "ldap-sts", false},
		{"http://127.0.0.1:9000", "ldap-sts", false},
		{"http://localhost:9000", "ldap-sts", false},
		{"http://[::1]:9000", "ldap-sts", false},
		{"http://192.0.2.1:9000", "s3", false},
	} {
		c := &config.Config{Auth: strings.Split(x.auth, ","), LogFormat: "json"}
		client, err := connect(t.Context(), c, s3fs.Config{Endpoint: x.endpoint, Region: "us-east-1"})
		if err != nil {
			t.Fatal(err)
		}
		log := newConsole()
		warnService(t.Context(), c, client, newLog(c, log))
		if text := log.String(); strings.Contains(text, "passwords of LDAP users go to S3 without TLS") != x.warns {
			t.Errorf("%s, --auth %s: %q", x.endpoint, x.auth, text)
		}
		client.Close()
	}
}

// storeOptions passes the configuration on to the store.
func TestStoreOptions(t *testing.T) {
	awsEnvironment(t)
	common := s3fs.Options{Bucket: "invoices", PartSize: 8 << 20, MaxParts: 10_000, Resume: 24 * time.Hour, RenameMax: 10_000,
		Stall: 5 * time.Minute, Log: quiet, ListMtime: "auto"}
	for args, want := range map[string]func(*s3fs.Options){
		"": func(*s3fs.Options) {},
		"--prefix=a --part-size=6MiB --stall-timeout=4s --max-parts=500 --uniform-parts=on --resume=1h --rename-max=7": func(o *s3fs.Options) {
			o.Prefix, o.PartSize, o.Stall, o.MaxParts, o.UniformParts, o.Resume, o.RenameMax = "a/", 6<<20, 4*time.Second, 500, true, time.Hour, 7
		},
		"--list-mtime=metadata": func(o *s3fs.Options) { o.ListMtime = "metadata" },
		"--resume=0":            func(o *s3fs.Options) { o.Resume = -1 },
		"--storage-class=GLACIER_IR --sse=aws:kms --sse-kms-key=k --acl=private --tags=a=b": func(o *s3fs.Options) {
			o.Attributes = s3fs.Attributes{StorageClass: "GLACIER_IR", SSE: "aws:kms", KMSKey: "k", ACL: "private", Tags: map[string]string{"a": "b"}}
		},
		"--endpoint=https://s3.fr-par.scw.cloud":                                           func(o *s3fs.Options) { o.MaxParts = 1000 },
		"--endpoint=https://s3.fr-par.scw.cloud --max-parts=10000":                         func(*s3fs.Options) {},
		"--endpoint=https://0123abcd.r2.cloudflarestorage.com":                             func(o *s3fs.Options) { o.UniformParts = true },
		"--endpoint=https://0123abcd.r2.cloudflarestorage.com --uniform-parts=off":         func(*s3fs.Options) {},
		"--endpoint=https://0123abcd.r2.cloudflarestorage.com --uniform-parts=auto --acl=": func(o *s3fs.Options) { o.UniformParts = true },
	} {
		c, err := config.Load(config.Serve, append(strings.Fields(args), "--bucket=invoices", "--user=alice"), []string{"S3FTPD_PASSWORD=x"})
		if err != nil {
			t.Fatal(err)
		}
		client, err := s3fs.NewClient(t.Context(), service(c, quiet))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		wanted := common
		want(&wanted)
		b := budget.New(c.Memory)
		got := storeOptions(c, client, b, quiet)
		if got.Budget != b {
			t.Errorf("%s: not the budget of the process", args)
		}
		if got.Budget = nil; !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", args, got, wanted)
		}
	}
}
