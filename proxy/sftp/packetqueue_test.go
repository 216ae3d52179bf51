package sftp

import (
	"testing"
	"time"
)

// A client sends an invalid packet, and many after it. Package ssh reads none of these, and yet all its goroutines end; else the bubble
// would not.
func TestUnreadPacketsAtEnd(t *testing.T) {
	for name, invalid := range map[string]func(*rawClient) []byte{
		"before the login": func(c *rawClient) []byte {
			c.keyExchange()
			return c.packet(msgServiceRequest, struct{ Name string }{"unknown"})
		},
		"at the login": func(c *rawClient) []byte {
			c.handshake()
			return c.packet(msgUserAuthRequest, 1)
		},
		"after the login": func(c *rawClient) []byte {
			c.login()
			return c.packet(msgChannelData, uint32s(77))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				c := b.rawConnect()
				burst := invalid(c)
				for i := range 1000 {
					burst = append(burst, c.global(i)...)
				}
				go c.memConn.Write(burst)
				c.rest()
				<-time.After(lingerTimeout)
				c.Close()
			})
		})
	}
}
