package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/proxy/sftp"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

var _ proxy.Store = (*s3fs.FS)(nil)

// serve runs the server with the configured S3 service.
func serve(ctx context.Context, p *process) error {
	c, err := p.load(config.Serve)
	if err != nil {
		return err
	}
	log := newLog(c, p.stderr)
	id, err := openIdentity(c, log)
	if err != nil {
		return err
	}
	ls, err := listenAll(ctx, c, listen)
	if err != nil {
		return explained(c, err)
	}
	defer ls.Close()
	return bridge(ctx, c, service(c, log), id, ls, log)
}

// An identity proves to clients which server this is.
type identity struct {
	cert *certificate // for TLS; nil = none
	keys *hostKeys    // for SSH; nil = none
}

// openIdentity reads or makes the configured certificate and host keys.
func openIdentity(c *config.Config, log *slog.Logger) (id identity, err error) {
	var errKeys error
	id.cert, err = openCertificate(c, log)
	id.keys, errKeys = openHostKeys(c, log)
	return id, errors.Join(err, errKeys)
}

// bridge connects the listeners with the S3 service. It returns after ctx is cancelled and the last session has ended.
func bridge(ctx context.Context, c *config.Config, service s3fs.Config, id identity, ls listeners, log *slog.Logger) error {
	file, err := openAccounts(c, log)
	if err != nil {
		return err
	}
	all := newResources(c, file)
	service.Registry = all.registry
	client, err := connect(ctx, c, service)
	if err != nil {
		return explained(c, err)
	}
	defer log.Info("stopped")
	defer client.Close()
	observer, flushEvents := startObserver(ctx, c, log)
	defer flushEvents()
	all.observer, all.bans.Observer = observer, observer
	warnService(ctx, c, client, log)
	warnOpenFiles(c, log)
	limitMemory(c.Memory)
	tuner := newTuner(all.budget)
	newOptions := func(client *s3fs.Client) s3fs.Options { return storeOptions(c, client, all.budget, log) }
	options := newOptions(client)
	options.User = c.User
	store := s3fs.NewFS(client, options)
	places, turns := newPlaces(ctx, c, client, newOptions, log), newTurns()
	defer places.close()
	if err := file.start(places, all); err != nil {
		return err
	}
	ofHook := newHookUsers(c, places, file, all, turns, log)
	defer ofHook.close()
	log.Info("serving", "bucket", c.Bucket, "prefix", c.Prefix, "endpoint", c.Endpoint)
	warnTLS(c, id.cert, log)
	defer startHelpers(ctx, c, client, store, id, file, tuner, all.sessions, log)()
	ofAuth := authSources(c, client, options, knownNames(c, file), turns)
	source := allUsers(c, userOfOptions(c, store, all, log), file, ofHook, ofAuth)
	source.login = all.bans.Guard(source.login)
	s := servers{ftp: ftpServer(c, client, source, id.cert, all, log)}
	if id.keys != nil {
		s.sftp = sftpServer(c, client, source, id.keys, all, log)
	}
	return ls.serve(ctx, s, log)
}

// startHelpers starts what runs beside the sessions until stop is called: it looks at S3, at files that change, and at the process.
func startHelpers(
	ctx context.Context, c *config.Config, client *s3fs.Client, store lister, id identity, file *accounts,
	tuner *tuner, sessions *proxy.Sessions, log *slog.Logger,
) (stop func()) {
	var hangups [3]chan os.Signal // of the certificate, the users file and the host keys
	for i := range hangups {
		hangups[i] = make(chan os.Signal, 1)
		signal.Notify(hangups[i], syscall.SIGHUP) // even without a certificate, so that SIGHUP does not kill the process
	}
	background, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { tuner.run(background) })
	if file != nil {
		helpers.Go(func() { file.probe(background) })
		helpers.Go(func() { file.reloadOnChange(background, lookEvery, hangups[1]) })
	}
	if c.AuthURL != "" {
		helpers.Go(func() { endExpired(background, sessions, lookEvery) })
	}
	if file == nil || len(c.Auth) > 0 {
		helpers.Go(func() { probeS3(background, client, store, c, log) })
	}
	helpers.Go(func() { warnUnresolved(background, c.PassiveAddress, net.DefaultResolver.LookupNetIP, log) })
	if id.cert != nil {
		helpers.Go(func() { id.cert.reloadOnChange(background, lookEvery, hangups[0]) })
	}
	if id.keys != nil {
		helpers.Go(func() { id.keys.reloadOnHangup(background, hangups[2]) })
	}
	return func() {
		cancel()
		helpers.Wait()
		for _, c := range hangups {
			signal.Stop(c)
		}
	}
}

