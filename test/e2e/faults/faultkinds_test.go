package faults

import (
	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/faults"
)

// requestID is what the answers that a FaultProxy makes up call their request.
const requestID = faults.RequestID

// What the tables of this package consist of, by short names.
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
