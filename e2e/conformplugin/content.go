package main

import (
	"context"
	"encoding/base64"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// redDot is a PNG of one red pixel.
var redDot = decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIA" +
	"X8jx0gAAAABJRU5ErkJggg==")

// silence is a WAV of no samples: 8 bits, mono, 8 kHz.
var silence = []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" +
	"\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00")

func decode(text string) []byte {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil { // of a constant
		panic(err)
	}
	return raw
}

func text(s string) sdk.Content { return sdk.Content{Type: sdk.TextContent, Text: s} }

func image() sdk.Content {
	return sdk.Content{Type: sdk.ImageContent, MIMEType: "image/png", Data: redDot}
}

func resource(uri, mime, s string) sdk.Content {
	return sdk.Content{Type: sdk.ResourceText, URI: uri, MIMEType: mime, Text: s}
}

// showing is a tool that only shows something.
func showing(name, description string, blocks ...sdk.Content) sdk.Tool {
	return sdk.Func(define(name, description), func(_ context.Context, c *sdk.Call, _ nothing) (nothing, error) {
		c.Show(blocks...)
		return nothing{}, nil
	})
}

// contentTools return blocks of every type, and an error.
func contentTools() []sdk.Tool {
	return []sdk.Tool{
		showing("test_simple_text", "Shows a text.", text("This is a simple text response for testing.")),
		showing("test_image_content", "Shows an image.", image()),
		showing("test_audio_content", "Shows a sound.",
			sdk.Content{Type: sdk.AudioContent, MIMEType: "audio/wav", Data: silence}),
		showing("test_embedded_resource", "Shows a resource.",
			resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
		showing("test_multiple_content_types", "Shows a text, an image and a resource.",
			text("Multiple content types test:"), image(),
			resource("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`)),
		sdk.Func(define("test_error_handling", "Fails, always."),
			func(context.Context, *sdk.Call, nothing) (nothing, error) {
				return nothing{}, sdk.Errorf(sdk.KindExecution, "This tool intentionally returns an error for testing").
					Suggest("expect nothing else of it")
			}),
	}
}
