package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// s3Code matches responses with one of these S3 error codes.
func s3Code(codes ...string) func(*failure) bool {
	return func(f *failure) bool { return slices.Contains(codes, f.request.Code) }
}

// s3Status matches responses with one of these HTTP statuses.
func s3Status(statuses ...int) func(*failure) bool {
	return func(f *failure) bool { return slices.Contains(statuses, f.request.Status) }
}

// wraps matches errors that wrap one of the targets.
func wraps(targets ...error) func(*failure) bool {
	return func(f *failure) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(f.err, target) })
	}
}

// ofType matches errors of a type.
func ofType[T error](f *failure) bool {
	_, ok := errors.AsType[T](f.err)
	return ok
}

// toS3 limits matches to requests to S3 that got no response.
func toS3(matches func(*failure) bool) func(*failure) bool {
	return func(f *failure) bool { return f.request.Operation != "" && f.request.Status == 0 && matches(f) }
}

// fromSTS limits matches to requests for the credentials of a role.
func fromSTS(matches func(*failure) bool) func(*failure) bool {
	return func(f *failure) bool { return f.request.Service == "STS" && matches(f) }
}

func anyFailure(*failure) bool { return true }

func noAnswer(f *failure) bool { return f.request.Status == 0 }

// noSuchService matches responses of a service that does not know the operation.
func noSuchService(f *failure) bool {
	return f.request.Sent != "" || s3Code("NotImplemented", "MethodNotAllowed", "InvalidAction", "NoSuchBucket")(f) ||
		s3Status(http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented)(f)
}

// cannotListen matches a listener that failed with errno.
func cannotListen(errno syscall.Errno) func(*failure) bool {
	return func(f *failure) bool { return f.listen.option != "" && errors.Is(f.err, errno) }
}

// speaks matches endpoints that speak scheme although their URL has the other one: https instead of http, or http instead of https.
func speaks(scheme string) func(*failure) bool {
	return func(f *failure) bool { return f.request.Speaks == scheme }
}

func noKeys(f *failure) bool { return f.request.NoKeys }

func wrongRegion(f *failure) bool {
	return f.request.BucketRegion != "" && f.request.BucketRegion != f.request.Region
}

var virtualHost = regexp.MustCompile(`(?i)third level domain|virtual[- ]?host`)

func wantsHost(f *failure) bool {
	return strings.HasSuffix(f.request.Code, "DomainForbidden") || f.request.PathStyle && virtualHost.MatchString(f.request.Message)
}

// gateway matches responses of a proxy or a load balancer that cannot reach S3.
func gateway(f *failure) bool {
	return slices.Contains([]int{http.StatusBadGateway, http.StatusGatewayTimeout}, f.request.Status) ||
		f.request.Status == http.StatusServiceUnavailable && f.request.Sent != ""
}

// notS3 matches responses of a web server, some of which say that they do not know PUT.
func notS3(f *failure) bool {
	return f.request.Sent != "" && (f.request.Status < http.StatusInternalServerError || f.request.Status == http.StatusNotImplemented)
}

