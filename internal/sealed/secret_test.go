package sealed

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// Whatever is printed, in whichever way, shows no secret. The secrets are 32
// times the letter S, which no printing can hide.
func TestSecretsDoNotPrint(t *testing.T) {
	k := DataKey(bytes.Repeat([]byte("S"), 32))
	s := Secret(k)
	w, err := NewWriter(io.Discard, Keys{k}, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(nil), Keys{k}, w.Content())
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.Range(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := []any{
		k, &k, s, &s, Keys{k, k}, &Keys{k}, []Secret{s}, [2]Secret{s, s}, map[string]DataKey{"k": k}, map[DataKey]int{k: 1},
		struct{ K DataKey }{k}, &struct{ K []Secret }{[]Secret{s}}, any(k), w, r, g, fmt.Errorf("key %v", k),
	}
	var log bytes.Buffer
	text, js := slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))
	for i, v := range values {
		out := ""
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t", "%10v", "%08x"} {
			out += fmt.Sprintf(verb, v) + "\n"
		}
		out += fmt.Sprint(v) + fmt.Sprintln(v)
		if j, err := json.Marshal(v); err == nil {
			out += string(j)
		}
		if x, err := xml.Marshal(v); err == nil {
			out += string(x)
		}
		log.Reset()
		text.Info("m", "v", v, slog.Group("g", "v", v))
		js.Info("m", "v", v, slog.Group("g", "v", v))
		out += log.String()
		for _, leak := range []string{"SSS", "535353", "53 53", "83 83", "83,83", "0x53", "123 123", "1010011", "U+0053", "S S", "U1NT", "gcm"} {
			if strings.Contains(out, leak) {
				at := strings.Index(out, leak)
				t.Errorf("value %d of type %T shows %q in %q", i, v, leak, out[max(0, at-80):min(len(out), at+80)])
				break
			}
		}
	}
	if !strings.Contains(fmt.Sprintf("%v %x %#v", k, s, Keys{k}), "[secret] [secret]") {
		t.Errorf("printed %v %x %#v", k, s, Keys{k})
	}
}

func TestWipe(t *testing.T) {
	keys := testKeys(Double, "wipe")
	s := Secret(keys[0])
	keys.Wipe()
	s.Wipe()
	if keys[0] != (DataKey{}) || keys[1] != (DataKey{}) || s != (Secret{}) {
		t.Error("Wipe leaves something")
	}
}

// A reader and a writer need the caller's keys no more once they are made.
func TestKeysAreNotKept(t *testing.T) {
	var out bytes.Buffer
	keys := testKeys(Double, "kept")
	w, err := NewWriter(&out, keys, testID("kept"))
	if err != nil {
		t.Fatal(err)
	}
	keys.Wipe()
	if _, err := w.Write([]byte("plain")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	keys = testKeys(Double, "kept")
	r, err := NewReader(bytes.NewReader(out.Bytes()), keys, w.Content())
	if err != nil {
		t.Fatal(err)
	}
	keys.Wipe()
	if err := r.VerifyAll(); err != nil {
		t.Error(err)
	}
}
