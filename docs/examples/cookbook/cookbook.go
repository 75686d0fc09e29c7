// Package cookbook has the recipes of docs/authors/cookbook.md: small tools, each of which shows one thing. They are
// compiled and run by their tests; take what you need.
package cookbook
