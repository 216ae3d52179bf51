package s3fs

import (
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestPartLimits(t *testing.T) {
	for endpoint, want := range map[string]struct {
		numbers int
		uniform bool
	}{
		"":                                                           {10_000, false},
		"http://127.0.0.1:9000":                                      {10_000, false},
		"https://s3.fr-par.scw.cloud":                                {1000, false},
		"https://S3.NL-AMS.SCW.CLOUD./":                              {1000, false},
		"https://b.s3.fr-par.scw.cloud:443/x":                        {1000, false},
		"https://scw.cloud.example.com":                              {10_000, false},
		"https://notscw.cloud":                                       {10_000, false},
		"https://0123abcd.r2.cloudflarestorage.com":                  {10_000, true},
		"https://0123abcd.eu.r2.cloudflarestorage.com":               {10_000, true},
		"https://example.com/?x=.r2.cloudflarestorage.com":           {10_000, false},
		"https://s3.example.com/0123abcd.r2.cloudflarestorage.com":   {10_000, false},
		"https://0123abcd.r2.cloudflarestorage.com.attacker.example": {10_000, false},
	} {
		s := Config{Endpoint: endpoint, Credentials: keys("a", "s"), HTTPClient: newFake(t)}
		if n, uniform := dial(t, s).PartLimits(); n != want.numbers || uniform != want.uniform {
			t.Errorf("%q: %d, %v", endpoint, n, uniform)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://s3.fr-par.scw.cloud")
	if n, _ := dial(t, Config{Credentials: keys("a", "s"), HTTPClient: newFake(t)}).PartLimits(); n != 1000 {
		t.Errorf("an endpoint from the environment: %d", n)
	}
}

// A service is recognised by the end of the host name only.
func TestKnown(t *testing.T) {
	for _, test := range []struct{ endpoint, bucket, want string }{
		{"", "b", "AWS"},
		{"", "b--use1-az4--x-s3", "AWS directory buckets"},
		{"https://s3.eu-west-1.amazonaws.com", "b", "AWS"},
		{"https://s3.cn-north-1.amazonaws.com.cn", "b", "AWS"},
		{"https://s3express-use1-az4.us-east-1.amazonaws.com", "b--use1-az4--x-s3", "AWS directory buckets"},
		{"https://minio.example.com", "b--use1-az4--x-s3", ""},
		{"https://storage.googleapis.com", "b", "Google Cloud Storage"},
		{"https://storage.googleapis.com.example.com", "b", ""},
		{"https://oss-cn-hangzhou.aliyuncs.com", "b", "Alibaba OSS"},
		{"https://COS.ap-beijing.myqcloud.com:443", "b", "Tencent COS"},
		{"https://obs.eu-west-101.myhuaweicloud.eu", "b", "Huawei OBS"},
		{"https://tenant.compat.objectstorage.us-phoenix-1.oraclecloud.com", "b", "Oracle OCI"},
		{"https://vhcompat.objectstorage.us-phoenix-1.oci.customer-oci.com", "b", "Oracle OCI, vhcompat"},
		{"https://l4g4.ch11.idrivee2-2.com", "b", "IDrive e2"},
		{"https://idrivee2-2.example.com", "b", ""},
		{"http://127.0.0.1:9000", "b", ""},
		{"http://[::1]:9000", "b", ""},
	} {
		known, ok := dial(t, Config{Endpoint: test.endpoint, Credentials: keys("a", "s"), HTTPClient: newFake(t)}).Known(test.bucket)
		if known.Name != test.want || ok != (test.want != "") {
			t.Errorf("%q, %q: %q, %v", test.endpoint, test.bucket, known.Name, ok)
		}
	}
}

// No pattern is invalid or hides one of a later service.
func TestKnownServices(t *testing.T) {
	for _, k := range KnownServices() {
		for _, pattern := range k.Hosts {
			host := strings.ReplaceAll(pattern, "*", "x")
			if found, ok := knownByEndpoint("https://" + host); !ok || found.Name != k.Name {
				t.Errorf("%s is taken for %q, want %q", host, found.Name, k.Name)
			}
		}
		if k.Known == "" || k.Source == "" || k.Date == "" {
			t.Errorf("%s: %+v", k.Name, k)
		}
	}
}

// Services marked as tested must be those that the tests run.
func TestKnownServicesAreThoseOfTheTests(t *testing.T) {
	for name, version := range map[string]string{"MinIO": real.MinIOVersion, "versitygw": real.VersityGWVersion, "gofakes3": real.GoFakeS3Version,
		"SeaweedFS": real.SeaweedFSVersion} {
		if k := knownByName(name); !slices.Contains(strings.FieldsFunc(k.Source, func(r rune) bool { return strings.ContainsRune(" ,", r) }), version) {
			t.Errorf("%s: %q, want version %s", name, k.Source, version)
		}
	}
}
