package e2e

import "github.com/s3ftpd/s3ftpd/test/faults"

// requestID is what the answers that a faultProxy makes up call their request.
const requestID = faults.RequestID

// The faults of package faults, by their short names.
var (
	late, resetAfter, reset, lost = faults.Late, faults.ResetAfter, faults.Reset, faults.Lost
	stall, refuse, failAfter      = faults.Stall, faults.Refuse, faults.FailAfter
	damage, swallow, mistag       = faults.Damage, faults.Swallow, faults.Mistag
	after, ends, breaks, stops    = faults.After, faults.Ends, faults.Breaks, faults.Stops
	spoil, cut                    = faults.Spoil, faults.Cut
)
