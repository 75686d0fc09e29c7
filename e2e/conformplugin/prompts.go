package main

import "github.com/gatehouse-mcp/gatehouse/sdk"

func prompts() []sdk.Prompt {
	return []sdk.Prompt{
		{
			Name: "test_simple_prompt", Description: "A prompt without arguments.",
			Messages: says(text("This is a simple prompt for testing.")),
		},
		{
			Name: "test_prompt_with_arguments", Description: "A prompt with two arguments.",
			Arguments: []sdk.PromptArgument{
				{Name: "arg1", Description: "First test argument", Required: true, Values: []string{"paris", "park", "test"}},
				{Name: "arg2", Description: "Second test argument", Required: true},
			},
			Messages: says(text("Prompt with arguments: arg1='{{arg1}}', arg2='{{arg2}}'")),
		},
		{
			Name: "test_prompt_with_embedded_resource", Description: "A prompt with a resource in it.",
			Arguments: []sdk.PromptArgument{
				{Name: "resourceUri", Description: "URI of the resource to embed", Required: true},
			},
			Messages: says(
				resource("conformance:{{resourceUri}}", "text/plain", "Embedded resource content for testing."),
				text("Please process the embedded resource above.")),
		},
		{
			Name: "test_prompt_with_image", Description: "A prompt with an image in it.",
			Messages: says(image(), text("Please analyze the image above.")),
		},
	}
}

func says(blocks ...sdk.Content) []sdk.PromptMessage {
	messages := make([]sdk.PromptMessage, 0, len(blocks))
	for _, b := range blocks {
		messages = append(messages, sdk.PromptMessage{Role: "user", Content: b})
	}
	return messages
}
