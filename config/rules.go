package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// parseRules reads a --passive-address: one address for everybody, or NETWORK=ADDRESS,... with, at the end,
// an address for all other clients. Without that last one they get auto.
func parseRules(text string) ([]Rule, error) {
	var rules []Rule
	for item := range strings.SplitSeq(text, ",") {
		if len(rules) > 0 && !rules[len(rules)-1].Client.IsValid() {
			return nil, errors.New("the address for all other clients stands last, and there is one")
		}
		rule, err := parseRule(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		for _, earlier := range rules {
			if earlier.Client == rule.Client {
				return nil, fmt.Errorf("the network %s is there twice", rule.Client)
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

// parseNetwork reads a network, or an address that stands for itself alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96) // or it would fit no client
	}
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is no network; one looks like 10.0.0.0/8", text)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("the network of %s is written %s", network, network.Masked())
	}
	return network, nil
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

// checkPassive refuses what the reply to PASV cannot name: it has room for an IPv4 address alone (RFC 959, 4.1.2).
func checkPassive(address string) error {
	if address == "auto" {
		return nil
	}
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil && isHostName(address):
		return nil
	case err != nil:
		return fmt.Errorf("%q is neither auto nor an IPv4 address nor a host name", address)
	case !ip.Unmap().Is4():
		return fmt.Errorf("%s: PASV can only name an IPv4 address; IPv6 clients use EPSV, which needs none", ip)
	case ip.Unmap().IsUnspecified() || ip.Unmap().IsMulticast():
		return fmt.Errorf("%s: no client can connect there", ip)
	}
	return nil
}

// isHostName tells whether a text can be a host name (RFC 1123, 2.1). One whose last label is a number is
// a misspelt address.
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

// hostBytes are the bytes of host names; the underscore is in use, whatever the RFCs say.
const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
