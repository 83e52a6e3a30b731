// Package backup makes, opens and restores backups of a store: all rows and all
// blobs of one moment, sealed.
//
// Who keeps a backup never holds a key: [Backups] seals everything where the store
// is, and hands out files with names that say nothing, page by page; [Receive] carries
// those that are missing to an archive. A file holds the same bytes of the store as
// long as it has the same name, so a backup that was cut is resumed by another one,
// and one that follows another carries what changed.
//
// A [Backup] is opened with the key of backups, which derives from the store key. It
// reads as a store of its own, see [Backup.Store]: what opens a data directory opens a
// backup. What was destroyed since stays destroyed: its rows are there, and nothing
// derives their leaves.
//
// Source: docs/spec/backup.md, which is normative.
package backup
