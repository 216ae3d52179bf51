// Package parity has the test that FTP and SFTP do the same: a table of cases is run through both, on equal stores in memory, and what
// the clients see and what the stores have at the end is compared. A difference is in the table, with its reason.
package parity
