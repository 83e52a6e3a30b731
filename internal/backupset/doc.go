// Package backupset implements the format of backups, version 1.
//
// A backup set is a directory of sealed files. Rows lie in chunks whose boundaries
// follow from the row keys, so that a new row changes one chunk; blobs lie in a file
// each; index files name the chunks, and a manifest names everything that one backup
// holds:
//
//	coffer-backup.json   what the directory is, and a check value of the key
//	manifests/TIME-RANDOM
//	index/ab/NAME        lists of chunks
//	rows/ab/NAME         chunks of rows, or of the list of blobs
//	blobs/ab/NAME        blobs
//
// Everything but coffer-backup.json is sealed under a key that derives from the store
// key, and names are keyed hashes: who lacks the root of trust sees sizes and times.
//
// Source: docs/spec/backup.md, which is normative; the vectors in testdata/vectors
// are part of it.
package backupset
