package s3

import (
	"testing"

	"coffer/internal/awserr"
)

// What KMS answers reaches clients of S3 in the words of S3: above all, a throttled
// call is one that every client sends again.
//
// Source: recorded answers of Amazon S3.
func TestErrorsOfKMS(t *testing.T) {
	for _, tt := range []struct {
		status     int
		code, text string
		want       string
		wantStatus int
	}{
		{400, "ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
			"SlowDown: Please reduce your request rate for operations involving AWS KMS.", 503},
		{400, "DisabledException", "arn is disabled.", "KMS.DisabledException: arn is disabled.", 400},
		{400, "AccessDeniedException", "no", "AccessDenied: no", 403},
		{500, "KMSInternalException", "no", "ServiceUnavailable: KMS can't answer now. Please try again.", 503},
	} {
		e := awserr.As(kmsError(awserr.New(tt.status, tt.code, "%s", tt.text)))
		if e.Error() != tt.want || e.Status != tt.wantStatus {
			t.Errorf("%s = %d %s; want %d %s", tt.code, e.Status, e, tt.wantStatus, tt.want)
		}
	}
}
