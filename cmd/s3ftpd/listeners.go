package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy/ftp"
)

// listeners are the listeners for control connections. One that is off is nil.
type listeners struct {
	ftp  net.Listener
	ftps net.Listener // implicit TLS
}

// A binder binds the address of an option, as listen does.
type binder func(ctx context.Context, option, address string) (net.Listener, error)

// listenAll binds all configured addresses. On error none stays bound.
func listenAll(ctx context.Context, c *config.Config, bind binder) (ls listeners, err error) {
	if c.FTP != "" {
		if ls.ftp, err = bind(ctx, "--ftp", c.FTP); err != nil {
			return ls, err
		}
		ls.ftp = passive.Proxied(ls.ftp, c.ProxyProtocolFrom)
	}
	if c.FTPS != "" {
		if ls.ftps, err = bind(ctx, "--ftps", c.FTPS); err != nil {
			ls.Close()
			return listeners{}, err
		}
		ls.ftps = passive.Proxied(ls.ftps, c.ProxyProtocolFrom)
	}
	return ls, nil
}

// Close closes all listeners.
func (ls listeners) Close() {
	for _, l := range []net.Listener{ls.ftp, ls.ftps} {
		if l != nil {
			l.Close()
		}
	}
}

// serve accepts clients on all listeners until ctx is done or a listener fails. It returns after the last session has ended.
func (ls listeners) serve(ctx context.Context, s *ftp.Server, log *slog.Logger) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var all sync.WaitGroup
	var errFTP, errFTPS error
	run := func(err *error, serve func(context.Context, net.Listener) error, l net.Listener, implicit bool) {
		if l == nil {
			return
		}
		log.Info("listening", "address", l.Addr().String(), "implicit", implicit)
		all.Go(func() {
			defer end()
			*err = serve(ctx, l)
		})
	}
	run(&errFTP, s.Serve, ls.ftp, false)
	run(&errFTPS, s.ServeTLS, ls.ftps, true)
	<-ctx.Done()
	sessions, transfers := s.Sessions.Running()
	log.Info("stopping", "sessions", sessions, "transfers", transfers, "drain", s.DrainTimeout.String())
	all.Wait()
	return errors.Join(errFTP, errFTPS)
}

// listen binds the address of an option.
func listen(ctx context.Context, option, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{KeepAliveConfig: passive.KeepAlive(), Control: setUserTimeout}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &listenError{option, address, err}
	}
	return l, nil
}

// A listenError says which option and address cannot be listened on, and why.
type listenError struct {
	option, address string
	err             error
}

// Error implements error.
func (e *listenError) Error() string { return fmt.Sprintf("%s %q: %v", e.option, e.address, e.err) }

// Unwrap returns the error of the operating system.
func (e *listenError) Unwrap() error { return e.err }

// unprivileged maps options to a suggested address that needs no privilege.
var unprivileged = map[string]string{"--ftp": ":2121", "--ftps": `:2990 (or --ftps "" for none)`, "--s3": ":9000"}
