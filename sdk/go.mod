module github.com/gatehouse-mcp/gatehouse/sdk

go 1.26.0

require github.com/gatehouse-mcp/gatehouse/shared v0.0.0

require github.com/google/jsonschema-go v0.4.3 // indirect

replace github.com/gatehouse-mcp/gatehouse/shared => ../shared
