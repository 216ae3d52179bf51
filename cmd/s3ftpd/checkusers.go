package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// checkUsersFile is the command `s3ftpd users check FILE`, with the options of serve.
func checkUsersFile(ctx context.Context, p *process, file string) error {
	p.args = append(p.args, "--users", file)
	c, err := p.load(config.Check)
	if err != nil {
		return err
	}
	c.SFTP = cmp.Or(c.SFTP, ":22") // no listener is checked: public keys in the file are right without it
	r := &report{w: p.stdout, json: c.JSON}
	client, err := connectToCheck(ctx, c)
	if err != nil {
		return explained(c, err)
	}
	defer client.Close()
	checkUsers(ctx, r, c, client)
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.verdict()
}

// maxPlaceChecks limits the places that are checked at a time.
const maxPlaceChecks = 8

// checkUsers tests the users file, and each place of each user with the credentials that a session would use.
func checkUsers(ctx context.Context, r *report, c *config.Config, client *s3fs.Client) {
	log := slog.New(slog.DiscardHandler)
	memory := budget.New(c.Memory)
	options := func(client *s3fs.Client) s3fs.Options { return storeOptions(c, client, memory, log) }
	a, err := openAccounts(c, log)
	p := newPlaces(ctx, c, client, options, log)
	defer p.close()
	if err == nil {
		err = a.start(p, resources{sessions: new(proxy.Sessions)})
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			r.fail("users", "", "%s", line)
		}
		return
	}
	users := a.users.Load()
	places, homes := distinctPlaces(users), distinctHomes(users)
	r.ok("users", "%s has %d users, with %d places", c.Users, len(users.All()), len(places))
	if a.refusesAll(users) {
		r.warn("users", noUsersAdvice, "%s: %s", c.Users, noUsers)
	}
	var found problems
	checkAll(places, func(p *userPlace) placeResult { return a.checkPlace(ctx, p) }, func(x placeResult) { found.add(ctx, r, x) })
	checkAll(homes, func(p *userPlace) placeResult { return a.checkHome(ctx, p) }, func(x placeResult) { found.add(ctx, r, x) })
	found.print(ctx, r)
}

// checkAll checks several places at a time, and passes the results to done in the order of the places.
func checkAll(places []*userPlace, check func(*userPlace) placeResult, done func(placeResult)) {
	results := make([]chan placeResult, len(places))
	running := make(chan struct{}, maxPlaceChecks)
	for i, p := range places {
		results[i] = make(chan placeResult, 1)
		go func() {
			running <- struct{}{}
			defer func() { <-running }()
			results[i] <- check(p)
		}()
	}
	for _, result := range results {
		done(<-result)
	}
}

// A userPlace is a place to check, or a home directory in one.
type userPlace struct {
	user  *config.User // the first one
	mount config.Mount
	dir   string   // in the mount; "/" = the place itself
	users []string // names of all users who have it
}

// distinctPlaces returns the places of all users. Users who have the same place, permissions and credentials have it once.
func distinctPlaces(users *config.Users) []*userPlace {
	type key struct {
		bucket bucketOf
		prefix string
		writes bool
	}
	places := make(map[key]*userPlace)
	var list []*userPlace
	for _, u := range users.All() {
		for _, m := range u.Mounts {
			k := key{bucketOf{accessOf(u), m.Bucket}, m.Prefix, slices.Contains(m.Permissions, "write")}
			if places[k] == nil {
				places[k] = &userPlace{user: u, mount: m, dir: "/"}
				list = append(list, places[k])
			}
			places[k].users = append(places[k].users, u.Name)
		}
	}
	return list
}

// distinctHomes returns the home directories that are below the root of a place. Others need no check: they exist.
func distinctHomes(users *config.Users) []*userPlace {
	type key struct {
		bucket      bucketOf
		prefix, dir string
	}
	homes := make(map[key]*userPlace)
	var list []*userPlace
	for _, u := range users.All() {
		m, dir := homeOf(u)
		if dir == "/" {
			continue
		}
		k := key{bucketOf{accessOf(u), m.Bucket}, m.Prefix, dir}
		if homes[k] == nil {
			homes[k] = &userPlace{user: u, mount: m, dir: dir}
			list = append(list, homes[k])
		}
		homes[k].users = append(homes[k].users, u.Name)
	}
	return list
}

// homeOf returns the innermost mount that has the home directory of a user, and the directory in it: "/" if that is the mount itself,
// or a directory above mounts.
func homeOf(u *config.User) (mount config.Mount, dir string) {
	dir = "/"
	for _, m := range u.Mounts {
		rest, isIn := strings.CutPrefix(strings.TrimSuffix(u.Home, "/")+"/", strings.TrimSuffix(m.Path, "/")+"/")
		if isIn && len(m.Path) >= len(mount.Path) {
			mount, dir = m, path.Clean("/"+rest)
		}
	}
	return mount, dir
}

// A placeResult is the result of the check of a place. Results with the same cause in the same bucket are printed once.
type placeResult struct {
	result
	place *userPlace
	cause string
}

// checkPlace lists a place. If the user may write there, it also tries all requests of a store, with objects that it removes again.
func (a *accounts) checkPlace(ctx context.Context, p *userPlace) placeResult {
	store, release := a.places.store(p.user, p.mount)
	defer release()
	if !slices.Contains(p.mount.Permissions, "write") {
		if err := firstError(store.List(ctx, "/", "")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return a.failed(p, "cannot be listed", err)
		}
		return placeResult{result: result{Status: statusOK, Text: "the keys can list"}, place: p}
	}
	for found := range store.Probe(ctx, a.config.S3Timeout) {
		if found.Err != nil && found.Required {
			return a.failed(p, checkTexts[found.Check].failed, found.Err)
		}
	}
	return placeResult{result: result{Status: statusOK, Text: "the keys can list, read and write"}, place: p}
}

// checkHome warns of a home directory that does not exist. Any other error is one of the place too.
func (a *accounts) checkHome(ctx context.Context, p *userPlace) placeResult {
	store, release := a.places.store(p.user, p.mount)
	defer release()
	x := placeResult{result: result{Status: statusOK}, place: p}
	if _, err := store.Stat(ctx, p.dir+"/"); errors.Is(err, fs.ErrNotExist) {
		x.Status, x.cause = statusWarning, "home "+p.user.Home
		x.Text = fmt.Sprintf("the home %s does not exist: sessions begin in an empty directory", p.user.Home)
		x.Advice = "make the directory, or correct home in the users file"
	}
	return x
}

// failed returns the result for a place that does not work.
func (a *accounts) failed(p *userPlace, what string, err error) placeResult {
	c := *a.config
	c.Bucket, c.Prefix = p.mount.Bucket, p.mount.Prefix
	if p.user.S3 != nil && p.user.S3.Endpoint != "" {
		c.Endpoint = p.user.S3.Endpoint
	}
	x := explain(&c, err)
	why := x.why(err)
	return placeResult{result: result{Status: statusFailed, Text: what + ": " + why, Advice: x.advice}, place: p, cause: cmp.Or(x.reason, why)}
}
