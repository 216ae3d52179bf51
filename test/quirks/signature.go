package quirks

import (
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signed reports whether a request is signed with the keys. It signs it again to compare.
func signed(r *http.Request) bool {
	fields := make(map[string]string)
	_, text, _ := strings.Cut(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	for field := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/") // key, date, region, service, aws4_request
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if len(scope) != 5 || scope[0] != AccessKey || err != nil {
		return false
	}
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: make(http.Header)}
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		switch key := http.CanonicalHeaderKey(name); key {
		case "Content-Length":
			again.ContentLength = r.ContentLength
		case "Host":
		default:
			again.Header[key] = r.Header[key]
		}
	}
	keys := aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}
	err = v4.NewSigner().SignHTTP(r.Context(), keys, again, r.Header.Get("X-Amz-Content-Sha256"), scope[3], scope[2], at,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return err == nil && strings.HasSuffix(again.Header.Get("Authorization"), "Signature="+fields["Signature"])
}
