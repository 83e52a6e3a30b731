package key

import (
	"bytes"
	"testing"
)

// A bodyVector is material that is not 32 bytes, sealed under the secret of its version.
type bodyVector struct {
	Name     string   `json:"name"`
	Secret   hexBytes `json:"secret"`
	Account  string   `json:"account"`
	Region   string   `json:"region"`
	ID       string   `json:"id"`
	Version  uint32   `json:"version"`
	Material hexBytes `json:"material"`
	Sealed   hexBytes `json:"sealed"`
	Body     hexBytes `json:"body,omitempty"`
	Reject   string   `json:"reject,omitempty"`
}

func (v *bodyVector) wrapping() *wrapping {
	return &wrapping{kindBody, Ref{v.Account, v.Region, v.ID}, v.Version, MaterialID(v.Material)}
}

func TestBodyVectors(t *testing.T) {
	tests := vectors(t, "body.json", func() []bodyVector {
		secret, other, id := vectorSecret("body secret"), vectorSecret("other"), vectorSecret("body material ID")
		body := append(bytes.Clone(other[:]), secret[:16]...)
		good := bodyVector{Name: "material of 48 bytes", Secret: secret[:], Account: account, Region: region,
			ID: "mrk-1234abcd12ab34cd56ef1234567890ab", Version: 2, Material: id[:], Body: body}
		good.Sealed = sealBody(&secret, vectorSecret("body salt"), good.wrapping(), body)
		short := good
		short.Name, short.Body = "no material", nil
		short.Sealed = sealBody(&secret, vectorSecret("body salt 2"), good.wrapping(), nil)
		with := func(name, why string, change func(v *bodyVector)) bodyVector {
			v := good
			v.Name, v.Reject, v.Body, v.Sealed = name, why, nil, bytes.Clone(v.Sealed)
			change(&v)
			return v
		}
		asKey := wrapping{kindKMS, Ref{account, region, good.ID}, 2, MaterialID(id)}
		return []bodyVector{
			good, short,
			with("another secret", "key", func(v *bodyVector) { v.Secret = other[:] }),
			with("another region", "additional data", func(v *bodyVector) { v.Region = "eu-west-1" }),
			with("another version", "additional data", func(v *bodyVector) { v.Version = 1 }),
			with("another material", "additional data", func(v *bodyVector) { v.Material = other[:] }),
			with("another kind", "additional data", func(v *bodyVector) { v.Sealed = sealBody(&secret, vectorSecret("body salt 3"), &asKey, body) }),
			with("the label of a wrap", "key", func(v *bodyVector) { v.Sealed = wrap(&secret, vectorSecret("body salt 4"), good.wrapping(), &other) }),
			with("altered", "tag", func(v *bodyVector) { v.Sealed[70] ^= 1 }),
			with("format version 2", "unknown version", func(v *bodyVector) { v.Sealed[saltSize] = 2 }),
			with("cut", "length", func(v *bodyVector) { v.Sealed = v.Sealed[:saltSize+5] }),
		}
	})
	for _, v := range tests {
		t.Run(v.Name, func(t *testing.T) {
			secret := Secret(v.Secret)
			got, err := openBody(&secret, v.Sealed, v.wrapping())
			if (err != nil) != (v.Reject != "") {
				t.Fatalf("openBody: %v; want %q", err, v.Reject)
			}
			if err == nil && !bytes.Equal(got, v.Body) {
				t.Errorf("openBody = %x; want %x", got, []byte(v.Body))
			}
		})
	}
}

// A subjectVector is a subject below a key: its ID, and the secret that seals for it.
type subjectVector struct {
	Name     string   `json:"name"`
	StoreKey hexBytes `json:"storeKey"`
	Account  string   `json:"account"`
	Region   string   `json:"region"`
	ID       string   `json:"id"`
	Pair     string   `json:"pair"`
	Value    string   `json:"value"`
	Subject  hexBytes `json:"subject"`  // its ID
	Secret   hexBytes `json:"secret"`   // its key
	Material hexBytes `json:"material"` // of the KMS key
	Of       hexBytes `json:"of"`       // the material's ID
	Mixed    hexBytes `json:"mixed"`
}

