package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/login"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

var _ proxy.Store = (*s3fs.FS)(nil)

// serve runs the bridge.
func serve(ctx context.Context, p *process) error {
	c, err := p.load(config.Serve)
	if err != nil {
		return err
	}
	log := newLog(c, p.stderr)
	collectOften(p.environ)
	l, err := listen(ctx, "--ftp", c.FTP)
	if err != nil {
		return err
	}
	defer l.Close()
	return bridge(ctx, c, service(c, log), l, log)
}

// service says which S3 service the configuration means.
func service(c *config.Config, log *slog.Logger) s3fs.Service {
	return s3fs.Service{Endpoint: c.Endpoint, Region: c.Region, PathStyle: c.PathStyle, Checksum: c.Checksum,
		Timeout: c.S3Timeout, Log: log}
}

// bridge serves the clients of l until ctx is cancelled and the last session is over.
func bridge(ctx context.Context, c *config.Config, service s3fs.Service, l net.Listener, log *slog.Logger) error {
	client, err := s3fs.Dial(ctx, service)
	if err != nil {
		return err
	}
	defer client.Close()
	limitMemory(c.Memory)
	store := s3fs.New(client, place(c, client, log))
	log.Info("listening", "address", l.Addr().String(), "bucket", c.Bucket, "prefix", c.Prefix, "endpoint", c.Endpoint)
	probing, stop := context.WithCancel(ctx)
	var probe sync.WaitGroup
	probe.Go(func() { ask(probing, store, c, log) })
	defer probe.Wait()
	defer stop()
	return server(c, store, log).Serve(ctx, l)
}

// server is the FTP server of a configuration, with the store behind it.
func server(c *config.Config, store proxy.Store, log *slog.Logger) *proxy.Server {
	s := &proxy.Server{
		Login:          admit(&login.Gate{User: c.User, Secret: secret(c)}, store),
		Passive:        passive.Ports{First: c.PassivePorts.First, Last: c.PassivePorts.Last, Log: log},
		PassiveAddress: passiveAddress(c.PassiveAddress, net.DefaultResolver.LookupNetIP, log),
		IdleTimeout:    c.IdleTimeout, LoginTimeout: c.LoginTimeout, DataTimeout: c.DataTimeout,
		StallTimeout: c.StallTimeout, DrainTimeout: c.DrainTimeout, CommitGrace: c.CommitGrace,
		MaxSessions: c.MaxSessions, MaxPerIP: c.MaxSessionsPerIP, MaxPerUser: c.MaxSessionsPerUser,
		Log: log,
	}
	if c.Active {
		s.Active = &passive.Dialer{Port: c.ActivePort, Log: log}
	}
	return s
}

// keepAlive finds dead clients, and holds the state of routers on the way during long transfers.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second}

// listen binds the address of an option, and says what helps where that is not allowed.
func listen(ctx context.Context, option, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{KeepAliveConfig: keepAlive}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s %q: %w: ports below 1024 need a privilege; others, such as %s :2121, do not", option, address, err, option)
	case err != nil:
		return nil, fmt.Errorf("%s %q: %w", option, address, err)
	}
	return l, nil
}
