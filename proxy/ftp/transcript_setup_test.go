package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A script plays a transcript.
type script struct {
	t          *testing.T
	line       int
	net        memnet
	store      *storetest.Memory
	srv        *Server
	stop       context.CancelFunc
	login      bool
	noListener bool // clients do not listen on the address of PORT or EPRT
	zlib       bool // clients compress and decompress data

	compat   proxy.Compat
	compatOf string // the user with these settings; "" = all users
	implicit bool   // new clients use implicit TLS
	version  uint16 // TLS version of clients; 0 = any

	serveErr error         // that Serve may return
	clients  []*testClient // by number
	*testClient
	wantFiles []string // the => lines
}

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:21")
	clientAddr = netip.MustParseAddr("192.0.2.7")
	serverTLS  = netip.MustParseAddrPort("192.0.2.1:990")
	server6    = netip.MustParseAddrPort("[2001:db8::1]:21")
	client6    = netip.MustParseAddr("2001:db8::7")
)

func newScript(t *testing.T) *script {
	s := &script{t: t, store: storetest.NewMemory(), login: true}
	s.srv = &Server{Sessions: new(proxy.Sessions), CommitGrace: time.Millisecond}
	s.srv.Passive.First, s.srv.Passive.Last = 60000, 60009
	s.srv.Passive.Log = slog.New(slog.DiscardHandler)
	s.srv.Passive.ListenFunc = func(_ context.Context, _, address string) (net.Listener, error) { return s.net.listen(address) }
	s.srv.Active = &passive.Dialer{Port: 20, DialFunc: s.net.dial}
	s.srv.Login = func(_ context.Context, a proxy.Attempt) (proxy.Account, error) {
		byCertificate := a.Password == "" && a.Certificate != nil && a.Certificate.Subject.CommonName == a.User
		if a.Password != "secret" && !byCertificate {
			return proxy.Account{}, fs.ErrPermission
		}
		account := proxy.Account{Store: s.store}
		if s.compatOf == "" || s.compatOf == a.User {
			account.Compat = s.compat
		}
		return account, s.store.Fail["login"]
	}
	return s
}

// serve runs the server on IPv4 and IPv6 until stop is called.
func (s *script) serve() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop = cancel
	done := make(chan error, 3)
	for at, serve := range map[netip.AddrPort]func(context.Context, net.Listener) error{
		serverAddr: s.srv.Serve, server6: s.srv.Serve, serverTLS: s.srv.ServeTLS} {
		l, err := s.net.listen(at.String())
		if err != nil {
			s.t.Fatal(err)
		}
		go func() { done <- serve(ctx, l) }()
	}
	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		for _, c := range s.clients {
			if c != nil {
				c.closeControl()
			}
		}
		cancel()
		for range 3 {
			if err := <-done; err != nil && !errors.Is(err, s.serveErr) {
				s.t.Errorf("Serve: %v", err)
			}
		}
	}
}

// option executes a ! line.
func (s *script) option(arg string) {
	name, value, _ := strings.Cut(arg, " ")
	n, _ := strconv.Atoi(value)
	switch name {
	case "login":
		s.login = false
	case "no-listener":
		s.noListener = true
	case "zlib":
		s.zlib = value != "no"
	case "active":
		s.srv.Active = nil
	case "drain": // starts the shutdown
		s.stop()
		synctest.Wait()
	case "refused": // the server must accept no new connections
		if _, err := s.net.dial(s.t.Context(), "tcp", netip.AddrPortFrom(clientAddr, 2000), serverAddr); err == nil {
			s.fatalf("the server accepts a new connection")
		}
	case "idle-timeout":
		s.srv.IdleTimeout = s.duration(value)
	case "grace":
		s.srv.CommitGrace = s.duration(value)
	case "max-sessions":
		s.srv.Sessions.Max = n
	case "max-sessions-per-ip":
		s.srv.Sessions.MaxPerAddress = n
	case "max-sessions-per-user":
		s.srv.Sessions.MaxPerUser = n
	case "passive-ports":
		s.srv.Passive.First, s.srv.Passive.Last = uint16(n), uint16(n)
	case "passive-address":
		s.srv.PassiveAddress = func(context.Context, netip.Addr, netip.Addr) (netip.Addr, error) { return netip.ParseAddr(value) }
	case "names", "backslash", "lenient-dirs", "allo", "compat-of":
		s.optionCompat(name, value)
	case "tls", "tls-version", "tls-legacy", "data-session", "upload-close", "client-certificate", "share", "show":
		s.optionTLS(name, value)
	default:
		s.injectFault(name, value)
	}
}

// optionCompat configures Compat, for all users or, after compat-of, for that user.
func (s *script) optionCompat(name, value string) {
	switch name {
	case "names":
		s.compat.Names = map[string]proxy.Charset{"latin1": proxy.Latin1, "shift-jis": proxy.ShiftJIS, "gbk": proxy.GBK}[value]
	case "backslash":
		s.compat.Backslash = true
	case "lenient-dirs":
		s.compat.LenientDirs = true
	case "allo":
		s.compat.Allo = map[string]proxy.Allo{"auto": proxy.AlloAuto, "binding": proxy.AlloBinding, "hint": proxy.AlloHint}[value]
	case "compat-of":
		s.compatOf = value
	}
	compat := s.compat
	if s.compatOf != "" {
		compat = proxy.Compat{}
	}
	s.srv.Compat = func(netip.Addr) proxy.Compat { return compat }
}

// injectFault injects faults into the store by name. The name login is for Login.
func (s *script) injectFault(kind, arg string) {
	name, value, _ := strings.Cut(arg, " ")
	switch kind {
	case "fail": // fail /name error: operations with this name fail
		if s.store.Fail[name] = failures[value]; failures[value] == nil {
			s.fatalf("unknown error %q", value)
		}
	case "break": // break /name 5: a download fails after 5 bytes
		n, err := strconv.Atoi(value)
		if err != nil {
			s.fatalf("%v", err)
		}
		s.store.Breaks[name] = n
	case "slow": // slow /name 10s: to publish an upload, or to compute a checksum, takes 10 s
		s.store.Slow[name] = s.duration(value)
	default:
		s.fatalf("unknown option %q", kind)
	}
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.fatalf("%v", err)
	}
	return d
}

var failures = map[string]error{
	"permission":  fs.ErrPermission,
	"invalid":     fs.ErrInvalid,
	"exists":      fs.ErrExist,
	"unsupported": errors.ErrUnsupported,
	"no buffer":   fmt.Errorf("put: %w", syscall.ENOBUFS),
	"too big":     syscall.EFBIG,
	"offset":      syscall.ESPIPE,
	"time-out":    context.DeadlineExceeded,
	"down":        storetest.ErrDown,
	"panic":       storetest.ErrPanic,
}
