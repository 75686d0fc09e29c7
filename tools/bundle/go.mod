module github.com/gatehouse-mcp/gatehouse/tools/bundle

go 1.26.0
