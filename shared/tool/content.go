package tool

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// ContentType says what a block of content is.
type ContentType string

// The types, by the names of MCP.
const (
	TextContent  ContentType = "text"
	ImageContent ContentType = "image"
	AudioContent ContentType = "audio"
	LinkContent  ContentType = "resource_link" // to something that the reader may fetch
	ResourceText ContentType = "resource"      // something that is part of the result, with an address of its own
)

// Bounds of what a result, or a message of a prompt, may show.
const (
	MaxContents     = 32
	MaxContentBytes = 2 << 20 // of all blocks of a result together
	maxContentURI   = 2048
	maxContentName  = 256
)

// Content is a block of what a tool shows to people and models besides its data.
//
//	Content{Type: TextContent, Text: "3 hosts are up"}
//	Content{Type: ImageContent, MIMEType: "image/png", Data: png}
//	Content{Type: LinkContent, URI: "https://wiki.lab.internal/dns", Name: "dns"}
//	Content{Type: ResourceText, URI: "report:latest", MIMEType: "text/plain", Text: "..."}
type Content struct {
	Type     ContentType
	Text     string // of text; of a resource that is text
	Data     []byte // of an image, a sound, or a resource that is not text
	MIMEType string // of Data, and of a resource
	URI      string // of a link or a resource, absolute
	Name     string // of a link
	Title    string // of a link, for people
	About    string // of a link: a description
}

// Validate says what is wrong with a block.
func (c Content) Validate() error {
	if c.MIMEType != "" && !mimeRE.MatchString(c.MIMEType) {
		return fmt.Errorf("%s content has the MIME type %.80q, which is none; one is such as image/png", c.Type, c.MIMEType)
	}
	switch c.Type {
	case TextContent:
		return nil
	case ImageContent, AudioContent:
		return c.validMedia()
	case LinkContent:
		if c.Name == "" || len(c.Name) > maxContentName {
			return fmt.Errorf("a resource link has a name of %d bytes; allowed are 1 to %d", len(c.Name), maxContentName)
		}
		return validURI(c.URI)
	case ResourceText:
		return validURI(c.URI)
	}
	return fmt.Errorf("content has the type %q; allowed are text, image, audio, resource_link and resource", c.Type)
}

var mimeRE = regexp.MustCompile(`\A[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}(?:; ?[ -~]{1,128})?\z`)

// validMedia says what is wrong with an image or a sound.
func (c Content) validMedia() error {
	if kind, _, _ := strings.Cut(c.MIMEType, "/"); kind != string(c.Type) {
		return fmt.Errorf("%s content has the MIME type %q; it must begin with %s/", c.Type, c.MIMEType, c.Type)
	}
	if len(c.Data) == 0 {
		return fmt.Errorf("%s content without data", c.Type)
	}
	return nil
}

// size is what the block costs whoever keeps it, in bytes.
func (c Content) size() int {
	return len(c.Text) + len(c.Data) + len(c.MIMEType) + len(c.URI) + len(c.Name) + len(c.Title) + len(c.About)
}

// validContents holds the blocks of a result to their bounds.
func validContents(blocks []Content) error {
	if len(blocks) > MaxContents {
		return fmt.Errorf("%d blocks of content; allowed are %d", len(blocks), MaxContents)
	}
	size := 0
	for i, c := range blocks {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("block %d of the content: %w", i, err)
		}
		size += c.size()
	}
	if size > MaxContentBytes {
		return fmt.Errorf("%d bytes of content; allowed are %d", size, MaxContentBytes)
	}
	return nil
}

// notForTools are schemes that lead a reader's client into its own machine, or speak for the host.
var notForTools = map[string]bool{
	"file": true, "javascript": true, "data": true, "vbscript": true, "execution": true, "gatehouse": true,
}

func validURI(text string) error {
	if len(text) > maxContentURI {
		return fmt.Errorf("a URI has %d bytes; allowed are %d", len(text), maxContentURI)
	}
	u, err := url.Parse(text)
	switch {
	case strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return fmt.Errorf("the URI %q has characters that must be percent-encoded", text)
	case err != nil || !u.IsAbs():
		return fmt.Errorf("the URI %q is not absolute", text)
	case notForTools[strings.ToLower(u.Scheme)]:
		return fmt.Errorf("the URI %q has a scheme that a tool may not name", text)
	}
	return nil
}

// MarshalJSON writes the block as MCP has it; texts are cleaned as those of [Untrusted] are.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/server/tools#tool-result
func (c Content) MarshalJSON() ([]byte, error) {
	switch c.Type {
	case ImageContent, AudioContent:
		return json.Marshal(struct {
			Type ContentType `json:"type"`
			Data []byte      `json:"data"`
			MIME string      `json:"mimeType"`
		}{c.Type, c.Data, c.MIMEType})
	case LinkContent:
		return json.Marshal(struct {
			Type  ContentType `json:"type"`
			URI   string      `json:"uri"`
			Name  Untrusted   `json:"name"`
			Title Untrusted   `json:"title,omitempty"`
			About Untrusted   `json:"description,omitempty"`
			MIME  string      `json:"mimeType,omitempty"`
		}{c.Type, c.URI, Untrusted(c.Name), Untrusted(c.Title), Untrusted(c.About), c.MIMEType})
	case ResourceText:
		return json.Marshal(struct {
			Type     ContentType     `json:"type"`
			Resource contentResource `json:"resource"`
		}{c.Type, contentResource{URI: c.URI, MIME: c.MIMEType, Text: c.inlineText(), Blob: c.Data}})
	default:
		return json.Marshal(struct {
			Type ContentType `json:"type"`
			Text Untrusted   `json:"text"`
		}{TextContent, Untrusted(c.Text)})
	}
}

// UnmarshalJSON reads what MarshalJSON writes. It does not validate.
func (c *Content) UnmarshalJSON(raw []byte) error {
	var in struct {
		contentResource
		Type     ContentType
		Data     []byte
		Name     string
		Title    string
		About    string `json:"description"`
		Resource *contentResource
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	part, data := in.contentResource, in.Data
	if in.Resource != nil {
		part, data = *in.Resource, in.Resource.Blob
	}
	*c = Content{Type: in.Type, Data: data, MIMEType: part.MIME, URI: part.URI, Name: in.Name, Title: in.Title,
		About: in.About}
	if part.Text != nil {
		c.Text = string(*part.Text)
	}
	return nil
}

type contentResource struct {
	URI  string     `json:"uri"`
	MIME string     `json:"mimeType,omitempty"`
	Text *Untrusted `json:"text,omitempty"`
	Blob []byte     `json:"blob,omitempty"`
}

// inlineText is the text of a resource that is text; nil: it is not.
func (c Content) inlineText() *Untrusted {
	if len(c.Data) > 0 {
		return nil
	}
	text := Untrusted(c.Text)
	return &text
}
