package cookbook

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

type titleInput struct {
	Target string `json:"target" jsonschema:"host whose start page to read"`
}

type titleOutput struct {
	Status int           `json:"status" jsonschema:"HTTP status"`
	Server sdk.Untrusted `json:"server,omitempty" jsonschema:"what the server says it is"`
	Sent   int64         `json:"sent" jsonschema:"bytes of the body, at most 65536 are read"`

	Failure sdk.Untrusted `json:"failure,omitempty" jsonschema:"why there is no page"`
}

// HomepageTool asks a host for its start page.
var HomepageTool = sdk.Func(sdk.Definition{
	Name: "HomepageTool", Description: "Asks a host for its start page over HTTP.",
	Annotations: sdk.Annotations{ReadOnly: true, OpenWorld: true},
	Targets:     []sdk.TargetArgument{{Argument: "target"}},
}, homepage)

func homepage(ctx context.Context, c *sdk.Call, in titleInput) (titleOutput, error) {
	client := http.Client{
		// The dialer connects to what the host has pinned, and refuses all that is out of scope.
		Transport: &http.Transport{DialContext: c.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) == 5 {
				return http.ErrUseLastResponse
			}
			_, err := c.Pin(ctx, r.URL.Hostname()) // a redirect is followed inside of the scope
			return err
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+in.Target+"/", nil)
	if err != nil {
		return titleOutput{}, sdk.Errorf(sdk.KindValidation, "%w", err)
	}
	res, err := client.Do(req)
	if own := (*sdk.Error)(nil); errors.As(err, &own) {
		return titleOutput{}, own // the dialer's, or that of Pin
	}
	if err != nil { // a host that is down is an answer, and no fault of the tool's
		return titleOutput{Failure: sdk.Untrusted(err.Error())}, ctx.Err()
	}
	defer res.Body.Close()
	n, err := io.Copy(c.Stdout(), io.LimitReader(res.Body, 64<<10))
	return titleOutput{Status: res.StatusCode, Server: sdk.Untrusted(res.Header.Get("Server")), Sent: n}, err
}
