package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// A cause is a known cause of failures, with the reason and the advice for the operator. Names in braces are replaced by
// values, see failure.value.
type cause struct {
	matches        func(*failure) bool
	reason, advice string
}

// causes lists the known causes of failures: in S3, in the network to it, on this machine, and limits. The first match
// counts. The advice of `check`, of the log and of errors at the start comes from here.
var causes = []cause{
	// Names.
	{wraps(ftp.ErrCharset), "the client sends names in another charset", "set --names to the client's charset, such as latin1"},

	// Roles.
	{fromSTS(s3Code("InvalidClientTokenId", "InvalidAccessKeyId")), "STS does not know the key that assumes the role",
		"correct the access-key of the user, or AWS_ACCESS_KEY_ID"},
	{fromSTS(s3Code("AccessDenied")), "STS refuses {operation}: the keys may not assume the role",
		"correct role-arn and external-id of the user; the keys need sts:{operation} for the role, and the role's trust policy must allow them, with that external id"},
	{fromSTS(s3Code("ValidationError", "InvalidParameterValue")), "STS finds the role or the external id invalid", "correct role-arn and external-id of the user"},
	{fromSTS(s3Code("RegionDisabledException")), "STS is not active in the region", "activate it there, or set AWS_ENDPOINT_URL_STS to another region's"},
	{fromSTS(noSuchService), "what answers at {endpoint} has no STS", "set AWS_ENDPOINT_URL_STS, or use access-key and secret-key-file of the user in place of role-arn"},

	// Keys.
	{noKeys, "no S3 keys found: {unset}", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE"},
	{s3Code("SignatureDoesNotMatch"), "the secret does not belong to the key",
		"correct AWS_SECRET_ACCESS_KEY, or the secret in the AWS profile or of the user; a proxy in front of S3 must not change the Host header"},
	{s3Code("InvalidAccessKeyId"), "S3 does not know the key", "correct AWS_ACCESS_KEY_ID, or the access-key of the user, or --endpoint if the key is of another service"},
	{s3Code("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), "the temporary keys have expired",
		"get new values for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or use a profile or a role that renews them"},
	{s3Code("InvalidToken", "InvalidTokenId"), "the session token does not belong to the key",
		"correct AWS_SESSION_TOKEN, or unset it if the key is permanent"},
	{s3Code("RequestTimeTooSkewed"), "the clocks of this machine and of S3 differ too much", "set the clock of this machine, e.g. timedatectl set-ntp true"},

	// The service.
	{speaks("https"), "{endpoint} is a port for TLS", "use --endpoint {other-endpoint}"},
	{speaks("http"), "{endpoint} does not speak TLS", "use --endpoint {other-endpoint}"},
	{toS3(ofType[x509.UnknownAuthorityError]), "the authority of the certificate of {endpoint} is not trusted",
		"name a PEM file with the authority's certificate in AWS_CA_BUNDLE"},
	{toS3(ofType[x509.HostnameError]), "the certificate of {endpoint} is for other names", "use a name of the certificate in --endpoint"},
	{toS3(ofType[x509.CertificateInvalidError]), "the certificate of {endpoint} is not valid",
		"renew it, or set the clock of this machine if that is wrong"},
	{wrongRegion, "the bucket is in {bucket-region}, and requests are signed for {region}", "use --region {bucket-region}"},
	{wantsHost, "the service wants the bucket in the host of the URL", "use --path-style off"},
	{gateway, "a proxy in front of S3 does not reach it", "check the service behind {endpoint}"},
	{consolePort, "{endpoint} is the web console of MinIO, not its S3 API", "correct --endpoint: the S3 API of MinIO has port 9000 by default"},
	{notS3, "what answers at {endpoint} is not an S3 service (it sent {sent})",
		"correct --endpoint: the address of the S3 API, not of a web console or of another service"},
	{throttled, "S3 is overloaded, or limits the rate of requests",
		"try again later; if it lasts, lower --max-sessions, or raise the limit of the service"},
	{noBucket, "the bucket {bucket} does not exist", "make the bucket, or correct --bucket{or-of-user}"},

	// Permissions.
	{s3Code("AllAccessDisabled", "AccountProblem"), "the service has disabled the account or the bucket", "ask the operator of the service"},
	{unexplained, "S3 refuses {operation}, and gives no reason", "allow {permission}{or-place}{denied-too}; if S3 refuses every request, run s3ftpd check to see whether the keys are wrong"},
	{denied, "the keys may not do {operation}", "allow {permission}{or-place}{denied-too}"},
	{kms, "the encryption key cannot be used", "correct --sse-kms-key, or allow kms:GenerateDataKey and kms:Decrypt"},
	{s3Code("InvalidObjectState", "ObjectNotInActiveTierError"), "the object is archived", "restore it in S3 first"},

	// Limits and features of the S3 service.
	{wraps(syscall.ENOSPC), "the storage is full", "free space in S3, or raise the quota of the bucket; broken uploads take space too, until DELE of their names"},
	{s3Code("InvalidStorageClass"), "the service does not know the storage class", "correct --storage-class"},
	{s3Code("InvalidBucketName"), "the bucket's name is invalid", "correct --bucket"},
	{maxPart, "the service takes no more than {max-part} parts", "use --max-parts {max-part}"},
	{partsOfOneSize, "the service takes parts of one size only", "use --uniform-parts on"},
	{unlistedPart, "the service may refuse uploads with parts that are not listed", "use --resume 0"},
	{wraps(s3fs.ErrDamaged), "the content was damaged on its way, or the service has a wrong checksum",
		"use --checksum md5 if the service tells wrong checksums"},

	// The network to S3 and to STS.
	{fromSTS(noAnswer), "STS does not answer at {endpoint}, so the role cannot be assumed", "check the network to it; AWS_ENDPOINT_URL_STS names another one"},
	{fromSTS(anyFailure), "STS refuses {operation}, so the role cannot be assumed", "check role-arn and external-id of the user, and the trust policy of the role"},
	{toS3(ofType[*net.DNSError]), "the name of {endpoint} does not resolve", "correct --endpoint, or the DNS of this machine{host-too}"},
	{toS3(wraps(syscall.ECONNREFUSED)), "nothing listens at {endpoint}", "start the service, or correct --endpoint"},
	{toS3(wraps(syscall.EHOSTUNREACH, syscall.ENETUNREACH)), "no route leads to {endpoint}", "check the network, and --endpoint"},
	{toS3(isTimeout), "S3 does not answer", "check whether the service is up, and the network between"},
	{toS3(wraps(syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF)), "the connection to S3 broke",
		"check the service, and proxies and firewalls between"},
	{s3Status(http.StatusInternalServerError), "S3 has a fault of its own", "look into the log of the service"},

	// This machine.
	{caBundle, "the file that AWS_CA_BUNDLE names cannot be read", "correct AWS_CA_BUNDLE, or unset it if the authority of the endpoint's certificate is public"},
	{cannotListen(syscall.EADDRINUSE), "the port is in use", "stop the program that uses the port, which may be s3ftpd itself, or choose another port"},
	{cannotListen(syscall.EADDRNOTAVAIL), "no interface of this machine has the address", "the host must be an address of this machine, or empty for all of them"},
	{cannotListen(syscall.EACCES), "ports below 1024 need a privilege", "grant CAP_NET_BIND_SERVICE, or choose a port from 1024 on: {option} {unprivileged}"},
	{wraps(syscall.EMFILE, syscall.ENFILE), "the limit of open files is reached", "raise it (ulimit -n, LimitNOFILE= of systemd), or lower --max-sessions"},

	// Clients.
	{noTLS, "the client does not speak TLS, and --ftps {ftps} is a port for implicit TLS", "set the client to implicit TLS, or connect it to --ftp {ftp}"},
	{silentHandshake, "the client sends nothing on --ftps {ftps}, a port for implicit TLS", "set the client to implicit TLS, or connect it to --ftp {ftp}"},
	{wraps(ftp.ErrProxyHeader), "a load balancer sends PROXY headers", "add its address to --proxy-protocol-from"},
	{ofType[*passive.HeaderError], "the connection does not begin with a PROXY header, which --proxy-protocol-from requires",
		"let the load balancer send PROXY headers, or remove its address from --proxy-protocol-from"},
	{wraps(ftp.ErrImplicitTLS), "--ftp {ftp} is a port for explicit TLS", "set the client to explicit TLS (AUTH TLS), or connect it to --ftps {ftps}"},
	{handshake(ofType[*tls.CertificateVerificationError]), "the client's certificate is not trusted", "add its authority to the file of --tls-client-ca"},
	{handshake(noCertificate), "the client sent no certificate, which --tls-client-ca requires", "install a certificate of that authority in the client, or set --tls-client-auth optional"},
	{handshake(brokenOff), "the client broke off the TLS handshake",
		"import the certificate of the server, or of its authority, in the client, unless s3ftpd check reports it as expired or for another name; " +
			"clients for explicit TLS must use --ftp {ftp}, not --ftps"},
	{ofType[*ftp.PassiveTimeoutError], "the client did not connect to {told}, as the reply to PASV or EPSV told it",
		"open --passive-ports {passive-ports} in firewalls, and set --passive-address to the address that clients reach"},

	// Limits.
	{wraps(proxy.ErrTooManySessions), "--max-sessions is {max-sessions}", "raise it if that is too low"},
	{wraps(proxy.ErrTooManyFromAddress), "--max-sessions-per-ip is {max-sessions-per-ip}", "raise it if many clients share the address, as behind NAT"},
	{wraps(proxy.ErrTooManyOfUser), "--max-sessions-per-user is {max-sessions-per-user}, if the user has no max-sessions in the users file", "raise the one that applies if it is too low"},
	{wraps(proxy.ErrTooManyTransfers), "the user has as many transfers as max-transfers allows in the users file", "raise max-transfers of the user if it is too low"},
	{wraps(proxy.ErrBanned), "a client guesses passwords, or has a wrong one", "correct the password in the client, or exempt its network with --ban-exempt; a restart ends all bans"},
	{wraps(proxy.ErrTooManyLogins), "more logins come than passwords can be hashed", "if it lasts, look in the log for clients whose logins are refused again and again"},
	{wraps(passive.ErrNoPort), "all of --passive-ports {passive-ports} are in use", "widen --passive-ports, and open the new ones in firewalls"},
}

// A failure is an error with the data that its explanation depends on.
type failure struct {
	err     error
	request *s3fs.RequestError // never nil; zero if no request to S3 failed
	listen  *listenError       // never nil; zero if no listener failed
	config  *config.Config
}

// An explanation is the reason of a failure, and advice on how to fix it.
type explanation struct{ reason, advice string }

// explain returns the explanation of an error, zero if its cause is not known.
func explain(c *config.Config, err error) explanation {
	if err == nil || errors.Is(err, context.Canceled) {
		return explanation{}
	}
	f := &failure{err, new(s3fs.RequestError), new(listenError), c}
	if e, ok := errors.AsType[*s3fs.RequestError](err); ok {
		f.request = e
	}
	if e, ok := errors.AsType[*listenError](err); ok {
		f.listen = e
	}
	for _, cause := range causes {
		if cause.matches(f) {
			return explanation{placeholder.ReplaceAllStringFunc(cause.reason, f.value), placeholder.ReplaceAllStringFunc(cause.advice, f.value)}
		}
	}
	return explanation{}
}

// explained adds the explanation, if one is known, to the text of an error.
func explained(c *config.Config, err error) error {
	if x := explain(c, err); x.advice != "" {
		return &explainedError{err, x}
	}
	return err
}

type explainedError struct {
	error
	explanation
}

// Error implements error.
func (e *explainedError) Error() string {
	return errorText(e.error) + ": " + e.reason + "; " + e.advice
}

// Unwrap returns the error without its explanation.
func (e *explainedError) Unwrap() error { return e.error }

// errorText returns the text of an error without the prefix of the AWS SDK, "operation error S3: ".
func errorText(err error) string { return strings.ReplaceAll(err.Error(), "operation error S3: ", "") }

// placeholder matches a name in braces in the text of a cause.
var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)
