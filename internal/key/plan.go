package key

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
)

// planName is the name of the plan of an epoch among its frontiers. Destroying the
// epoch before removes it, for no head names it.
const planName = "plan"

// planOf returns the digest of what must survive when leaves, which are sorted and
// living, are punctured: of each touched shard, the spans that stay. It is computed
// from the leaves alone, not from the frontier that the puncture builds, so that
// after a crash an epoch which lacks a leaf too many is told from one that is as it
// was meant to be.
func (s *epochState) planOf(leaves []leaf) []byte {
	h := sha256.New()
	gone := indexesByShard(leaves)
	for _, i := range slices.Sorted(maps.Keys(gone)) {
		addSpans(h, i, without(s.frontier(i).spans(), gone[i]))
	}
	return h.Sum(nil)
}

// planned returns the digest of what s has, of each shard that differs from old. It
// is s.plan if s is what was meant.
func (s *epochState) planned(old *epochState) []byte {
	h := sha256.New()
	for i := range s.head.shards {
		if s.head.shards[i].generation != old.head.shards[i].generation {
			addSpans(h, i, s.frontier(i).spans())
		}
	}
	return h.Sum(nil)
}

func addSpans(h hash.Hash, shard int, spans []span) {
	b := binary.BigEndian.AppendUint16(nil, uint16(shard))
	b = binary.BigEndian.AppendUint32(b, uint32(len(spans)))
	for _, s := range spans {
		b = binary.BigEndian.AppendUint32(b, s.lo)
		b = binary.BigEndian.AppendUint32(b, s.hi)
	}
	h.Write(b)
}

func planData(epoch uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(labelPlan), epoch)
}

// sealPlan seals a plan under the root secret of the epoch that follows it.
func sealPlan(root *Secret, epoch uint64, plan []byte) []byte {
	k := derive(root, nil, labelPlan)
	defer k.Wipe()
	return seal(&k, plan, planData(epoch))
}

// openPlan reverses sealPlan. It returns nil if the plan does not open.
func openPlan(root *Secret, epoch uint64, sealed []byte) []byte {
	k := derive(root, nil, labelPlan)
	defer k.Wipe()
	plan, err := open(&k, sealed, planData(epoch))
	if err != nil {
		return nil
	}
	return plan
}
