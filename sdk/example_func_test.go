package sdk_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// greetIn is the input of the examples' tool.
type greetIn struct {
	Name string `json:"name" jsonschema:"who is greeted"`
}

type greetOut struct {
	Text string `json:"text"`
}

// greeter is a plugin with one tool, which is fn.
func greeter(fn func(context.Context, *sdk.Call, greetIn) (greetOut, error)) sdk.Plugin {
	return sdk.Plugin{Name: "greeter", Version: "1.0.0", Tools: []sdk.Tool{sdk.Func(sdk.Definition{
		Name: "GreetTool", Description: "Greets somebody.",
	}, fn)}}
}

// greet calls the tool of the examples as a host would, with a target on loopback, and prints its data.
func greet(fn func(context.Context, *sdk.Call) error) {
	h, err := sdk.NewHandler(greeter(func(ctx context.Context, c *sdk.Call, in greetIn) (greetOut, error) {
		return greetOut{Text: "hello " + in.Name}, fn(ctx, c)
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	r := sdk.Request{
		ID: "01890000-0000-7000-8000-000000000001", Client: "stdio", Tool: "GreetTool",
		Arguments: []byte(`{"name": "Ada"}`), MaxStdout: 1000, MaxStderr: 1000,
		Targets: []sdk.Target{{Argument: "target", Label: "db.lab.internal", Prefix: netip.MustParsePrefix("127.0.0.1/32")}},
	}
	res, err := h.Call(context.Background(), r, printEvent)
	if err != nil {
		fmt.Println(sdk.KindOf(err), "-", err)
		return
	}
	fmt.Println(string(res.Data))
}

func printEvent(ev sdk.Event) {
	switch {
	case ev.Output != nil:
		fmt.Printf("%s", ev.Output.Data)
	case ev.Progress != nil:
		fmt.Printf("%s: %.0f%%\n", ev.Progress.Task, ev.Progress.Percent)
	case ev.Log != nil:
		fmt.Printf("%s: %s\n", ev.Log.Level, ev.Log.Message)
	}
}

func ExampleFunc() {
	tool := sdk.Func(sdk.Definition{Name: "GreetTool", Description: "Greets somebody."},
		func(_ context.Context, _ *sdk.Call, in greetIn) (greetOut, error) {
			return greetOut{Text: "hello " + in.Name}, nil
		})
	h, err := sdk.NewHandler(sdk.Plugin{Name: "greeter", Version: "1.0.0", Tools: []sdk.Tool{tool}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	res, err := h.Call(context.Background(), sdk.Request{Tool: "GreetTool", Arguments: []byte(`{"name": "Ada"}`)}, nil)
	fmt.Println(string(res.Data), err)
	_, err = h.Call(context.Background(), sdk.Request{Tool: "GreetTool", Arguments: []byte(`{"nmae": "Ada"}`)}, nil)
	fmt.Println(err)
	// Output:
	// {"text":"hello Ada"} <nil>
	// argument name is missing
}

func ExampleMain() {
	os.Args = []string{"greeter", "--version"} // as a person would type it; a host needs no arguments
	code := sdk.Main(greeter(func(context.Context, *sdk.Call, greetIn) (greetOut, error) { return greetOut{}, nil }))
	fmt.Println(code)
	// Output:
	// greeter 1.0.0
	// 0
}

func ExampleNewHandler() {
	_, err := sdk.NewHandler(sdk.Plugin{Name: "greeter", Version: "1.0.0", Tools: []sdk.Tool{
		sdk.Func(sdk.Definition{Name: "Greet Tool", Description: "Its name has a blank."},
			func(context.Context, *sdk.Call, greetIn) (greetOut, error) { return greetOut{}, nil }),
	}})
	fmt.Println(err != nil)
	// Output:
	// true
}

func ExampleHandler_Plan() {
	h, err := sdk.NewHandler(greeter(func(context.Context, *sdk.Call, greetIn) (greetOut, error) { return greetOut{}, nil }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	for _, args := range []string{`{"name": "Ada"}`, `{"name": 7}`} {
		plan, _ := h.Plan(context.Background(), sdk.Request{Tool: "GreetTool", Arguments: []byte(args)})
		fmt.Println(plan.Verdict)
	}
	// Output:
	// accept
	// reject
}

func ExampleCall() {
	greet(func(_ context.Context, c *sdk.Call) error {
		target, _ := c.Target("target")
		fmt.Fprintf(c.Stdout(), "%s asks for %s, which is %s\n", c.Client(), target.Label, target.Literal())
		return nil
	})
	// Output:
	// stdio asks for db.lab.internal, which is 127.0.0.1
	// {"text":"hello Ada"}
}

func ExampleCall_Progress() {
	greet(func(_ context.Context, c *sdk.Call) error {
		c.Progress(sdk.Progress{Task: "greeting", Percent: 50, Done: 1, Total: 2})
		return nil
	})
	// Output:
	// greeting: 50%
	// {"text":"hello Ada"}
}

func ExampleCall_Logf() {
	greet(func(_ context.Context, c *sdk.Call) error {
		c.Logf(sdk.LogWarning, "%d of them did not answer", 2)
		return nil
	})
	// Output:
	// warning: 2 of them did not answer
	// {"text":"hello Ada"}
}

// A client of HTTP that connects to what the call may, and follows a redirect only there.
func ExampleCall_DialContext() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "pong\n")
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	greet(func(ctx context.Context, c *sdk.Call) error {
		client := http.Client{Transport: &http.Transport{DialContext: c.DialContext, DisableKeepAlives: true}}
		for _, path := range []string{"/ping", "/"} {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://db.lab.internal:"+port+path, nil)
			if err != nil {
				return err
			}
			res, err := client.Do(req)
			if err != nil {
				return err
			}
			_, _ = io.Copy(c.Stdout(), res.Body)
			_ = res.Body.Close()
		}
		return nil
	})
	// Output:
	// pong
	// out_of_scope - 192.0.2.1 is outside of the allowed networks
}

func ExampleCall_Pin() {
	greet(func(ctx context.Context, c *sdk.Call) error {
		next, err := c.Pin(ctx, "10.0.3.7") // a redirect leads there
		if err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout(), "on to", next.Literal())
		_, err = c.Pin(ctx, "example.com")
		return err
	})
	// Output:
	// on to 10.0.3.7
	// out_of_scope - the name example.com is not below an allowed suffix
}

func ExampleCall_Deadline() {
	greet(func(ctx context.Context, c *sdk.Call) error {
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond) // one step of many
		defer cancel()
		<-ctx.Done()
		_, bounded := c.Deadline()
		fmt.Fprintln(c.Stdout(), "the step is over; the call is bounded:", bounded)
		return nil
	})
	// Output:
	// the step is over; the call is bounded: false
	// {"text":"hello Ada"}
}
