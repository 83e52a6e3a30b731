//go:build !linux

package server

import "errors"

// Harden does nothing here.
func Harden() error { return nil }

// LockMemory fails here.
func LockMemory() error { return errors.New("lock memory: this system is not supported") }
