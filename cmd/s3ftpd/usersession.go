package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// places make what users of a users file and of a hook see of S3.
type places struct {
	config  *config.Config
	clients *s3fs.Clients
	options func(*s3fs.Client) s3fs.Options // of each store
	uploads uploadsOfUsers
	limits  limitsOfUsers
	log     *slog.Logger
}

// newPlaces returns places in the service of a client, and in those of users that have their own. Options returns those of each store.
// Close must be called before the client is closed.
func newPlaces(
	ctx context.Context, c *config.Config, client *s3fs.Client, options func(*s3fs.Client) s3fs.Options, log *slog.Logger,
) *places {
	return &places{config: c, clients: s3fs.NewClients(client), options: options, log: log, limits: limitsOfUsers{usages: grant.NewUsages(ctx)}}
}

// close ends what runs for quotas.
func (p *places) close() { p.limits.usages.Close() }

// account returns the account of a user who logs in. Current returns the user as it is now, nil if it was removed.
func (p *places) account(at proxy.Attempt, current func() *config.User) (proxy.Account, error) {
	s := &userSession{places: p, current: current, peer: at.Peer.Addr(), written: make(map[string]*grant.Written)}
	account, err := s.change(current())
	if err != nil {
		return proxy.Account{}, fmt.Errorf("%w: %w", auth.ErrDenied, err)
	}
	account.Now, account.Release = s.now, s.close
	return *account, nil
}

// A userSession is the account of one session. It is used by the session's goroutine.
type userSession struct {
	places  *places
	current func() *config.User // as it is now; nil = removed
	peer    netip.Addr
	user    *config.User              // as the session knows it
	release func()                    // ends the use of the S3 client
	written map[string]*grant.Written // by place
	limits  *userLimits               // shared with the other sessions of the user; nil = none yet
}

// now implements proxy.Account.Now.
func (s *userSession) now() (*proxy.Account, error) {
	u := s.current()
	switch {
	case !mayHaveSessions(u, time.Now()):
		return nil, proxy.ErrUserRemoved
	case u == s.user:
		return nil, nil
	case sameUser(u, s.user):
		s.user = u
		return nil, nil
	}
	return s.change(u)
}

// sameUser reports whether two users are the same, wherever they stand in their files.
func sameUser(a, b *config.User) bool {
	x, y := *a, *b
	x.Line, y.Line = 0, 0
	return reflect.DeepEqual(x, y)
}

// change makes the account of a changed user.
func (s *userSession) change(u *config.User) (*proxy.Account, error) {
	if !mayHaveSessions(u, time.Now()) {
		return nil, proxy.ErrUserRemoved
	}
	access := accessOf(u)
	client, release := s.places.clients.Client(access)
	if s.release != nil {
		s.release()
	}
	s.user, s.release = u, release
	options := s.places.options(client)
	options.User = u.Name
	applyAttributes(&options.Attributes, u.Attributes)
	if u.Provenance != nil {
		options.Provenance = *u.Provenance
	}
	if s.limits == nil {
		s.limits = s.places.limits.take(u.Name)
	}
	s.limits.set(u, s.places.counted(client, u))
	return &proxy.Account{
		User: u.Name, Store: s.store(client, access, options), Place: placeOf(access, u), Home: u.Home,
		Compat: userCompat(s.places.config, u, s.peer), Limits: proxy.Limits{Sessions: u.MaxSessions, Transfers: u.MaxTransfers},
		Space: s.limits.space(u),
	}, nil
}

// store returns what the user sees of S3.
func (s *userSession) store(client *s3fs.Client, access s3fs.Access, o s3fs.Options) proxy.Store {
	u, mounts := s.user, s.user.Mounts
	if len(mounts) == 1 && mounts[0].Path == "/" {
		m := mounts[0]
		o.Bucket, o.Prefix = m.Bucket, m.Prefix
		below := s.limits.below(u, s3fs.NewFS(client, o), bucketAt(client, m), dirOf(m))
		return s.limits.rate.Limit(grant.Permissions(below, s.rules(access, m)))
	}
	list := make([]grant.Mount, 0, len(mounts))
	for _, m := range mounts {
		o.Bucket, o.Prefix = m.Bucket, ""
		list = append(list, grant.Mount{Path: m.Path, Rules: s.rules(access, m), Dir: dirOf(m),
			Base: s.limits.below(u, s3fs.NewFS(client, o), bucketAt(client, m), "/"), Place: bucketOf{access, m.Bucket}})
	}
	return s.limits.rate.Limit(grant.Mounts(list...))
}

// A bucketOf identifies a bucket, as it is used with certain credentials.
type bucketOf struct {
	access s3fs.Access
	bucket string
}

// rules returns the rules of a mount. Files that the session has written, and uploads that the user has begun, are remembered by place.
func (s *userSession) rules(access s3fs.Access, m config.Mount) grant.Rules {
	place := strings.Join([]string{access.Endpoint, m.Bucket, m.Prefix, m.Path}, "\x00")
	if s.written[place] == nil {
		s.written[place] = new(grant.Written)
	}
	return grant.Rules{Allowed: permissionsOf(m.Permissions), Written: s.written[place], Uploads: s.places.uploads.of(s.user.Name, place)}
}

// close implements proxy.Account.Release.
func (s *userSession) close() {
	s.places.limits.giveBack(s.user.Name)
	s.release()
}

// permissionsOf returns the set of permissions with these names.
func permissionsOf(names []string) (set proxy.Permissions) {
	for i, name := range config.PermissionSet("rw") {
		if slices.Contains(names, name) {
			set |= 1 << i
		}
	}
	return set
}

// accessOf returns the service and the credentials of a user.
func accessOf(u *config.User) s3fs.Access {
	if u.S3 == nil {
		return s3fs.Access{}
	}
	return s3fs.Access{Endpoint: u.S3.Endpoint, Region: u.S3.Region, AccessKey: u.S3.AccessKey, SecretKey: string(u.S3.SecretKey),
		SecretKeyFile: u.S3.SecretKeyFile, RoleARN: u.S3.RoleARN, ExternalID: u.S3.ExternalID}
}

// placeOf describes what the root directory of a user shows.
func placeOf(access s3fs.Access, u *config.User) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", access.Endpoint)
	for _, m := range u.Mounts {
		fmt.Fprintf(&b, " %q=%q/%q", m.Path, m.Bucket, m.Prefix)
	}
	return b.String()
}

// applyAttributes replaces the attributes that a user has of its own.
func applyAttributes(a *s3fs.Attributes, own *config.UserAttributes) {
	if own == nil {
		return
	}
	a.StorageClass, a.ACL = cmp.Or(own.StorageClass, a.StorageClass), cmp.Or(own.ACL, a.ACL)
	if own.SSE != "" {
		a.SSE, a.KMSKey = own.SSE, ""
	}
	a.KMSKey = cmp.Or(own.SSEKMSKey, a.KMSKey)
	if own.Tags != nil {
		a.Tags = own.Tags
	}
}

// userCompat returns the compatibility settings of a user: its own, else those of the options.
func userCompat(c *config.Config, u *config.User, peer netip.Addr) proxy.Compat {
	set := compat(c, u.Name, peer)
	own := u.Compat
	if own == nil {
		return set
	}
	if own.Names != "" {
		set.Names = charsets[own.Names]
	}
	if own.Backslash != nil {
		set.Backslash = *own.Backslash
	}
	if own.LenientDirs != nil {
		set.LenientDirs = *own.LenientDirs
	}
	if own.Allo != "" {
		set.Allo = allos[own.Allo]
	}
	return set
}
