package pebble

// Stats are the figures of a store since it was opened, for metrics.
type Stats struct {
	Commits     uint64 // transactions that wrote and were acknowledged
	Groups      uint64 // synced groups that they shared
	Conflicts   uint64 // runs of a function that were done again
	Unavailable uint64 // transactions refused or left unanswered, see meta.ErrUnavailable

	BackgroundErrors uint64 // failed flushes and compactions
	Corruptions      uint64 // times that damage was met in a table
	WriteStalls      uint64 // times that commits waited for compactions

	DiskBytes      uint64 // of all files
	LogBytes       uint64 // of the write-ahead log not yet in tables
	MemTableBytes  uint64
	CacheBytes     int64
	CacheHits      int64
	CacheMisses    int64
	Compactions    int64
	Flushes        int64
	CompactionDebt uint64 // bytes that compactions have yet to rewrite

	// Err is nil while writing works and there is space, and otherwise an error
	// that wraps meta.ErrUnavailable.
	Err error
}

// Stats returns the figures of the store. After Close only the counters of
// transactions are set.
func (s *Store) Stats() Stats {
	stats := Stats{
		Commits:          s.counters.commits.Load(),
		Groups:           s.counters.groups.Load(),
		Conflicts:        s.counters.conflicts.Load(),
		Unavailable:      s.counters.unavailable.Load(),
		BackgroundErrors: s.counters.backgroundErrors.Load(),
		Corruptions:      s.counters.corruptions.Load(),
		WriteStalls:      s.counters.stalls.Load(),
		Err:              s.disk.err(),
	}
	if stats.Err == nil {
		stats.Err = s.lowSpace(0)
	}
	v, err := s.acquire(false)
	if err != nil {
		return stats
	}
	defer s.release(v, false)
	m := s.db.Metrics()
	stats.DiskBytes = m.DiskSpaceUsage()
	stats.LogBytes = m.WAL.Size
	stats.MemTableBytes = m.MemTable.Size
	stats.CacheBytes = m.BlockCache.Size
	stats.CacheHits = m.BlockCache.Hits
	stats.CacheMisses = m.BlockCache.Misses
	stats.Compactions = m.Compact.Count
	stats.Flushes = m.Flush.Count
	stats.CompactionDebt = m.Compact.EstimatedDebt
	return stats
}
