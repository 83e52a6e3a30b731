package tpm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Config{
		"device=/dev/tpmrm0":                           {Device: "/dev/tpmrm0"},
		"socket=/run/a%3Bb;owner-auth-file=/etc/owner": {Socket: "/run/a;b", OwnerAuthFile: "/etc/owner"},
	} {
		if got, err := Parse(text); err != nil || got.Device != want.Device || got.Socket != want.Socket || got.OwnerAuthFile != want.OwnerAuthFile {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "device", "device=", "device=tpm0", "device=/a;socket=/b", "device=/a;device=/b", "owner-auth-file=/a",
		"device=/a;x=/b", "device=/%00", "device=/%zz", "device=/a;", "socket=/" + strings.Repeat("x", maxPath),
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %+v; want an error", text, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	for range 100 {
		if i := newIdentity(); bytes.IndexByte(i.Auth[:], 0) >= 0 {
			t.Fatal("a zero byte in the authorization value")
		}
	}
	i := newIdentity()
	i.Primary = [2][32]byte{{1, 2}, {3, 4}}
	for _, c := range []Config{{Device: "/dev/tpmrm0"}, {Socket: "/run/s", OwnerAuthFile: "/o"}} {
		settings := c.Settings(i)
		settings["other"] = "x"
		gotConfig, got, err := ParseSettings(settings)
		if err != nil || *got != *i || gotConfig.Device != c.Device || gotConfig.Socket != c.Socket || gotConfig.OwnerAuthFile != c.OwnerAuthFile {
			t.Errorf("ParseSettings = %+v, %v, %v; want %+v, %v", gotConfig, got, err, c, i)
		}
		for name := range c.Settings(i) {
			if name == SettingOwnerAuthFile {
				continue
			}
			bad := []string{"", "zz", settings[name] + "00", settings[name][2:]}
			if name == SettingDevice || name == SettingSocket {
				bad = bad[:1]
			}
			for _, bad := range bad {
				s := maps.Clone(settings)
				s[name] = bad
				if _, _, err := ParseSettings(s); err == nil {
					t.Errorf("ParseSettings takes %s = %q", name, bad)
				}
			}
		}
	}
}

func TestAuthIsNeverShown(t *testing.T) {
	i := newIdentity()
	i.Auth = Auth(bytes.Repeat([]byte{0x61}, 32))
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, i), fmt.Sprintf(verb, i.Auth), fmt.Sprintf(verb, &i.Auth))
	}
	data, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", i.Auth, "w", i)
	for _, s := range append(shown, string(data), text.String()) {
		for _, leak := range []string{"aaaa", "6161", "97 97", "97,97", "YWFh"} {
			if strings.Contains(s, leak) {
				t.Errorf("the authorization value shows: %s", s)
			}
		}
	}
}
