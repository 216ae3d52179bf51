package s3fs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// An Access names a service and the credentials for it. Empty fields are those of the base client of [Clients].
type Access struct {
	Endpoint  string // URL
	Region    string
	AccessKey string
	SecretKey string // of AccessKey

	// SecretKeyFile has the secret key in place of SecretKey. It is read again at most once a second.
	SecretKeyFile string

	// RoleARN is a role to assume with the other credentials, by STS AssumeRole. On AWS, STS is the one of the region; other
	// services have it at their endpoint.
	RoleARN    string
	ExternalID string // for RoleARN
}

// Clients makes the clients of users. While users have the same Access they share one client, and while they have the same
// endpoint, connections. Its methods may be called from many goroutines at once.
type Clients struct {
	base  *Client
	mu    sync.Mutex
	byKey map[Access]*shared[*Client]
	pools map[string]*shared[pool] // by endpoint
}

// A pool has the connections to an endpoint.
type pool struct {
	http      s3.HTTPClient
	endpoints *endpointCache
}

// A shared value is dropped after its last use.
type shared[T any] struct {
	value T
	users int
}

// NewClients returns Clients whose clients share the Registry and the work in the background with base. They end with it.
func NewClients(base *Client) *Clients {
	return &Clients{base: base, byKey: make(map[Access]*shared[*Client]), pools: make(map[string]*shared[pool])}
}

// Client returns a client, to be used until release is called. It sends no request.
func (c *Clients) Client(a Access) (client *Client, release func()) {
	if a.Endpoint == c.base.Endpoint() { // else its keys would be watched as those of another service
		a.Endpoint = ""
	}
	if a == (Access{}) {
		return c.base, func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.byKey[a]
	if s == nil {
		s = &shared[*Client]{value: c.open(a)}
		c.byKey[a] = s
	}
	s.users++
	return s.value, sync.OnceFunc(func() { c.release(a, s) })
}

func (c *Clients) release(a Access, s *shared[*Client]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	delete(c.byKey, a)
	if a.Endpoint == "" {
		return
	}
	p := c.pools[a.Endpoint]
	if p.users--; p.users == 0 {
		delete(c.pools, a.Endpoint)
		if h, ok := p.value.http.(idleCloser); ok {
			h.CloseIdleConnections()
		}
	}
}

// open makes a client. The mutex is locked.
func (c *Clients) open(a Access) *Client {
	from := pool{c.base.http, c.base.endpoints}
	p := c.pools[a.Endpoint]
	switch {
	case a.Endpoint != "" && p != nil:
		from = p.value
		p.users++
	case a.Endpoint != "":
		from = pool{c.base.config.HTTPClient, newEndpointCache()}
	}
	client := c.base.derive(from.http, from.endpoints, a.Endpoint, func(config *aws.Config) { a.apply(config, c.base.log) })
	if a.Endpoint != "" && p == nil {
		c.pools[a.Endpoint] = &shared[pool]{pool{client.http, client.endpoints}, 1}
	}
	return client
}

// apply changes the configuration of the base client to that of the access.
func (a Access) apply(config *aws.Config, log *slog.Logger) {
	config.Region = cmp.Or(a.Region, config.Region)
	switch {
	case a.SecretKeyFile != "":
		config.Credentials = &keyFile{accessKey: a.AccessKey, name: a.SecretKeyFile, log: log}
	case a.AccessKey != "":
		config.Credentials = fixedKeys(a.AccessKey, a.SecretKey)
	}
	if a.RoleARN != "" {
		config.Credentials = a.assumeRole(*config)
	}
}

// A keyFile gets a secret key from a file, which may change.
type keyFile struct {
	accessKey, name string
	log             *slog.Logger
	mu              sync.Mutex
	secret          string // as last read
	unreadable      bool   // at the last attempt, after secret was read
	readAt          time.Time
}

// keyFileAge is how long the content of a keyFile is used before the file is read again.
const keyFileAge = time.Second

// Retrieve implements aws.CredentialsProvider. While the file cannot be read, the secret key from before is used, with one warning: the
// file may be about to be replaced, and S3 decides whether the key is valid.
func (k *keyFile) Retrieve(ctx context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.secret == "" || time.Since(k.readAt) >= keyFileAge {
		secret, err := k.read()
		switch {
		case err == nil && k.unreadable:
			k.log.InfoContext(ctx, "secret key file readable again", "file", k.name)
		case err != nil && k.secret == "":
			return aws.Credentials{}, fmt.Errorf("reading a secret key: %w", err)
		case err != nil && !k.unreadable:
			k.log.WarnContext(ctx, "secret key file unreadable, using the last known key", "file", k.name,
				"advice", "restore the file, or correct secret-key-file in the users file", "err", err)
		}
		if k.unreadable = err != nil; err == nil {
			k.secret = secret
		}
		k.readAt = time.Now()
	}
	return aws.Credentials{AccessKeyID: k.accessKey, SecretAccessKey: k.secret, Source: "users file"}, nil
}

// read reads the file.
func (k *keyFile) read() (string, error) {
	text, err := os.ReadFile(k.name)
	secret := strings.TrimSpace(string(text))
	if err == nil && secret == "" {
		err = fmt.Errorf("%s is empty, and should have a secret key", k.name)
	}
	return secret, err
}

// roleSession is the name of the sessions of a role in the logs of AWS.
const roleSession = "s3ftpd"

// assumeRole returns credentials that are renewed some minutes before they expire.
func (a Access) assumeRole(config aws.Config) aws.CredentialsProvider {
	client := sts.NewFromConfig(config, func(o *sts.Options) {
		o.Region = cmp.Or(o.Region, defaultRegion)
		o.APIOptions = append(o.APIOptions, noteExchanges, limitAnswers)
		if a.Endpoint != "" {
			o.BaseEndpoint = &a.Endpoint
		}
		if isAWS(aws.ToString(o.BaseEndpoint)) {
			o.BaseEndpoint = nil // S3's: STS has another
		}
	})
	provider := stscreds.NewAssumeRoleProvider(client, a.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.ExternalID = roleSession, optional(a.ExternalID)
	})
	return aws.NewCredentialsCache(renewed{provider}, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewal })
}
