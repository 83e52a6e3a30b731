package rootseal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsNeverShown(t *testing.T) {
	secret := Secret(bytes.Repeat([]byte{0x61}, 32)) // "a", 97
	epoch := &Epoch{Number: 7, Root: secret}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U"} {
		shown = append(shown, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, epoch), fmt.Sprintf(verb, *epoch))
	}
	for _, v := range []any{secret, epoch} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var text, jsonText bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&jsonText, nil)).Info("m", "v", v)
		shown = append(shown, string(data), text.String(), jsonText.String())
	}
	for _, s := range shown {
		for _, leak := range []string{"aaaa", hex.EncodeToString(secret[:4]), "97 97", "97,97", "141 141", "1100001", "YWFh", "U+0061"} {
			if strings.Contains(s, leak) {
				t.Errorf("the secret shows: %s", s)
			}
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "shard-0001", strings.Repeat("z", MaxNameLength)} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	for _, name := range []string{"", "A", "a/b", "..", "a_b", "a b", strings.Repeat("z", MaxNameLength+1)} {
		if CheckName(name) == nil {
			t.Errorf("CheckName(%q) = nil; want an error", name)
		}
	}
}
