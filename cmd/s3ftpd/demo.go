package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// The S3 keys of the demo's store. They are public, and so is the store's content.
const (
	demoKey    = "demo"
	demoSecret = "demo-secret"
)

// demo serves a built-in S3 store. It uses the store through HTTP like any other S3 service.
func demo(ctx context.Context, p *process) error {
	c, err := p.load(config.Demo)
	if err != nil {
		return err
	}
	log := newLog(c, p.stderr)
	if _, err := openAccounts(c, log); err != nil { // before the welcome
		return err
	}
	store, err := s3demo.Open(c.Dir, s3demo.Options{Log: log, Keys: map[string]string{demoKey: demoSecret}})
	if err != nil {
		return fmt.Errorf("--dir %q: %w", c.Dir, err)
	}
	defer store.Close()
	if err := store.CreateBucket(c.Bucket); err != nil {
		return fmt.Errorf("--bucket %q: %w", c.Bucket, err)
	}
	if err := useOwnHostKeys(c); err != nil {
		return err
	}
	id, err := openIdentity(c, log)
	if err != nil {
		return err
	}
	near := func(ctx context.Context, option, address string) (net.Listener, error) {
		return listenNear(ctx, option, address, p.stdout)
	}
	s3, err := near(ctx, "--s3", c.S3)
	if err != nil {
		return explained(c, err)
	}
	defer serveHTTP(ctx, s3, store.Handler(), log)()
	ls, err := listenAll(ctx, c, near)
	if err != nil {
		return explained(c, err)
	}
	defer ls.Close()
	c.Endpoint = "http://" + reachable(s3.Addr())
	fmt.Fprint(p.stdout, welcome(c, ls))
	service := service(c, log)
	service.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: demoKey, SecretAccessKey: demoSecret}, nil
	})
	return bridge(ctx, c, service, id, ls, log)
}

// useOwnHostKeys configures the host keys that the demo keeps in its directory, if no others are configured.
func useOwnHostKeys(c *config.Config) error {
	k := &c.SFTPHostKeys
	if c.SFTP == "" || len(k.Files) > 0 || k.Text != "" || k.Generate {
		return nil
	}
	files, err := ownHostKeys(c.Dir)
	if err != nil {
		return fmt.Errorf("--dir %q: %w", c.Dir, err)
	}
	k.Files = files
	return nil
}

// listenNear binds an address or, if its port is in use, any free port of the same host.
func listenNear(ctx context.Context, option, address string, stdout io.Writer) (net.Listener, error) {
	l, err := listen(ctx, option, address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", option, address, err)
	}
	l, err = listen(ctx, option, net.JoinHostPort(host, "0"))
	if err == nil {
		fmt.Fprintf(stdout, "%s %s is taken; using %s.\n", option, address, l.Addr())
	}
	return l, err
}

// serveHTTP serves HTTP in the background. The returned function shuts the server down and waits for its end.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) (stop func()) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(passive.RetryListener{Listener: l, Context: context.WithoutCancel(ctx), Log: log})
	}()
	return func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			log.Error("the demo's store could not be reached any more", "err", err)
		}
	}
}

// reachable returns the address at which clients on this machine can connect to a listener.
func reachable(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err == nil && at.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
	}
	return a.String()
}
