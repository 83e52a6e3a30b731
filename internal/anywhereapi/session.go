package anywhereapi

import (
	"net/url"

	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/rolesanywhere"
)

// sessionPath is where CreateSession is served.
const sessionPath = "/sessions"

// decodeSession reads a CreateSession, whose ARNs may stand in the query or in the
// body, and not in both.
func decodeSession(query url.Values, body []byte) (*rolesanywhere.CreateSessionInput, error) {
	in := new(rolesanywhere.CreateSessionInput)
	if err := awsjson.Unmarshal(body, in); err != nil {
		return nil, err
	}
	for name, field := range map[string]*string{"profileArn": &in.ProfileARN, "roleArn": &in.RoleARN, "trustAnchorArn": &in.TrustAnchorARN, "cert": &in.Cert} {
		v, err := one(query, name)
		if err != nil {
			return nil, err
		}
		if v != "" && *field != "" && v != *field {
			return nil, awserr.New(400, "ValidationException", "%s stands in the query and in the body.", name)
		}
		if v != "" {
			*field = v
		}
	}
	return in, nil
}

// The answer of CreateSession, as the User Guide shows it.
type (
	sessionAnswer struct {
		CredentialSet []credentialResponse `json:"credentialSet"`
		SubjectARN    string               `json:"subjectArn"`
	}
	credentialResponse struct {
		AssumedRoleUser  assumedRoleUser `json:"assumedRoleUser"`
		Credentials      credentials     `json:"credentials"`
		PackedPolicySize int32           `json:"packedPolicySize"`
		RoleARN          string          `json:"roleArn"`
		SourceIdentity   string          `json:"sourceIdentity"`
	}
	assumedRoleUser struct {
		ARN           string `json:"arn"`
		AssumedRoleID string `json:"assumedRoleId"`
	}
	credentials struct {
		AccessKeyID     string `json:"accessKeyId"`
		Expiration      string `json:"expiration"`
		SecretAccessKey string `json:"secretAccessKey"`
		SessionToken    string `json:"sessionToken"`
	}
)

// encodeSession is the one place where the secret of a session leaves.
func encodeSession(out *rolesanywhere.CreateSessionOutput) []byte {
	return awsjson.Marshal(sessionAnswer{
		CredentialSet: []credentialResponse{{
			AssumedRoleUser: assumedRoleUser{out.Session.ARN, out.Session.RoleID + ":" + out.Session.Name},
			Credentials: credentials{
				out.Credentials.AccessKeyID, out.Credentials.Expiration.UTC().Format("2006-01-02T15:04:05Z"),
				out.Credentials.SecretAccessKey.Reveal(), out.Credentials.SessionToken.Reveal(),
			},
			RoleARN: out.RoleARN, SourceIdentity: out.Session.SourceIdentity,
		}},
		SubjectARN: out.SubjectARN,
	})
}
