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
	"github.com/s3ftpd/s3ftpd/proxy/sftp"
)

// listeners are the listeners for control connections and for SSH. One that is off is nil.
type listeners struct {
	ftp  net.Listener
	ftps net.Listener // implicit TLS
	sftp net.Listener
}

// A binder binds the address of an option, as listen does.
type binder func(ctx context.Context, option, address string) (net.Listener, error)

// listenAll binds all configured addresses. On error none stays bound.
func listenAll(ctx context.Context, c *config.Config, bind binder) (ls listeners, err error) {
	for _, l := range []struct {
		option, address string
		listener        *net.Listener
	}{{"--ftp", c.FTP, &ls.ftp}, {"--ftps", c.FTPS, &ls.ftps}, {"--sftp", c.SFTP, &ls.sftp}} {
		if l.address == "" {
			continue
		}
		bound, err := bind(ctx, l.option, l.address)
		if err != nil {
			ls.Close()
			return listeners{}, err
		}
		*l.listener = passive.Proxied(bound, c.ProxyProtocolFrom)
	}
	return ls, nil
}

// Close closes all listeners.
func (ls listeners) Close() {
	for _, l := range []net.Listener{ls.ftp, ls.ftps, ls.sftp} {
		if l != nil {
			l.Close()
		}
	}
}

// servers are the servers of all protocols. They share users, sessions, memory and the store.
type servers struct {
	ftp  *ftp.Server
	sftp *sftp.Server // nil if SFTP is off
}

// serve accepts clients on all listeners until ctx is done or a listener fails. It returns after the last session has ended.
func (ls listeners) serve(ctx context.Context, s servers, log *slog.Logger) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var all sync.WaitGroup
	var errFTP, errFTPS, errSFTP error
	run := func(err *error, serve func(context.Context, net.Listener) error, l net.Listener, attrs ...any) {
		log.Info("listening", append([]any{"address", l.Addr().String()}, attrs...)...)
		all.Go(func() {
			defer end()
			*err = serve(ctx, l)
		})
	}
	if ls.ftp != nil {
		run(&errFTP, s.ftp.Serve, ls.ftp, "implicit", false)
	}
	if ls.ftps != nil {
		run(&errFTPS, s.ftp.ServeTLS, ls.ftps, "implicit", true)
	}
	if ls.sftp != nil {
		run(&errSFTP, s.sftp.Serve, ls.sftp, "protocol", "sftp")
	}
	<-ctx.Done()
	sessions, transfers := s.ftp.Sessions.Running()
	log.Info("stopping", "sessions", sessions, "transfers", transfers, "drain", s.ftp.DrainTimeout.String())
	all.Wait()
	return errors.Join(errFTP, errFTPS, errSFTP)
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
var unprivileged = map[string]string{"--ftp": ":2121", "--ftps": `:2990 (or --ftps "" for none)`, "--sftp": ":2022", "--s3": ":9000"}
