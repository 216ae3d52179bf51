package faults

import (
	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/faults"
)

// requestID is the request ID in the answers that a FaultProxy makes up.
const requestID = faults.RequestID

// Short names for the tables of this package.
type rule = harness.Rule

const always = harness.Always

var when = harness.When

// The faults of package faults, by their short names.
var (
	late, resetAfter, reset, lost = faults.Late, faults.ResetAfter, faults.Reset, faults.Lost
	stall, refuse, failAfter      = faults.Stall, faults.Refuse, faults.FailAfter
	damage, swallow, mistag       = faults.Damage, faults.Swallow, faults.Mistag
	after, ends, breaks, stops    = faults.After, faults.Ends, faults.Breaks, faults.Stops
	spoil                         = faults.Spoil
)
