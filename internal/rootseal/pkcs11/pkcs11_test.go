package pkcs11

import (
	"bytes"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse("module=/usr/lib/softhsm/libsofthsm2.so;token=my%3Btoken 1;serial=0a;pin-file=/etc/pin;mode=gate;key=aes")
	want := Config{Module: "/usr/lib/softhsm/libsofthsm2.so", Token: "my;token 1", Serial: "0a", PINFile: "/etc/pin", IsGate: true, Kind: KindAES}
	if err != nil || got.Module != want.Module || got.Token != want.Token || got.Serial != want.Serial ||
		got.PINFile != want.PINFile || got.IsGate != want.IsGate || got.Kind != want.Kind {
		t.Errorf("Parse = %+v, %v; want %+v", got, err, want)
	}
	if got, err := Parse("module=/m;token=t"); err != nil || got.IsGate || got.Kind != KindAny {
		t.Errorf("Parse = %+v, %v", got, err)
	}
	for _, text := range []string{
		"", "module=/m", "token=t", "module=m;token=t;pin-file=/p", "module=/m;token=;pin-file=/p",
		"module=/m;token=t;pin-file=/p;", "module=/m;token=t;token=u;pin-file=/p", "module=/m;token=t;pin-file=/p;pin=1",
		"module=/m;token=t;pin-file=/p;mode=x", "module=/m;token=t;pin-file=/p;key=x", "module=/m;token=%zz;pin-file=/p",
		"module=/m;token=%00;pin-file=/p", "module=/m;token=" + strings.Repeat("t", MaxText+1) + ";pin-file=/p",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %+v; want an error", text, got)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, kind := range kinds {
		want := Config{Module: "/m", Token: "t", Serial: "s", Kind: kind, PINFile: "/p"}
		wantID := NewID()
		settings := want.Settings(wantID)
		settings["other"] = "x"
		got, id, err := ParseSettings(settings)
		if err != nil || id != wantID || got.Module != "/m" || got.Token != "t" || got.Serial != "s" || got.Kind != kind || got.PINFile != "/p" {
			t.Errorf("ParseSettings of the kind %s = %+v, %q, %v; want %+v, %q", name, got, id, err, want, wantID)
		}
	}
	want := Config{Module: "/m", Token: "t"}
	for name := range want.Settings(NewID()) {
		settings := want.Settings(NewID())
		delete(settings, name)
		if got, id, err := ParseSettings(settings); err == nil {
			t.Errorf("ParseSettings without %s = %+v, %q; want an error", name, got, id)
		}
	}
}

func TestNewID(t *testing.T) {
	a, b := NewID(), NewID()
	if a == b || checkID(a) != nil || len(prefix(a))+16 > MaxLabel {
		t.Errorf("NewID = %q, %q", a, b)
	}
}

var requests = []*Request{
	{Op: OpOpen, Number: 1, Module: "/usr/lib/m.so", Token: "coffer", Serial: "12", PIN: []byte("1234")},
	{Op: OpList, Number: 2, Label: "coffer/"},
	{Op: OpMake, Number: 3, Label: "coffer/aaaaaaaaaaaaaaaa/0000000000000001", Kind: KindAES},
	{Op: OpDerive, Number: 4, Label: "coffer/a", Input: []byte("input")},
	{Op: OpDestroy, Number: 1<<32 - 1, Label: "coffer/b"},
}

func TestRequests(t *testing.T) {
	for _, r := range requests {
		b := AppendRequest(nil, r)
		got, err := ParseRequest(b)
		if err != nil || !bytes.Equal(AppendRequest(nil, got), b) || got.Label != r.Label || got.Number != r.Number {
			t.Errorf("ParseRequest = %+v, %v; want %+v", got, err, r)
		}
		for n := range b {
			if got, err := ParseRequest(b[:n]); err == nil {
				t.Errorf("ParseRequest of %d bytes of %+v = %+v", n, r, got)
			}
		}
		if got, err := ParseRequest(append(b, 0)); err == nil {
			t.Errorf("ParseRequest with a byte more = %+v", got)
		}
	}
	for _, r := range []*Request{
		{Op: 0}, {Op: 6}, {Op: OpMake, Kind: 4}, {Op: OpList, Label: strings.Repeat("x", MaxLabel+1)},
		{Op: OpDerive, Input: make([]byte, MaxInput+1)}, {Op: OpOpen, PIN: make([]byte, MaxPIN+1)},
		{Op: OpOpen, Module: strings.Repeat("x", MaxText+1)},
	} {
		if got, err := ParseRequest(AppendRequest(nil, r)); err == nil {
			t.Errorf("ParseRequest = %+v; want an error", got)
		}
	}
}

