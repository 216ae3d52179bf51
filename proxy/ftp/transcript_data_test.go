package ftp

import (
	"bufio"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing/iotest"
	"testing/synctest"
)

// keepParameters keeps the parameters of data connections that the client sends.
func (s *script) keepParameters(text string) {
	verb, arg := split(text)
	switch verb {
	case "PORT":
		s.offer, _ = parsePort(arg)
	case "EPRT":
		s.offer, _ = parseEprt(arg)
	case "STOR", "APPE", "STOU":
		s.upload = true
	case "RETR", "LIST", "NLST", "MLSD":
		s.upload = false
	case "PROT":
		s.tls.asked = arg
	}
}

// keepAddress keeps the passive address in a reply, or listens on the address of PORT or EPRT if the server has accepted it.
func (s *script) keepAddress(reply string) {
	if asked := take(&s.tls.asked); asked != "" && strings.HasPrefix(reply, "200 ") {
		s.tls.private = asked == "P"
	}
	var a, b, c, d, hi, lo, port int
	if n, _ := fmt.Sscanf(reply, "227 Entering Passive Mode (%d,%d,%d,%d,%d,%d)", &a, &b, &c, &d, &hi, &lo); n == 6 {
		s.dial, s.data = netip.AddrPortFrom(s.to.Addr(), uint16(hi<<8|lo)), nil
	} else if n, _ := fmt.Sscanf(reply, "229 Entering Extended Passive Mode (|||%d|)", &port); n == 1 {
		s.dial, s.data = netip.AddrPortFrom(s.to.Addr(), uint16(port)), nil
	} else if (reply == "200 PORT command successful.\r" || reply == "200 EPRT command successful.\r") && !s.noListener {
		l, err := s.net.listen(s.offer.String())
		if err != nil {
			s.fatalf("%v", err)
		}
		s.accept, s.data = l, nil
	}
}

// connectData opens the data connection, unless it is open.
func (s *script) connectData(mayFail bool) {
	if s.data != nil {
		return
	}
	var err error
	if s.accept != nil {
		s.data, err = s.accept.Accept()
		s.accept.Close()
		s.accept = nil
	} else {
		s.data, err = s.net.dial(s.t.Context(), "tcp", netip.AddrPortFrom(s.from.Addr(), 50000), s.dial)
	}
	if err != nil {
		s.fatalf("data connection: %v", err)
	}
	s.tcp = s.data
	if s.tls.private {
		s.data = s.tls.handshake(s, s.data, mayFail)
	}
	s.in, s.zip = bufio.NewReader(iotest.OneByteReader(s.data)), nil // reads no more than a line needs
	if s.zlib {
		s.in, s.zip = bufio.NewReader(iotest.OneByteReader(&unzipped{r: s.in})), zlib.NewWriter(s.data)
	}
}

func (s *script) transferStep(mark, arg string) {
	s.connectData(mark == "H!")
	text := arg + "\r\n"
	if mark == "D=" {
		text = s.unquote(arg)
	}
	switch {
	case mark == "D~":
		s.data.Close()
		synctest.Wait()
	case mark == "D!" && s.upload:
		s.tcp.(interface{ SetLinger(int) error }).SetLinger(0)
		s.tcp.Close()
		synctest.Wait()
	case mark == "D|": // without close_notify
		s.tcp.Close()
		synctest.Wait()
	case mark == "H!":
		go io.Copy(io.Discard, s.data) // the server may send an alert, and a pipe has no buffer
		synctest.Wait()
	case mark == "D." && s.upload:
		if s.zip != nil {
			s.zip.Close()
		}
		s.data.Close()
		synctest.Wait()
	case mark == "D!":
		if _, err := io.Copy(io.Discard, s.in); !errors.Is(err, syscall.ECONNRESET) {
			s.fatalf("the data connection ends with %v, want a reset", err)
		}
	case mark == "D.":
		if rest, err := io.ReadAll(s.in); err != nil || len(rest) > 0 {
			s.fatalf("received %q and %v on the data connection, want its end", rest, err)
		}
	case s.upload:
		if err := s.sendData(text); err != nil {
			s.fatalf("%v", err)
		}
		synctest.Wait()
	default:
		s.expectData(mark, arg, text)
	}
}

// send sends text on the data connection, compressed after ! zlib.
func (s *script) sendData(text string) error {
	if s.zip == nil {
		_, err := io.WriteString(s.data, text)
		return err
	}
	if _, err := io.WriteString(s.zip, text); err != nil {
		return err
	}
	return s.zip.Flush()
}

// unzipped decompresses the stream r. After its end, r must end too.
type unzipped struct {
	r, z io.Reader
}

func (u *unzipped) Read(p []byte) (n int, err error) {
	if u.z == nil {
		if u.z, err = zlib.NewReader(u.r); err != nil {
			return 0, err
		}
	}
	if n, err = u.z.Read(p); err != io.EOF {
		return n, err
	}
	if n > 0 {
		return n, nil // the next Read returns io.EOF
	}
	if rest, err := io.ReadAll(u.r); err != nil || len(rest) > 0 {
		return 0, fmt.Errorf("%q and %v after the end of the zlib stream", rest, err) // does not wrap a reset: the stream is complete
	}
	return 0, io.EOF
}

func (s *script) expectData(mark, arg, text string) {
	if mark == "D>" {
		got, err := s.in.ReadString('\n')
		if !strings.HasSuffix(got, "\r\n") || !matches(arg, strings.TrimSuffix(got, "\r\n")) {
			s.fatalf("received %q and %v on the data connection, want %q", got, err, text)
		}
		return
	}
	got := make([]byte, len(text))
	if n, err := io.ReadFull(s.in, got); string(got) != text {
		s.fatalf("received %q and %v on the data connection, want %q", got[:n], err, text)
	}
}

var _ net.Conn = (*memConn)(nil)
