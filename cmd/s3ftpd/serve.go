package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3login"
)

var _ proxy.Store = (*s3fs.FS)(nil)

// serve runs the server with the configured S3 service.
func serve(ctx context.Context, p *process) error {
	c, err := p.load(config.Serve)
	if err != nil {
		return err
	}
	log := newLog(c, p.stderr)
	collectOften(p.environ)
	cert, err := openCertificate(c, log)
	if err != nil {
		return err
	}
	ls, err := listenAll(ctx, c, listen)
	if err != nil {
		return explained(c, err)
	}
	defer ls.Close()
	return bridge(ctx, c, service(c, log), cert, ls, log)
}

// bridge connects the listeners with the S3 service. It returns after ctx is cancelled and the last session has ended.
func bridge(ctx context.Context, c *config.Config, service s3fs.Config, cert *certificate, ls listeners, log *slog.Logger) error {
	all := newResources(c)
	service.Registry = all.registry
	client, err := connect(ctx, c, service)
	if err != nil {
		return explained(c, err)
	}
	defer log.Info("stopped")
	defer client.Close()
	warnService(ctx, c, client, log)
	warnOpenFiles(c, log)
	limitMemory(c.Memory)
	options := storeOptions(c, client, all.budget, log)
	store := s3fs.NewFS(client, options)
	log.Info("serving", "bucket", c.Bucket, "prefix", c.Prefix, "endpoint", c.Endpoint)
	if cert != nil && c.TLS == "off" && c.FTPS == "" {
		log.Warn("nothing uses the certificate: --tls is off, and --ftps is empty", "advice", "choose --tls optional or --tls required")
	}
	if len(c.Auth) > 0 && c.FTP != "" && c.TLS != "required" {
		log.Warn("clients can send their S3 secret keys without TLS", "option", "--auth s3", "advice", "set --tls required, with --tls-cert and --tls-key")
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // even without a certificate, so that SIGHUP does not kill the process
	defer signal.Stop(hangups)
	background, stop := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { probeS3(background, client, store, c, log) })
	helpers.Go(func() { warnUnresolved(background, c.PassiveAddress, net.DefaultResolver.LookupNetIP, log) })
	if cert != nil {
		helpers.Go(func() { cert.reloadOnChange(background, lookEvery, hangups) })
	}
	defer helpers.Wait()
	defer stop()
	s := server(c, client, store, cert, all, log)
	s.Login = logins(c, s.Login, withKeys(c, s3login.New(client, options, grant.Buckets).Login))
	return ls.serve(ctx, s, log)
}

// warnService logs settings of the S3 service that may be wrong.
func warnService(ctx context.Context, c *config.Config, client *s3fs.Client, log *slog.Logger) {
	if url := pathURL(ctx, c, client); url != "" {
		log.Warn("the endpoint has a path, which few services need", "url", url)
	}
	if region := client.AssumedRegion(); region != "" {
		log.Warn("no region and no endpoint configured, using the default region", "region", region, "advice", noRegionAdvice)
	}
}

// lookEvery is the interval at which the certificate's files are polled.
const lookEvery = 10 * time.Second

// server returns the FTP server for a configuration. It serves TLS if cert is not nil.
func server(
	c *config.Config, client *s3fs.Client, store proxy.Store, cert *certificate, all resources, log *slog.Logger,
) *ftp.Server {
	password := secret(c, passwordWarning(c, log))
	if password != nil {
		password() // only for its warnings; load has checked it
	}
	account := func(user string, peer netip.Addr) proxy.Account {
		return proxy.Account{User: user, Store: store, Compat: compat(c, user, peer)}
	}
	s := &ftp.Server{
		Login:  admit(&auth.Authenticator{User: c.User, Secret: password, Limiter: all.hashing, Subject: c.UserCertificate}, account),
		Compat: func(peer netip.Addr) proxy.Compat { return compat(c, "", peer) },
		Passive: passive.Ports{First: c.PassivePorts.First, Last: c.PassivePorts.Last, ProxyFrom: c.ProxyProtocolFrom,
			Group: proxy.LimitPrefix, Log: log},
		PassiveAddress: passiveAddress(c.PassiveAddress, net.DefaultResolver.LookupNetIP, log),
		IdleTimeout:    c.IdleTimeout, LoginTimeout: c.LoginTimeout, DataTimeout: c.DataTimeout,
		StallTimeout: c.StallTimeout, DrainTimeout: c.DrainTimeout, DrainEnd: client.Stop, CommitGrace: c.CommitGrace,
		Sessions: all.sessions,
		Observer: observe.Log(log),
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

// demands are the values of the options --tls and --tls-data-session.
var demands = map[string]ftp.Demand{
	"off": ftp.Never, "optional": ftp.Optional, "offer": ftp.Optional, "required": ftp.Required, "require": ftp.Required,
}
