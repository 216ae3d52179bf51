package main

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The metadata of an object names the user that has written it. A user's own key overrides --provenance.
func TestProvenanceOfUsers(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			file := usersFileOf(t, "", `
defaults: {bucket: invoices}
users:
  - {name: Jürgen, password: $alice}
  - {name: bob, password: $bob, provenance: false}
`, "alice", "bob")
			r, address := startUsers(t, s, file, "--provenance", "--auth", "s3")
			exchange(t, keyLogin(t, address, "Jürgen", "pw-alice", 230), "STOR a", "x")
			exchange(t, keyLogin(t, address, "bob", "pw-bob", 230), "STOR b", "x")
			exchange(t, keyLogin(t, address, s.key, s.secret, 230), "STOR /invoices/c", "x")
			r.end(t)
			client := s3.New(s3.Options{BaseEndpoint: &s.endpoint, Region: s.region, UsePathStyle: true,
				Credentials: credentials.NewStaticCredentialsProvider(s.key, s.secret, "")})
			for key, user := range map[string]string{"a": "J%C3%BCrgen", "b": "", "c": s.key} {
				is, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("invoices"), Key: &key})
				if err != nil {
					t.Fatal(err)
				}
				if is.Metadata["ftp-user"] != user || (is.Metadata["ftp-client"] == "127.0.0.1") != (user != "") ||
					(is.Metadata["ftp-session"] == "") != (user == "") {
					t.Errorf("%s: %v, want the user %q", key, is.Metadata, user)
				}
			}
		})
	}
}
