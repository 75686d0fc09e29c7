package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// client keeps a connection for every worker.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * workers}}

// exchange sends one request and reads the whole answer.
func exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func get(ctx context.Context, url, token string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, body, err := exchange(req)
	if err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, body, nil
}

// post sends JSON. An answer that is not 200 is an error that shows it.
func post(ctx context.Context, url string, header http.Header, body string) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = header
	resp, answer, err := exchange(req)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, fmt.Errorf("POST %s: %s: %s", url, resp.Status, shorten(answer))
	}
	return resp.Header, answer, nil
}

// execute runs a tool over REST.
func (h *httpHost) execute(ctx context.Context, tool, arguments string) ([]byte, error) {
	_, body, err := post(ctx, h.url+"/tools/"+tool+"/execute", http.Header{
		"Authorization": {"Bearer " + h.token}, "Content-Type": {"application/json"},
	}, arguments)
	return body, err
}

// noop calls the tool that does nothing.
func (h *httpHost) noop(ctx context.Context, text string) error {
	body, err := h.execute(ctx, "NoopTool", `{"text":"`+text+`"}`)
	if err != nil {
		return err
	}
	return expect(body, noopData(text), `"error":null`)
}

// runTrue calls the tool that runs true(1) in the sandbox.
func (h *httpHost) runTrue(ctx context.Context, _ string) error {
	body, err := h.execute(ctx, "TrueTool", `{}`)
	if err != nil {
		return err
	}
	return expect(body, `"returncode":0`, `"error":null`)
}

// noopData is what every no-op answers, on either side.
func noopData(text string) string { return `"ok":true,"text":"` + text + `"` }

// expect looks for what must stand in an answer. It does not take the answer apart: that would be work of
// the bench, the same on both sides, which brings every ratio nearer to 1.
func expect(answer []byte, parts ...string) error {
	for _, p := range parts {
		if !bytes.Contains(answer, []byte(p)) {
			return fmt.Errorf("wrong answer: no %s in %s", p, shorten(answer))
		}
	}
	return nil
}

func shorten(answer []byte) []byte { return answer[:min(len(answer), 600)] }
