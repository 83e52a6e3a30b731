package keywrap

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestWycheproof runs the vectors of Project Wycheproof, which are not part of
// this repository: COFFER_WYCHEPROOF names a directory testvectors_v1 of
// github.com/C2SP/wycheproof.
func TestWycheproof(t *testing.T) {
	dir := os.Getenv("COFFER_WYCHEPROOF")
	if dir == "" {
		t.Skip("COFFER_WYCHEPROOF names no vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, "aes_kwp_test.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		TestGroups []struct {
			Tests []struct {
				TcID                          int
				Comment, Key, Msg, Ct, Result string
			}
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range all.TestGroups {
		for _, c := range g.Tests {
			n++
			kek, key, wrapped := unhex(t, c.Key), unhex(t, c.Msg), unhex(t, c.Ct)
			got, err := UnwrapKey(kek, wrapped)
			if valid := err == nil && bytes.Equal(got, key); valid != (c.Result == "valid") && c.Result != "acceptable" {
				t.Errorf("case %d (%s): UnwrapKey() = %x, %v; want %s", c.TcID, c.Comment, got, err, c.Result)
			}
			if c.Result != "valid" {
				continue
			}
			if got, err := WrapKey(kek, key); err != nil || !bytes.Equal(got, wrapped) {
				t.Errorf("case %d (%s): WrapKey() = %x, %v; want %x", c.TcID, c.Comment, got, err, wrapped)
			}
		}
	}
	t.Logf("%d cases", n)
}
