package s3demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	amzDate          = "20060102T150405Z"
	maxSkew          = 15 * time.Minute
	maxPresigned     = 7 * 24 * time.Hour
	unsignedPayload  = "UNSIGNED-PAYLOAD"
)

// A signature is the parsed Authorization header, or its equivalent in the query of a presigned URL.
type signature struct {
	accessKey string
	scope     string // date/region/s3/aws4_request
	region    string
	headers   []string // signed ones, in lower case
	value     string
	date      time.Time
	presigned bool
}

// authenticate checks the signature of the request (AWS Signature Version 4).
func (q *request) authenticate() error {
	sig, err := q.parseSignature()
	if err != nil {
		return err
	}
	secret, known := q.store.options.Keys[sig.accessKey]
	if !known {
		return refuse("InvalidAccessKeyId", "AWSAccessKeyId", sig.accessKey)
	}
	if err := q.checkScope(sig); err != nil {
		return err
	}
	if err := q.checkDate(sig); err != nil {
		return err
	}
	if err := q.checkSignedHeaders(sig); err != nil {
		return err
	}
	canonical := q.canonicalRequest(sig)
	sum := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{signingAlgorithm, sig.date.Format(amzDate), sig.scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(sig.scope, "/") {
		key = hmacSHA256(key, part)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(hmacSHA256(key, toSign))), []byte(sig.value)) {
		return refuse("SignatureDoesNotMatch", "AWSAccessKeyId", sig.accessKey, "StringToSign", toSign,
			"SignatureProvided", sig.value, "CanonicalRequest", canonical)
	}
	return nil
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// parseSignature parses the signature in the Authorization header or in the query.
func (q *request) parseSignature() (*signature, error) {
	header := q.r.Header.Get("Authorization")
	switch {
	case header == "" && q.query.Has("X-Amz-Signature"):
		return q.parsePresigned()
	case header == "":
		return nil, refuse("AccessDenied")
	}
	algorithm, rest, _ := strings.Cut(header, " ")
	if algorithm != signingAlgorithm {
		return nil, invalidRequest("The authorization mechanism you have provided is not supported. Please use %s.", signingAlgorithm)
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	sig := &signature{headers: strings.Split(fields["SignedHeaders"], ";"), value: fields["Signature"]}
	if !sig.parseCredential(fields["Credential"]) {
		return nil, refuse("AuthorizationHeaderMalformed").withMessage("The authorization header is malformed; the Credential is mal-formed; " +
			`expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	date, err := time.Parse(amzDate, q.r.Header.Get("X-Amz-Date"))
	if err != nil {
		date, err = http.ParseTime(q.r.Header.Get("Date"))
	}
	if err != nil {
		return nil, refuse("AccessDenied").withMessage("AWS authentication requires a valid Date or x-amz-date header")
	}
	sig.date = date.UTC()
	return sig, nil
}

// parsePresigned parses the signature of a presigned URL.
func (q *request) parsePresigned() (*signature, error) {
	sig := &signature{headers: strings.Split(q.query.Get("X-Amz-SignedHeaders"), ";"), value: q.query.Get("X-Amz-Signature"), presigned: true}
	date, err := time.Parse(amzDate, q.query.Get("X-Amz-Date"))
	if q.query.Get("X-Amz-Algorithm") != signingAlgorithm || err != nil || !sig.parseCredential(q.query.Get("X-Amz-Credential")) {
		return nil, refuse("AuthorizationQueryParametersError")
	}
	sig.date = date
	return sig, nil
}

// parseCredential parses "key/date/region/service/aws4_request". An access key may contain slashes.
func (sig *signature) parseCredential(credential string) bool {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return false
	}
	scope := parts[len(parts)-4:]
	sig.accessKey, sig.scope, sig.region = strings.Join(parts[:len(parts)-4], "/"), strings.Join(scope, "/"), scope[1]
	return scope[2] == "s3" && scope[3] == "aws4_request"
}

// checkScope refuses a signature for another region.
func (q *request) checkScope(sig *signature) error {
	want := q.store.options.Region
	if want == "" || sig.region == want {
		return nil
	}
	return refuse("AuthorizationHeaderMalformed", "Region", want).
		withMessage("The authorization header is malformed; the region '%s' is wrong; expecting '%s'", sig.region, want)
}

// checkDate refuses an expired signature, or one with a wrong time.
func (q *request) checkDate(sig *signature) error {
	now := time.Now().UTC()
	age := now.Sub(sig.date)
	if !sig.presigned {
		if age.Abs() > maxSkew {
			return refuse("RequestTimeTooSkewed", "RequestTime", sig.date.Format(amzDate), "ServerTime", now.Format(time.RFC3339),
				"MaxAllowedSkewMilliseconds", fmt.Sprint(maxSkew.Milliseconds()))
		}
		return nil
	}
	seconds, err := strconv.Atoi(q.query.Get("X-Amz-Expires"))
	if err != nil || seconds < 0 || seconds > int(maxPresigned.Seconds()) {
		return refuse("AuthorizationQueryParametersError").withMessage("X-Amz-Expires must be between 0 and %d seconds", int(maxPresigned.Seconds()))
	}
	if age > time.Duration(seconds)*time.Second || age < -maxSkew {
		return refuse("AccessDenied").withMessage("Request has expired")
	}
	return nil
}

// checkSignedHeaders refuses a request with an x-amz-* header that is not signed.
func (q *request) checkSignedHeaders(sig *signature) error {
	missing := []string{}
	if !slices.Contains(sig.headers, "host") {
		missing = append(missing, "host")
	}
	for name := range q.r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(sig.headers, lower) {
			missing = append(missing, lower)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return refuse("AccessDenied", "HeadersNotSigned", strings.Join(missing, ", ")).
			withMessage("There were headers present in the request which were not signed")
	}
	if !sig.presigned && q.r.Header.Get("X-Amz-Content-Sha256") == "" {
		return invalidRequest("Missing required header for this request: x-amz-content-sha256")
	}
	return nil
}

// canonicalRequest returns the canonical request, which is signed.
func (q *request) canonicalRequest(sig *signature) string {
	var pairs []string
	for name, values := range q.query {
		for _, value := range values {
			if name != "X-Amz-Signature" {
				pairs = append(pairs, uriEncode(name, false)+"="+uriEncode(value, false))
			}
		}
	}
	slices.Sort(pairs)
	var headers strings.Builder
	for _, name := range sig.headers {
		fmt.Fprintf(&headers, "%s:%s\n", name, q.signedHeader(name))
	}
	payload := q.r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		payload = unsignedPayload
	}
	return strings.Join([]string{
		q.r.Method, uriEncode(q.r.URL.Path, true), strings.Join(pairs, "&"), headers.String(), strings.Join(sig.headers, ";"), payload,
	}, "\n")
}

// signedHeader returns the value of a header as it is signed. net/http removes some headers, such as Host.
func (q *request) signedHeader(name string) string {
	values := q.r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	switch {
	case name == "host":
		values = []string{q.r.Host}
	case name == "content-length" && values == nil:
		values = []string{strconv.FormatInt(q.r.ContentLength, 10)}
	case name == "transfer-encoding":
		values = q.r.TransferEncoding
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(trimmed, ",")
}

// uriEncode encodes all bytes but the unreserved characters of RFC 3986, and in a path the slash.
func uriEncode(s string, path bool) string {
	if path && s == "" {
		return "/"
	}
	encoded := strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	if path {
		encoded = strings.ReplaceAll(encoded, "%2F", "/")
	}
	return encoded
}
