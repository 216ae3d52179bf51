package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/netip"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/auth/hook"
)

// madeUpUser is the name that check asks the hook about.
const madeUpUser = "s3ftpd-check"

// checkHook asks the hook about a made-up user with a random password, whom it must not accept.
func checkHook(ctx context.Context, r *report, c *config.Config) {
	if c.AuthURL == "" {
		return
	}
	s := hookSource(c, func(context.Context, proxy.Attempt, []byte) (bool, error) { return true, nil })
	defer s.Client.CloseIdleConnections()
	local := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	_, err := s.Login(ctx, proxy.Attempt{User: madeUpUser, Password: rand.Text(), Method: proxy.ByPassword, Protocol: "ftp", Session: "check", Peer: local})
	switch {
	case err == nil:
		r.fail("hook", "let it answer 404 for unknown users, and 401 for wrong passwords", "the hook accepts the made-up user %s: anybody can log in", madeUpUser)
	case errors.Is(err, hook.ErrUnknownUser):
		r.ok("hook", "the hook answers 404: it does not know the made-up user %s", madeUpUser)
	case errors.Is(err, fs.ErrPermission):
		r.ok("hook", "the hook answers: it refuses the made-up user %s", madeUpUser)
	default:
		r.fail("hook", "until it answers, its users cannot log in; see docs/users.md", "%v", err)
	}
}