func throttled(f *failure) bool {
	return strings.HasPrefix(f.request.Code, "SlowDown") || strings.Contains(f.request.Code, "Throttl") ||
		slices.Contains([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, f.request.Status)
}

// noBucket matches a missing bucket. A listing is "not found" only if the bucket is.
func noBucket(f *failure) bool {
	return errors.Is(f.err, s3fs.ErrNoBucket) || f.request.Operation == "ListObjectsV2" && errors.Is(f.err, fs.ErrNotExist)
}

// denied matches requests that the keys or a bucket policy do not allow.
func denied(f *failure) bool { return s3Code("AccessDenied")(f) }

// unexplained matches a refusal without S3's code: the response to HEAD has no body, so wrong keys look like a missing permission.
func unexplained(f *failure) bool { return s3Code("Forbidden")(f) }

func kms(f *failure) bool { return strings.HasPrefix(f.request.Code, "KMS.") }

func maxPart(f *failure) bool { return f.request.MaxPart() != "" }

var oneSize = regexp.MustCompile(`(?i)(?:same|equal) (?:length|size)`)

func partsOfOneSize(f *failure) bool {
	return f.request.Operation == "CompleteMultipartUpload" && oneSize.MatchString(f.request.Message)
}

// unlistedPart matches a CompleteMultipartUpload that was refused for its list of parts. A part that could not be found has
// another cause.
func unlistedPart(f *failure) bool {
	return f.request.Operation == "CompleteMultipartUpload" && s3Code("InvalidPart", "InvalidPartOrder")(f) &&
		!strings.Contains(f.request.Message, "could not be found")
}

// handshake matches sessions whose TLS handshake failed.
func handshake(matches func(*failure) bool) func(*failure) bool {
	return func(f *failure) bool { return ofType[*ftp.HandshakeError](f) && matches(f) }
}

// noTLS matches clients that send a command where implicit TLS must begin.
func noTLS(f *failure) bool {
	h, ok := errors.AsType[*ftp.HandshakeError](f.err)
	return ok && h.Implicit && errors.As(h.Err, new(tls.RecordHeaderError))
}

// brokenOff matches a client that leaves, or sends an alert. The alert of a client that does not trust the certificate can be
// encrypted with keys that the server does not have yet: then its MAC seems bad.
func brokenOff(f *failure) bool {
	text := f.err.Error()
	return wraps(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE)(f) ||
		strings.Contains(text, "remote error: tls: ") || strings.Contains(text, "bad record MAC")
}

// silentHandshake matches clients that wait for a greeting where implicit TLS must begin.
func silentHandshake(f *failure) bool {
	h, ok := errors.AsType[*ftp.HandshakeError](f.err)
	return ok && h.Implicit && errors.Is(h.Err, context.DeadlineExceeded)
}

// noCertificate matches clients that did not present a certificate. crypto/tls has no error for that.
func noCertificate(f *failure) bool {
	return strings.Contains(f.err.Error(), "client didn't provide a certificate")
}

// consolePort matches MinIO's response to S3 requests at the port of its web console.
func consolePort(f *failure) bool {
	return f.request.Code == "InvalidArgument" && strings.Contains(f.request.Message, "made to API port")
}

// caBundle matches an error of the file with certificates of authorities.
func caBundle(f *failure) bool {
	e, ok := errors.AsType[*fs.PathError](f.err)
	return ok && e.Path != "" && e.Path == os.Getenv("AWS_CA_BUNDLE")
}

func isTimeout(f *failure) bool {
	timeout, ok := errors.AsType[net.Error](f.err)
	return ok && timeout.Timeout()
}

// permissionNotes are added to the permissions of operations.
var permissionNotes = map[string]string{
	"HeadObject":           ", and s3:ListBucket for files that do not exist",
	"ListMultipartUploads": ", without which broken uploads cannot be resumed",
	"ListParts":            ", without which broken uploads cannot be resumed",
}

// value returns the value of a placeholder, such as {bucket}.
func (f *failure) value(name string) string {
	r := f.request
	switch name {
	case "{endpoint}":
		return cmp.Or(r.Endpoint, f.config.Endpoint, "S3")
	case "{other-endpoint}":
		_, host, _ := strings.Cut(r.Endpoint, "://")
		return r.Speaks + "://" + host
	case "{region}":
		return r.Region
	case "{bucket-region}":
		return r.BucketRegion
	case "{bucket}":
		return cmp.Or(r.Bucket, f.config.Bucket)
	case "{or-of-user}":
		return f.inUsers(", or the bucket of the user in ")
	case "{or-place}":
		return f.inUsers(", or correct the place of the user in ")
	case "{operation}":
		return r.Operation
	case "{sent}":
		return r.Sent
	case "{max-part}":
		return r.MaxPart()
	case "{permission}":
		if s3fs.IsDirectoryBucket(f.config.Bucket) {
			return s3fs.CreateSession
		}
		return cmp.Or(strings.Join(r.Actions(), " and "), "s3:"+r.Operation) + permissionNotes[r.Operation]
	case "{denied-too}":
		return f.otherDenials()
	case "{host-too}":
		if r.PathStyle || f.config.Endpoint == "" {
			return ""
		}
		return "; use --path-style on if the bucket must not be in the host"
	case "{unset}":
		return unset()
	}
	return f.localValue(name)
}

// inUsers returns a text followed by the name of the users file, or nothing if there is none.
func (f *failure) inUsers(text string) string {
	if f.config.Users == "" {
		return ""
	}
	return text + f.config.Users
}

// localValue returns the value of a placeholder that does not depend on S3.
func (f *failure) localValue(name string) string {
	switch name {
	case "{option}":
		return f.listen.option
	case "{unprivileged}":
		return unprivileged[f.listen.option]
	case "{max-sessions}":
		return strconv.Itoa(f.config.MaxSessions)
	case "{max-sessions-per-ip}":
		return strconv.Itoa(f.config.MaxSessionsPerIP)
	case "{max-sessions-per-user}":
		return strconv.Itoa(f.config.MaxSessionsPerUser)
	case "{ftp}":
		return f.config.FTP
	case "{ftps}":
		return cmp.Or(f.config.FTPS, "(off)")
	case "{told}":
		if e, ok := errors.AsType[*ftp.PassiveTimeoutError](f.err); ok {
			return e.Told.String()
		}
	case "{passive-ports}":
		return fmt.Sprintf("%d-%d", f.config.PassivePorts.First, f.config.PassivePorts.Last)
	}
	return name
}

// otherDenials returns advice to append: options to try if no permission is missing, because some buckets demand them.
func (f *failure) otherDenials() string {
	var options []string
	if f.config.Payload != "signed" {
		options = append(options, "--payload signed")
	}
	if !f.config.RequestPayer {
		options = append(options, "--request-payer")
	}
	if f.request.PathStyle && f.request.Operation == "HeadObject" {
		options = append(options, "--path-style off")
	}
	if len(options) == 0 {
		return ""
	}
	return " (or use " + strings.Join(options, " or ") + " if the bucket demands that)"
}

// unset returns a text about the environment variables with S3 keys that are not set.
func unset() string {
	var names []string
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if os.Getenv(name) == "" {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return "the AWS profile has none"
	case 1:
		return names[0] + " is not set"
	}
	return strings.Join(names, " and ") + " are not set, and this machine has no AWS profile or role"
}
