package mem

import (
	"testing"

	"coffer/internal/blob"
	"coffer/internal/blob/blobtest"
)

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return new(Store) })
}
