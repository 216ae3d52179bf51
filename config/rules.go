package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// parseRules reads ADDRESS, or NETWORK=ADDRESS,...,ADDRESS. The last address is for all other clients; without it they get
// auto.
func parseRules(text string) ([]Rule, error) {
	var rules []Rule
	for item := range strings.SplitSeq(text, ",") {
		if len(rules) > 0 && !rules[len(rules)-1].Client.IsValid() {
			return nil, errors.New("must have one address for all other clients, at the end")
		}
		rule, err := parseRule(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		for _, earlier := range rules {
			if earlier.Client == rule.Client {
				return nil, fmt.Errorf("must name the network %s only once", rule.Client)
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func parseRule(item string) (Rule, error) {
	network, address, isRule := strings.Cut(item, "=")
	if !isRule {
		return Rule{Address: item}, checkPassive(item)
	}
	client, err := parseNetwork(network)
	if err != nil {
		return Rule{}, err
	}
	return Rule{Client: client, Address: address}, checkPassive(address)
}

// parseNetwork reads a network or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		if ip.IsUnspecified() {
			return netip.Prefix{}, fmt.Errorf("%s is not the address of a client: all are %[1]s/0", ip)
		}
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96) // client addresses are unmapped too
	}
	meant, ok := networkMeant(text)
	switch {
	case ok:
		return netip.Prefix{}, fmt.Errorf("%q is not a network: must be %s", text, meant)
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network: must be like 10.0.0.0/8", text)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%s is not a network: must be %s", network, network.Masked())
	}
	return network, nil
}

// networkMeant returns the network that a text means in another notation: with a netmask, or with * for the last bytes.
func networkMeant(text string) (network netip.Prefix, ok bool) {
	if first, isPattern := strings.CutSuffix(text, ".*"); isPattern {
		first = strings.TrimRight(first, ".*")
		bytes := 1 + strings.Count(first, ".")
		ip, err := netip.ParseAddr(first + strings.Repeat(".0", max(0, 4-bytes)))
		return netip.PrefixFrom(ip, 8*bytes), err == nil && bytes < 4
	}
	address, mask, _ := strings.Cut(text, "/")
	ip, err1 := netip.ParseAddr(address)
	m, err2 := netip.ParseAddr(mask)
	if err1 != nil || err2 != nil || !ip.Is4() || !m.Is4() {
		return netip.Prefix{}, false
	}
	ones := bits.LeadingZeros32(^binary.BigEndian.Uint32(m.AsSlice()))
	network = netip.PrefixFrom(ip, ones).Masked()
	return network, binary.BigEndian.Uint32(m.AsSlice()) == ^uint32(0)<<(32-ones)
}

// parseNetworks reads NETWORK,NETWORK,...
func parseNetworks(text string) (networks []netip.Prefix, err error) {
	for item := range strings.SplitSeq(text, ",") {
		network, err := parseNetwork(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// checkPassive returns an error for an address that cannot be in a reply to PASV, which has only IPv4 addresses (RFC 959, 4.1.2).
func checkPassive(address string) error {
	if address == "auto" {
		return nil
	}
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil && isHostName(address):
		return nil
	case err != nil:
		return fmt.Errorf("%q must be auto, an IPv4 address or a host name", address)
	case !ip.Unmap().Is4():
		return fmt.Errorf("%s must be an IPv4 address: IPv6 clients use EPSV, which sends no address", ip)
	case ip.Unmap().IsUnspecified() || ip.Unmap().IsMulticast():
		return fmt.Errorf("%s must be an address that clients can connect to", ip)
	}
	return nil
}

// isHostName reports whether a text is a valid host name (RFC 1123, 2.1). If its last label is a number, it is a misspelled
// address.
func isHostName(text string) bool {
	text = strings.TrimSuffix(text, ".")
	labels := strings.Split(text, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, hostBytes) != "" {
			return false
		}
	}
	return len(text) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// hostBytes are the bytes of host names, and the underscore, which is in use despite the RFCs.
const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