var answers = []struct {
	op Op
	a  *Answer
}{
	{OpOpen, &Answer{Number: 1, Text: "coffer (SoftHSM)"}},
	{OpOpen, &Answer{Number: 1, Status: StatusPIN, Text: "CKR_PIN_INCORRECT"}},
	{OpList, &Answer{Number: 2, Labels: []string{"coffer/a", "coffer/b"}}},
	{OpList, &Answer{Number: 2}},
	{OpMake, &Answer{Number: 3, Status: StatusExists, Text: "coffer/a"}},
	{OpMake, &Answer{Number: 3}},
	{OpDerive, &Answer{Number: 4, Secret: [32]byte{1, 2, 3}}},
	{OpDestroy, &Answer{Number: 5, Count: 2}},
}

func TestAnswers(t *testing.T) {
	for _, test := range answers {
		b := AppendAnswer(nil, test.op, test.a)
		got, err := ParseAnswer(b, test.op)
		if err != nil || !bytes.Equal(AppendAnswer(nil, test.op, got), b) || got.Secret != test.a.Secret || got.Status != test.a.Status {
			t.Errorf("ParseAnswer = %+v, %v; want %+v", got, err, test.a)
		}
		for n := range b {
			if got, err := ParseAnswer(b[:n], test.op); err == nil {
				t.Errorf("ParseAnswer of %d bytes of %+v = %+v", n, test.a, got)
			}
		}
	}
	many := &Answer{Labels: make([]string, MaxLabels+1)}
	if _, err := ParseAnswer(AppendAnswer(nil, OpList, many), OpList); err == nil {
		t.Error("ParseAnswer takes too many labels")
	}
	full := &Answer{}
	for range MaxLabels {
		full.Labels = append(full.Labels, strings.Repeat("x", MaxLabel))
	}
	if n := len(AppendAnswer(nil, OpList, full)); n > MaxFrame {
		t.Errorf("a full list has %d bytes, more than a frame of %d", n, MaxFrame)
	}
	if _, err := ParseAnswer(AppendAnswer(nil, OpMake, &Answer{Status: maxStatus + 1}), OpMake); err == nil {
		t.Error("ParseAnswer takes an unknown status")
	}
}

func TestFrames(t *testing.T) {
	if err := WriteFrame(new(bytes.Buffer), make([]byte, MaxFrame+1)); err == nil {
		t.Error("WriteFrame takes too much")
	}
	for _, b := range []string{"\xff\xff\xff\xff", "\x00\x01\x00\x01" + strings.Repeat("x", 1<<16+1), "\x00\x00\x00\x02x", "\x00\x00"} {
		if _, err := ReadFrame(strings.NewReader(b)); err == nil {
			t.Errorf("ReadFrame(%.8q) = nil; want an error", b)
		}
	}
}

// TestServeRefuses sends requests out of order, and of labels that are not coffer's.
func TestServeRefuses(t *testing.T) {
	s := server{open: func(*Request) (Session, string, error) { return &fakeToken{}, "", nil }}
	for _, step := range []struct {
		r    *Request
		want Status
	}{
		{&Request{Op: OpList, Label: "coffer/"}, StatusRefused},
		{&Request{Op: OpOpen}, StatusOK},
		{&Request{Op: OpOpen}, StatusRefused},
		{&Request{Op: OpList}, StatusRefused},
		{&Request{Op: OpDestroy, Label: "web server"}, StatusRefused},
		{&Request{Op: OpDerive, Label: "coffer"}, StatusRefused},
	} {
		var out bytes.Buffer
		if err := s.answer(&out, AppendRequest(nil, step.r)); err != nil {
			t.Fatal(err)
		}
		b, err := ReadFrame(&out)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := ParseAnswer(b, step.r.Op); err != nil || a.Status != step.want {
			t.Errorf("answer to %+v = %+v, %v; want status %d", step.r, a, err, step.want)
		}
	}
	if err := s.answer(new(bytes.Buffer), []byte{2, 1, 0, 0, 0, 0}); err == nil {
		t.Error("a message of version 2 was answered; want an error")
	}
}

func FuzzRequest(f *testing.F) {
	for _, r := range requests {
		f.Add(AppendRequest(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err == nil && !bytes.Equal(AppendRequest(nil, r), b) {
			t.Errorf("%x is another request when it is encoded again", b)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, a := range answers {
		f.Add(AppendAnswer(nil, a.op, a.a), byte(a.op))
	}
	f.Fuzz(func(t *testing.T, b []byte, op byte) {
		a, err := ParseAnswer(b, Op(op))
		if err == nil && !bytes.Equal(AppendAnswer(nil, Op(op), a), b) {
			t.Errorf("%x is another answer when it is encoded again", b)
		}
	})
}
