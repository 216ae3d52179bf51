package auth

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// subjects returns the values of User.Certificate that match a certificate: its full subject in the notation of RFC 4514 and, if
// it has exactly one, its common name. A common name with "=" does not count: it could imitate a full subject.
func subjects(c *x509.Certificate) []string {
	whole := proxy.SubjectOf(c)
	if whole == nil {
		return nil
	}
	var common []string
	for _, set := range whole {
		for _, a := range set {
			if text, ok := a.Value.(string); ok && a.Type.Equal(commonName) {
				common = append(common, text)
			}
		}
	}
	list := []string{whole.String()}
	if len(common) == 1 && !strings.Contains(common[0], "=") {
		list = append(list, common[0])
	}
	return list
}

// commonName is the OID of the attribute commonName (RFC 4519, section 2.3).
var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}
