module github.com/gatehouse-mcp/gatehouse/tools/release

go 1.26.0

require (
	github.com/CycloneDX/cyclonedx-go v0.12.0
	github.com/google/uuid v1.6.0
	golang.org/x/mod v0.42.0
)
