package ftp

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

func (s *session) cmdSyst(context.Context, string) error {
	return s.ok(215, "UNIX Type: L8")
}

func (s *session) cmdNoop(context.Context, string) error { return nil }

// cmdHost accepts any host name, and ignores it (RFC 7151, section 3).
func (s *session) cmdHost(_ context.Context, arg string) error {
	switch {
	case s.store != nil || s.userGiven:
		return reply{503, "Send HOST before USER."}
	case !isHost(arg):
		return reply{501, "HOST requires a host name, or an address in brackets."}
	}
	return s.ok(220, "s3ftpd ready.")
}

// isHost reports whether name is a host name, or an IP address in brackets.
func isHost(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		_, err := netip.ParseAddr(strings.TrimPrefix(strings.ToLower(inner), "ipv6:"))
		return ok && err == nil
	}
	return strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._") == "" && strings.Trim(name, ".") != ""
}

// cmdClnt reports the client's software in an event.
func (s *session) cmdClnt(ctx context.Context, arg string) error {
	s.observe(ctx, event.ClientSoftware{Name: arg})
	return s.ok(200, "Noted.")
}

// cmdAvbl replies with what the user may still upload. Without a limit it replies with the largest number: S3 has no known limit.
func (s *session) cmdAvbl(ctx context.Context, _ string) error {
	space, err := s.space(ctx)
	if err != nil {
		return err
	}
	left, limited := space.Left()
	if !limited {
		left = math.MaxInt64
	}
	return s.ok(213, strconv.FormatInt(left, 10))
}

// space returns the limits of what the user may upload.
func (s *session) space(ctx context.Context) (proxy.Space, error) {
	if s.account.Space == nil {
		return proxy.Space{}, nil
	}
	return s.account.Space(ctx)
}

func (s *session) cmdSmnt(context.Context, string) error {
	return reply{502, "SMNT not implemented."}
}

// featText returns the text of the reply to FEAT: features beyond RFC 959 (RFC 2389, section 3).
func (s *session) featText(all map[string]command) string {
	lines := []string{"Features:"}
	if s.tls != nil || s.srv.TLS != nil && s.srv.TLS.Control != Never {
		lines = append(lines, " AUTH TLS", " PBSZ", " PROT")
	}
	for _, verb := range slices.Sorted(maps.Keys(all)) {
		if f := all[verb].feat; f != "" {
			lines = append(lines, " "+f)
		}
	}
	lines = append(lines, " HASH "+s.hashFeature(), " MLST "+s.mlstFeature(), " TVFS")
	if s.codec().Charset == proxy.UTF8 { // clients may then send UTF-8 without OPTS (RFC 2640, section 3.1)
		lines = append(lines, " UTF8")
	}
	return strings.Join(append(lines, "End"), "\n")
}

func (s *session) cmdOpts(_ context.Context, arg string) error {
	verb, options := split(arg)
	switch verb {
	case "UTF8", "UTF-8":
		return s.optsUTF8(options)
	case "MLST":
		return s.optsMlst(options)
	case "HASH":
		return s.optsHash(options)
	case "MODE":
		return s.optsMode(options)
	}
	return reply{501, "Use OPTS HASH, MLST, MODE or UTF8."}
}

// replyHelp replies to HELP with all commands, or with the arguments of one.
func (s *session) replyHelp(all map[string]command, arg string) error {
	if arg != "" {
		verb, _ := split(arg)
		c, ok := all[verb]
		if !ok {
			return reply{502, "Unknown command."}
		}
		if verb == "SITE" { // ncftp looks for SITE commands here
			return s.replySiteHelp(siteCommands)
		}
		return s.ok(214, strings.TrimSpace(verb+" "+c.help))
	}
	return s.ok(214, "Commands:\n"+columns(slices.Sorted(maps.Keys(all)))+"Use HELP command for its arguments.")
}

// columns formats words in lines of eight.
func columns(words []string) string {
	var b strings.Builder
	for row := range slices.Chunk(words, 8) {
		for _, word := range row {
			fmt.Fprintf(&b, " %-8s", word)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// cmdStat replies with the session's status, or with a listing of a path.
func (s *session) cmdStat(ctx context.Context, arg string) error {
	if arg != "" {
		return s.statPath(ctx, arg)
	}
	return s.ok(211, s.status("No transfer in progress."))
}

// status returns the text of a 211 reply.
func (s *session) status(transfer string) string {
	kind := "I"
	if s.ascii {
		kind = "A"
	}
	return fmt.Sprintf("Status:\n Connected from %s\n Logged in as %s\n Type %s, structure F, mode %s\n %s\nEnd",
		s.peer.Addr(), s.user, kind, s.mode, transfer)
}
