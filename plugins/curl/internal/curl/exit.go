package curl

import (
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// failures are the exit codes of curl that say something about the machine that was asked.
var failures = map[int]string{
	1:  "the answer is no HTTP of a version that is spoken",
	6:  "the name was not resolved",
	7:  "no connection: nobody listens on this port, or something in between refuses it",
	8:  "the answer is not as HTTP wants it",
	16: "an error of HTTP/2",
	18: "the body was cut short: less came than was announced",
	27: "a line of the headers is too long, or curl had no memory left",
	28: "no time left: the server did not answer, or not to the end, in time",
	33: "the server cannot send a part of a body",
	35: "the TLS handshake failed: the service does not speak TLS, or nothing that both sides know",
	52: "the server closed the connection without an answer",
	55: "the request could not be sent: the connection broke",
	56: "the answer could not be received: the connection broke, or the headers are too large",
	58: "the certificate of the client's is not good",
	59: "no cipher of TLS that both sides know",
	60: "the server's certificate is not trusted, or for another name",
	61: "the body is encoded in a way that nobody asked for",
	63: "the body is larger than max_bytes: it was not fetched",
	80: "TLS could not be shut down",
	91: "the proof that the certificate is not revoked is missing or bad",
	92: "the stream of HTTP/2 was not closed in a clean way",
	98: "the server wants a certificate of the client's",
}

func failure(f facts) string {
	if why, ok := failures[f.ExitCode]; ok {
		return why
	}
	return fmt.Sprintf("curl ended with %d", f.ExitCode)
}

// broken is the error of a curl that could not do its work, for reasons on this side; nil otherwise.
func broken(f facts) error {
	switch f.ExitCode {
	case 2, 3, 4, 23, 26, 41, 43, 48, 77:
		return sdk.Errorf(sdk.KindExecution, "curl could not do its work, and ended with %d: %s", f.ExitCode,
			sdk.Untrusted(clip(f.Error)).Clean()).
			Suggest("let the operator see whether curl works on the host's machine: curl --version")
	}
	return nil
}