// compute returns the ID of the subject and the mixed secret.
func (v *subjectVector) compute() (id SubjectID, mixed Secret) {
	storeKey := Secret(v.StoreKey)
	k := &Keys{subjectIDs: derive(&storeKey, nil, labelPurpose+"subject-id/v1")}
	at := k.subjectAt(&Key{Ref: Ref{v.Account, v.Region, v.ID}, ShredBy: v.Pair}, v.Value)
	material, secret := Secret(v.Material), Secret(v.Secret)
	return at.id, mix(&material, &secret, MaterialID(v.Of))
}

func TestSubjectVectors(t *testing.T) {
	tests := vectors(t, "subject.json", func() (out []subjectVector) {
		storeKey, secret, material, of := vectorSecret("store key"), vectorSecret("subject"), vectorSecret("material"), vectorSecret("material ID")
		for _, v := range []subjectVector{
			{Name: "key of one region", Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Pair: "subject", Value: "alice"},
			{Name: "multi-region key", Region: region, ID: "mrk-1234abcd12ab34cd56ef1234567890ab", Pair: "subject", Value: "alice"},
			{Name: "multi-region key elsewhere", Region: "eu-west-1", ID: "mrk-1234abcd12ab34cd56ef1234567890ab", Pair: "subject", Value: "alice"},
			{Name: "fields shifted", Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Pair: "subjecta", Value: "lice"},
			{Name: "long value", Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Pair: "é", Value: string(bytes.Repeat([]byte("x"), 300))},
		} {
			v.StoreKey, v.Account, v.Secret, v.Material, v.Of = storeKey[:], account, secret[:], material[:], of[:]
			id, mixed := v.compute()
			v.Subject, v.Mixed = id[:], mixed[:]
			out = append(out, v)
		}
		return out
	})
	for _, v := range tests {
		if id, mixed := v.compute(); !bytes.Equal(id[:], v.Subject) || !bytes.Equal(mixed[:], v.Mixed) {
			t.Errorf("%s: subject %x, secret %x; want %x, %x", v.Name, id[:], mixed[:], []byte(v.Subject), []byte(v.Mixed))
		}
	}
}

// An importVector is the ID of imported material.
type importVector struct {
	Name       string   `json:"name"`
	StoreKey   hexBytes `json:"storeKey"`
	Account    string   `json:"account"`
	Region     string   `json:"region"`
	ID         string   `json:"id"`
	Material   hexBytes `json:"material"`
	MaterialID hexBytes `json:"materialId"`
}

func (v *importVector) compute() MaterialID {
	storeKey := Secret(v.StoreKey)
	k := &Keys{importIDs: derive(&storeKey, nil, labelPurpose+"import-id/v1")}
	return k.ImportedID(Ref{v.Account, v.Region, v.ID}, v.Material)
}

func TestImportVectors(t *testing.T) {
	tests := vectors(t, "import.json", func() (out []importVector) {
		storeKey, material := vectorSecret("store key"), vectorSecret("material")
		for _, v := range []importVector{
			{Name: "symmetric material", Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Material: material[:]},
			{Name: "the same for another key", Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ac", Material: material[:]},
			{Name: "multi-region key", Region: region, ID: "mrk-1234abcd12ab34cd56ef1234567890ab", Material: material[:]},
			{Name: "multi-region key elsewhere", Region: "eu-west-1", ID: "mrk-1234abcd12ab34cd56ef1234567890ab", Material: material[:]},
			{Name: "material of 64 bytes", Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Material: append(bytes.Clone(material[:]), storeKey[:]...)},
		} {
			v.StoreKey, v.Account = storeKey[:], account
			id := v.compute()
			v.MaterialID = id[:]
			out = append(out, v)
		}
		return out
	})
	for _, v := range tests {
		if id := v.compute(); !bytes.Equal(id[:], v.MaterialID) {
			t.Errorf("%s: %x; want %x", v.Name, id[:], []byte(v.MaterialID))
		}
	}
}
