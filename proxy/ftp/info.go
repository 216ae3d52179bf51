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

// cmdHost takes any name, as all that is served here is one host (RFC 7151, section 3).
func (s *session) cmdHost(_ context.Context, arg string) error {
	switch {
	case s.store != nil || s.userGiven:
		return reply{503, "Send HOST before USER."}
	case !isHost(arg):
		return reply{501, "HOST requires a host name, or an address in brackets."}
	}
	return s.ok(220, "s3ftpd ready.")
}

// isHost tells a host name, or an IP address as it stands in URLs.
func isHost(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		_, err := netip.ParseAddr(strings.TrimPrefix(strings.ToLower(inner), "ipv6:"))
		return ok && err == nil
	}
	return strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._") == "" && strings.Trim(name, ".") != ""
}

// cmdClnt notes which program the client is.
func (s *session) cmdClnt(ctx context.Context, arg string) error {
	s.observe(ctx, event.ClientSoftware{Name: arg})
	return s.ok(200, "Noted.")
}

// cmdAvbl tells how many bytes there is room for: S3 has no end that we could know.
func (s *session) cmdAvbl(context.Context, string) error {
	return s.ok(213, strconv.FormatInt(math.MaxInt64, 10))
}

func (s *session) cmdSmnt(context.Context, string) error {
	return reply{502, "SMNT not implemented."}
}

// features is the text of the reply to FEAT: what goes beyond RFC 959 (RFC 2389, section 3).
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
	if s.codec().Charset == proxy.UTF8 { // whoever sees it may say UTF-8 at once (RFC 2640, section 3.1)
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

// replyHelp answers HELP: the commands, or what one takes.
func (s *session) replyHelp(all map[string]command, arg string) error {
	if arg != "" {
		verb, _ := split(arg)
		c, ok := all[verb]
		if !ok {
			return reply{502, "Unknown command."}
		}
		if verb == "SITE" { // ncftp looks here for what there is
			return s.replySiteHelp(siteCommands)
		}
		return s.ok(214, strings.TrimSpace(verb+" "+c.help))
	}
	return s.ok(214, "Commands:\n"+columns(slices.Sorted(maps.Keys(all)))+"Use HELP command for its arguments.")
}

// columns sets words in lines of eight.
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

// cmdStat tells how the session stands, or lists a path over the control connection.
func (s *session) cmdStat(ctx context.Context, arg string) error {
	if arg != "" {
		return s.statPath(ctx, arg)
	}
	return s.ok(211, s.status("No transfer in progress."))
}

// status is the text of a 211 reply.
func (s *session) status(transfer string) string {
	kind := "I"
	if s.ascii {
		kind = "A"
	}
	return fmt.Sprintf("Status:\n Connected from %s\n Logged in as %s\n Type %s, structure F, mode %s\n %s\nEnd",
		s.peer.Addr(), s.user, kind, s.mode, transfer)
}
