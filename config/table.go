package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// The headings of the help, in the order of the table.
const (
	listening = "Listening"
	secure    = "TLS"
	data      = "Data connections"
	users     = "Users"
	devices   = "Old devices"
	storage   = "Storage"
	timeouts  = "Time limits"
	sessions  = "Sessions"
	logging   = "Logging"
	file      = "Configuration file"
	demo      = "Demo"
	checking  = "Check"
)

// options is the one place where options are defined.
var options = []*option{
	{name: "ftp", group: listening, value: "ADDRESS", def: ":21", demo: "127.0.0.1:2121",
		help: "Where to listen for FTP that begins in clear, and goes on with TLS where the client asks for it (AUTH TLS). Empty = off.",
		set:  field(func(c *Config) *string { return &c.FTP }, listenAddress)},
	{name: "ftps", group: listening, value: "ADDRESS", demo: "127.0.0.1:2990", shown: ":990 with a certificate, else off",
		help: "Where to listen for FTP that begins with TLS (implicit TLS). Empty = off.",
		set:  field(func(c *Config) *string { return &c.FTPS }, listenAddress)},
	{name: "proxy-protocol-from", group: listening, value: "NETWORK,...", shown: "none",
		help: "The load balancers whose connections, for control and for data, have to begin with a PROXY header (v1 or v2): " +
			"10.0.0.0/8,192.0.2.7. From all other addresses no header is looked for.",
		set: field(func(c *Config) *[]netip.Prefix { return &c.ProxyProtocolFrom }, orNone(parseNetworks))},

	{name: "tls-cert", group: secure, value: "FILE", shown: "none",
		help: "The certificate in PEM, with those between it and the root behind it. Read again when it changes, and on SIGHUP.",
		set:  field(func(c *Config) *string { return &c.TLSCert }, orNone(parseFileName))},
	{name: "tls-key", group: secure, value: "FILE", shown: "none",
		help: "The private key of the certificate, in PEM.",
		set:  field(func(c *Config) *string { return &c.TLSKey }, orNone(parseFileName))},
	{name: "tls-self-signed", group: secure, def: "false", demo: "true",
		help: "Make a certificate at the start, in memory. Its fingerprint is in the log.",
		set:  field(func(c *Config) *bool { return &c.TLSSelfSigned }, parseBool)},
	{name: "tls", group: secure, value: "WHEN", demo: "optional", shown: "required with a certificate, else off",
		help: "TLS on --ftp: off, optional, or required to log in and for every transfer.",
		set:  field(func(c *Config) *string { return &c.TLS }, oneOf("off", "optional", "required"))},
	{name: "tls-min", group: secure, value: "VERSION", def: "1.2",
		help: "The lowest version of TLS: 1.2 or 1.3.",
		set:  field(func(c *Config) *string { return &c.TLSMin }, oneOf("1.2", "1.3"))},
	{name: "tls-legacy", group: secure, def: "false",
		help: "For old devices: TLS 1.0 and 1.1, RSA key exchange and CBC cipher suites too. Each session that uses them is logged. Not beside --tls-min.",
		set:  field(func(c *Config) *bool { return &c.TLSLegacy }, parseBool)},
	{name: "tls-client-ca", group: secure, value: "FILE", shown: "none",
		help: "Certificates in PEM; clients have to show one that was issued by one of these.",
		set:  field(func(c *Config) *string { return &c.TLSClientCA }, orNone(parseFileName))},
	{name: "tls-data-session", group: secure, value: "HOW", def: "offer",
		help: "Whether data connections resume the TLS session of their control connection, which proves that they are the same client's: " +
			"off (they cannot), offer (they may), require (they must).",
		set: field(func(c *Config) *string { return &c.TLSDataSession }, oneOf("off", "offer", "require"))},
	{name: "tls-upload-close", group: secure, value: "HOW", def: "strict",
		help: "strict = an upload whose data connection ends without TLS's close_notify is not published, since it may have been cut. " +
			"lenient = it is, for old clients that never send one.",
		set: field(func(c *Config) *string { return &c.TLSUploadClose }, oneOf("strict", "lenient"))},

	{name: "passive-ports", group: data, value: "FIRST-LAST", def: "60000-65535",
		help: "Ports for passive data connections. A single port is a range too.",
		set:  field(func(c *Config) *Ports { return &c.PassivePorts }, parsePorts)},
	{name: "passive-share", group: data, value: "HOW", def: "address",
		help: "What tells data connections apart that are awaited on one port, where all ports are in use: address (sessions of one " +
			"address take turns), ticket (under TLS their tickets do, which is not safe for clients that share them, such as curl --parallel).",
		set: field(func(c *Config) *string { return &c.PassiveShare }, oneOf("address", "ticket"))},
	{name: "passive-address", group: data, value: "ADDRESS", def: "auto",
		help: "What the reply to PASV names: auto (the address that the client came to), an IPv4 address, a host name " +
			"(resolved, kept for 60 s), or a list by client network: 10.0.0.0/8=auto,203.0.113.10.",
		set: field(func(c *Config) *[]Rule { return &c.PassiveAddress }, parseRules)},
	{name: "active", group: data, def: "true",
		help: "Allow PORT and EPRT, to the client's own address only.",
		set:  field(func(c *Config) *bool { return &c.Active }, parseBool)},
	{name: "active-port", group: data, value: "PORT", shown: "20, and 989 on --ftps",
		help: "Source port of active data connections, where the process may bind it; else any. 0 = any.",
		set:  field(func(c *Config) *uint16 { return &c.ActivePort }, parsePort)},
	{name: "commit-grace", group: data, value: "DURATION", def: "auto",
		help: "Delay before an upload is published, to notice clients that were killed. auto = twice the time that the upload took, up to " +
			"20 ms, or a tenth of it, up to 100 ms; at least a round trip and 250 us, and more where this host is busy.",
		set: field(func(c *Config) *time.Duration { return &c.CommitGrace }, orAuto(parseDuration))},

	{name: "user", group: users, value: "NAME", demo: "demo", shown: "none",
		help: "The name that may log in.",
		set:  field(func(c *Config) *string { return &c.User }, parseUser)},
	{name: "password", group: users, value: "PASSWORD", shown: "none", secret: true,
		help: "The password, or its hash as `s3ftpd passwd` prints it. In the environment only.",
		set:  field(func(c *Config) *Secret { return &c.Password }, parsePassword)},
	{name: "password-file", group: users, value: "FILE", shown: "none",
		help: "A file with the password or its hash, read again when it changes.",
		set:  field(func(c *Config) *string { return &c.PasswordFile }, readable)},
	{name: "user-certificate", group: users, value: "SUBJECT", shown: "none",
		help: "The client certificate that stands for the password: its common name, or its whole subject such as CN=alice,O=Example. " +
			"Only with --tls-client-ca.",
		set: field(func(c *Config) *string { return &c.UserCertificate }, orNone(parseSubject))},

	{name: "names", group: devices, value: "CHARSET", def: "utf-8",
		help: "How names are written on the wire: utf-8, latin1, shift-jis, gbk, or a list by client network and by user: " +
			"10.0.0.0/8=latin1,scanner=shift-jis,utf-8. In the bucket they are UTF-8.",
		set: field(func(c *Config) *Choices[string] { return &c.Names }, parseNames)},
	{name: "backslash", group: devices, value: "WHO", alone: true, def: "false",
		help: "Take a backslash in a path for a slash: true, false, or a list of the networks and users for which it is so: 10.0.0.0/8,scanner.",
		set:  field(func(c *Config) *Choices[bool] { return &c.Backslash }, parseWho)},
	{name: "lenient-dirs", group: devices, value: "WHO", alone: true, def: "false",
		help: "MKD of a directory that exists succeeds, and so does CWD into one that is missing: true, false, or a list of networks and users.",
		set:  field(func(c *Config) *Choices[bool] { return &c.LenientDirs }, parseWho)},
	{name: "allo", group: devices, value: "MEANING", def: "auto",
		help: "What it means when an upload brings fewer bytes than ALLO announced: auto (the client may have been killed: wait 2 s for the " +
			"end of its control connection), binding (the upload broke, 426), hint (nothing), or a list by client network and by user: " +
			"10.0.0.0/8=hint,scanner=binding,auto.",
		set: field(func(c *Config) *Choices[string] { return &c.Allo }, parseAllo)},

	{name: "bucket", group: storage, value: "NAME", demo: "demo", shown: "none",
		help: "The bucket to serve.",
		set:  field(func(c *Config) *string { return &c.Bucket }, parseBucket)},
	{name: "prefix", group: storage, value: "PREFIX", shown: "none",
		help: "Where in the bucket the user's / lies. Taken to end in a slash.",
		set:  field(func(c *Config) *string { return &c.Prefix }, parsePrefix)},
	{name: "endpoint", group: storage, value: "URL", shown: "AWS", only: Serve,
		help: "The S3 service, such as http://127.0.0.1:9000.",
		set:  field(func(c *Config) *string { return &c.Endpoint }, parseEndpoint)},
	{name: "region", group: storage, value: "NAME", demo: "us-east-1", shown: "from the AWS environment",
		help: "The region of the bucket.",
		set:  field(func(c *Config) *string { return &c.Region }, parseRegion)},
	{name: "path-style", group: storage, value: "SWITCH", def: "auto", only: Serve,
		help: "on = the bucket is named in the path, off = in the host name, auto = on when there is an endpoint, unless its service is known to refuse that.",
		set:  field(func(c *Config) **bool { return &c.PathStyle }, orAuto(parseSwitch))},
	{name: "checksum", group: storage, value: "KIND", def: "auto",
		help: "Sent with every object and part: crc32c, crc32, sha256, md5, none. auto = crc32c, and md5 where the service refuses it. none is refused by buckets with Object Lock.",
		set:  field(func(c *Config) *string { return &c.Checksum }, oneOf("auto", "crc32c", "crc32", "sha256", "md5", "none"))},
	{name: "payload", group: storage, value: "KIND", def: "unsigned",
		help: "signed = signatures cover the content of requests, as some bucket policies demand; it costs CPU. unsigned = checksums cover it.",
		set:  field(func(c *Config) *string { return &c.Payload }, oneOf("unsigned", "signed"))},
	{name: "request-payer", group: storage, def: "false",
		help: "Pay for the requests to a Requester Pays bucket, which refuses them otherwise.",
		set:  field(func(c *Config) *bool { return &c.RequestPayer }, parseBool)},
	{name: "memory", group: storage, value: "SIZE", shown: "256MiB, or half of the container's limit if less",
		help: "Budget of all transfer buffers together.",
		set:  field(func(c *Config) *int64 { return &c.Memory }, parseMemory)},
	{name: "part-size", group: storage, value: "SIZE", def: "8MiB",
		help: "First part of a multipart upload, from 5MiB to 5GiB; later parts grow.",
		set:  field(func(c *Config) *int64 { return &c.PartSize }, parsePartSize)},

	{name: "max-parts", group: storage, value: "N", shown: "10000, or 1000 at *.scw.cloud",
		help: "The highest part number that the service takes, from 250 on.",
		set:  field(func(c *Config) *int { return &c.MaxParts }, parseParts)},
	{name: "uniform-parts", group: storage, value: "SWITCH", def: "auto",
		help: "on = all parts of an upload but the last are of one size, as some services want it. " +
			"auto = on at *.r2.cloudflarestorage.com.",
		set: field(func(c *Config) **bool { return &c.UniformParts }, orAuto(parseSwitch))},
	{name: "resume", group: storage, value: "DURATION", def: "24h",
		help: "How long a broken upload can be continued. 0 = off.",
		set:  field(func(c *Config) *time.Duration { return &c.Resume }, orOff)},
	{name: "rename-max", group: storage, value: "N", def: "10000",
		help: "Objects in a directory that may be renamed at once.",
		set:  field(func(c *Config) *int { return &c.RenameMax }, parseCount)},
	{name: "list-mtime", group: storage, value: "KIND", def: "auto",
		help: "Which time listings show: s3 = when S3 got the file, metadata = the one kept with the file, which costs a request for each file " +
			"whose time is not yet known, auto = the one kept with the file where listings tell it (MinIO's do), else s3.",
		set: field(func(c *Config) *string { return &c.ListMtime }, oneOf("auto", "s3", "metadata"))},
	{name: "storage-class", group: storage, value: "CLASS", shown: "the service's",
		help: "Storage class of new objects, such as STANDARD_IA.",
		set:  field(func(c *Config) *string { return &c.StorageClass }, orNone(parseStorageClass))},
	{name: "sse", group: storage, value: "KIND", shown: "the bucket's",
		help: "Server-side encryption of every object written: AES256, aws:kms or aws:kms:dsse.",
		set:  field(func(c *Config) *string { return &c.SSE }, orNone(oneOf("AES256", "aws:kms", "aws:kms:dsse")))},
	{name: "sse-kms-key", group: storage, value: "KEY", shown: "the account's",
		help: "The KMS key that --sse aws:kms uses: its ID, ARN or alias.",
		set:  field(func(c *Config) *string { return &c.SSEKMSKey }, orNone(parseKMSKey))},
	{name: "acl", group: storage, value: "ACL", shown: "none",
		help: "Canned ACL of every object written, such as bucket-owner-full-control.",
		set:  field(func(c *Config) *string { return &c.ACL }, orNone(oneOf(cannedACLs...)))},
	{name: "tags", group: storage, value: "KEY=VALUE,...", shown: "none",
		help: "Tags of new objects, 10 at most.",
		set:  field(func(c *Config) *map[string]string { return &c.Tags }, orNone(parseTags))},

	{name: "idle-timeout", group: timeouts, value: "DURATION", def: "5m",
		help: "How long a session may go without a command.",
		set:  field(func(c *Config) *time.Duration { return &c.IdleTimeout }, parseDuration)},
	{name: "login-timeout", group: timeouts, value: "DURATION", def: "60s",
		help: "How long a client may take to log in.",
		set:  field(func(c *Config) *time.Duration { return &c.LoginTimeout }, parseDuration)},
	{name: "data-timeout", group: timeouts, value: "DURATION", def: "20s",
		help: "How long a data connection may take to come about.",
		set:  field(func(c *Config) *time.Duration { return &c.DataTimeout }, parseDuration)},
	{name: "stall-timeout", group: timeouts, value: "DURATION", def: "5m",
		help: "How long a transfer may go without progress.",
		set:  field(func(c *Config) *time.Duration { return &c.StallTimeout }, parseDuration)},
	{name: "s3-timeout", group: timeouts, value: "DURATION", def: "30s",
		help: "How long S3 may be silent in the middle of a request.",
		set:  field(func(c *Config) *time.Duration { return &c.S3Timeout }, parseDuration)},
	{name: "drain-timeout", group: timeouts, value: "DURATION", def: "60s",
		help: "How long running transfers may go on when the process is told to end. An upload that S3 is publishing then has up to 1m more.",
		set:  field(func(c *Config) *time.Duration { return &c.DrainTimeout }, parseDuration)},

	{name: "max-sessions", group: sessions, value: "N", def: "1024",
		help: "Sessions at a time.",
		set:  field(func(c *Config) *int { return &c.MaxSessions }, parseCount)},
	{name: "max-sessions-per-ip", group: sessions, value: "N", def: "50",
		help: "Sessions at a time from one address; IPv6 clients are counted by their /64.",
		set:  field(func(c *Config) *int { return &c.MaxSessionsPerIP }, parseCount)},
	{name: "max-sessions-per-user", group: sessions, value: "N", def: "50",
		help: "Sessions at a time of one user.",
		set:  field(func(c *Config) *int { return &c.MaxSessionsPerUser }, parseCount)},

	{name: "log-level", group: logging, value: "LEVEL", def: "info",
		help: "debug, info, warn or error.",
		set:  field(func(c *Config) *slog.Level { return &c.LogLevel }, parseLevel)},
	{name: "log-format", group: logging, value: "FORMAT", def: "auto",
		help: "text or json. auto = text on a terminal, else json.",
		set:  field(func(c *Config) *string { return &c.LogFormat }, oneOf("auto", "text", "json"))},

	{name: "dir", group: demo, value: "DIRECTORY", def: "./s3ftpd-demo", only: Demo,
		help: "Where the demo's store keeps its data, between runs too.",
		set:  field(func(c *Config) *string { return &c.Dir }, parseFileName)},
	{name: "s3", group: demo, value: "ADDRESS", def: "127.0.0.1:9000", only: Demo,
		help: "Where the demo's store answers to S3 tools.",
		set:  field(func(c *Config) *string { return &c.S3 }, s3Address)},

	{name: "json", group: checking, def: "false", only: Check,
		help: "Print one JSON object a line.",
		set:  field(func(c *Config) *bool { return &c.JSON }, parseBool)},
	{name: "fix-lifecycle", group: checking, def: "false", only: Check,
		help: "Add the lifecycle rule that aborts incomplete multipart uploads, if the bucket has none. Its other rules stay.",
		set:  field(func(c *Config) *bool { return &c.FixLifecycle }, parseBool)},

	{name: "config", group: file, value: "FILE", shown: "none",
		help: "A YAML file with the options above, by the same names, without the dashes.",
		set:  func(*Config, string) error { return nil }},
}