// warnService logs settings of the S3 service that may be wrong.
func warnService(ctx context.Context, c *config.Config, client *s3fs.Client, log *slog.Logger) {
	if url := pathURL(ctx, c, client); url != "" {
		log.Warn("the endpoint has a path, which few services need", "url", url)
	}
	if endpoint := client.Endpoint(); slices.Contains(c.Auth, config.LDAP) && strings.HasPrefix(endpoint, "http:") && !config.IsLoopbackURL(endpoint) {
		log.Warn("passwords of LDAP users go to S3 without TLS", "endpoint", endpoint, "advice", "set --endpoint to https, with a certificate of MinIO")
	}
	if region := client.AssumedRegion(); region != "" {
		log.Warn("no region and no endpoint configured, using the default region", "region", region, "advice", noRegionAdvice)
	}
}

// warnTLS logs settings of TLS that may be wrong.
func warnTLS(c *config.Config, cert *certificate, log *slog.Logger) {
	if cert != nil && c.TLS == "off" && c.FTPS == "" {
		log.Warn("nothing uses the certificate: --tls is off, and --ftps is empty", "advice", "choose --tls optional or --tls required")
	}
	if len(c.Auth) > 0 && c.FTP != "" && c.TLS != "required" {
		log.Warn("clients can send their S3 secret keys or LDAP passwords without TLS", "option", "--auth", "advice", "set --tls required, with --tls-cert and --tls-key")
	}
}

// lookEvery is the interval at which the certificate's files are polled.
const lookEvery = 10 * time.Second

// ftpServer returns the FTP server for a configuration. It serves TLS if cert is not nil.
func ftpServer(c *config.Config, client *s3fs.Client, users userSource, cert *certificate, all resources, log *slog.Logger) *ftp.Server {
	s := &ftp.Server{
		Login:  users.login,
		Compat: func(peer netip.Addr) proxy.Compat { return compat(c, "", peer) },
		Passive: passive.Ports{First: c.PassivePorts.First, Last: c.PassivePorts.Last, ProxyFrom: c.ProxyProtocolFrom,
			Group: proxy.LimitPrefix, Log: log},
		PassiveAddress: passiveAddress(c.PassiveAddress, net.DefaultResolver.LookupNetIP, log),
		IdleTimeout:    c.IdleTimeout, LoginTimeout: c.LoginTimeout, DataTimeout: c.DataTimeout,
		StallTimeout: c.StallTimeout, DrainTimeout: c.DrainTimeout, DrainEnd: client.Stop, CommitGrace: c.CommitGrace,
		Sessions: all.sessions,
		Observer: all.observer,
	}
	if c.Active {
		s.Active = &passive.Dialer{Port: c.ActivePort, Log: log}
		s.ActiveTLS = &passive.Dialer{Port: c.ActivePortTLS, Log: log}
	}
	if cert != nil {
		s.TLS = &ftp.TLS{Config: cert.config, Control: demands[c.TLS], DataSession: demands[c.TLSDataSession],
			Share: c.PassiveShare == "ticket", LenientClose: c.TLSUploadClose == "lenient"}
	}
	return s
}

// sftpServer returns the SFTP server for a configuration.
func sftpServer(c *config.Config, client *s3fs.Client, users userSource, keys *hostKeys, all resources, log *slog.Logger) *sftp.Server {
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = versionOf(info)
	}
	return &sftp.Server{
		Login: users.login, AcceptsKey: users.acceptsKey, IsUserAuthority: authorities(c, log), Version: version,
		HostKeys: keys.signers, Algorithms: algorithms[c.SFTPAlgorithms], Banner: c.SFTPBanner,
		IdleTimeout: c.IdleTimeout, LoginTimeout: c.LoginTimeout, StallTimeout: c.StallTimeout, DrainTimeout: c.DrainTimeout, DrainEnd: client.Stop,
		Budget: all.budget, Keep: c.PartSize, Sessions: all.sessions, Observer: all.observer,
	}
}

// algorithms are the values of the option --sftp-algorithms.
var algorithms = map[string]sftp.Algorithms{
	"default": sftp.DefaultAlgorithms, "strict": sftp.StrictAlgorithms, "legacy": sftp.LegacyAlgorithms,
}

// demands are the values of the options --tls and --tls-data-session.
var demands = map[string]ftp.Demand{
	"off": ftp.Never, "optional": ftp.Optional, "offer": ftp.Optional, "required": ftp.Required, "require": ftp.Required,
}
