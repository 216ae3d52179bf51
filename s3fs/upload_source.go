package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A prefix is how many of the bytes that are there an upload keeps in front of its new ones: below 0 = all of the object.
type prefix int64

func (p prefix) any() bool { return p != 0 }

func (p prefix) isAll() bool { return p < 0 }

// newBytes reads the new bytes of a source.
type newBytes struct {
	ctx context.Context
	src proxy.Source
	run io.Reader // the present one; nil = the next one has to be asked for
	end error     // of the source
}

// first returns what the source keeps in front of its new bytes.
func (n *newBytes) first() (prefix, error) {
	run, err := n.src.Next(n.ctx)
	switch {
	case err == io.EOF:
		n.end = err
		return 0, nil
	case err != nil:
		return 0, err
	case run.Copy == nil:
		n.run = run.New
		return 0, nil
	case run.Copy.From != "" || run.Copy.Offset != 0:
		return 0, fmt.Errorf("a copy from %q at %d: %w", run.Copy.From, run.Copy.Offset, errors.ErrUnsupported)
	}
	return prefix(run.Copy.Length), nil
}

// Read implements io.Reader. It ends with io.EOF when the source has.
func (n *newBytes) Read(p []byte) (int, error) {
	for n.end == nil {
		if n.run == nil {
			n.end = n.next()
			continue
		}
		m, err := n.run.Read(p)
		if err == io.EOF {
			n.run, err = nil, nil
			if m == 0 {
				continue
			}
		}
		n.end = err
		return m, err
	}
	return 0, n.end
}

// next asks for the next run, which must be of new bytes.
func (n *newBytes) next() error {
	run, err := n.src.Next(n.ctx)
	if err == nil && run.Copy != nil {
		return fmt.Errorf("a copy behind other bytes: %w", errors.ErrUnsupported)
	}
	n.run = run.New
	return err
}
