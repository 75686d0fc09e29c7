package wire

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func manifestToPB(m tool.Manifest) *toolpb.DescribeResponse {
	pb := &toolpb.DescribeResponse{Name: text(m.Name), Version: text(m.Version)}
	for _, s := range m.Tools {
		pb.Tools = append(pb.Tools, specToPB(s))
	}
	for _, l := range boundedLayers(m.Layers) {
		pb.Layers = append(pb.Layers, &toolpb.Layer{Name: l.Name, Active: l.Active, Detail: l.Detail})
	}
	for _, p := range m.Prompts {
		pb.Prompts = append(pb.Prompts, promptToPB(p))
	}
	return pb
}

func manifestFromPB(pb *toolpb.DescribeResponse) tool.Manifest {
	m := tool.Manifest{Name: pb.GetName(), Version: pb.GetVersion()}
	for _, t := range pb.GetTools() {
		m.Tools = append(m.Tools, specFromPB(t))
	}
	for _, l := range pb.GetLayers() {
		m.Layers = append(m.Layers, tool.Layer{Name: l.GetName(), Active: l.GetActive(), Detail: l.GetDetail()})
	}
	m.Layers = boundedLayers(m.Layers)
	for _, p := range pb.GetPrompts() {
		m.Prompts = append(m.Prompts, promptFromPB(p))
	}
	return m
}

// maxLayers is how many layers of a sandbox are told of.
const maxLayers = 64

// boundedLayers repairs and bounds what a plugin says of its sandbox.
func boundedLayers(list []tool.Layer) []tool.Layer {
	var out []tool.Layer
	for _, l := range list[:min(len(list), maxLayers)] {
		out = append(out, tool.Layer{
			Name: cut(text(l.Name), tool.MaxNameLength), Active: l.Active, Detail: cut(text(l.Detail), tool.MaxHealthText),
		})
	}
	return out
}

func specToPB(s tool.Spec) *toolpb.Tool {
	pb := &toolpb.Tool{
		Name: text(s.Name), Title: text(s.Title), Description: text(s.Description),
		InputSchema: s.InputSchema, OutputSchema: s.OutputSchema,
		Annotations: &toolpb.Annotations{
			ReadOnly: s.Annotations.ReadOnly, Destructive: s.Annotations.Destructive,
			Idempotent: s.Annotations.Idempotent, OpenWorld: s.Annotations.OpenWorld,
		},
		Concurrency:    int32(s.Concurrency),
		DefaultTimeout: durationToPB(s.DefaultTimeout), MaxTimeout: durationToPB(s.MaxTimeout),
		BreakerThreshold: int32(s.Breaker.Threshold), BreakerRecovery: durationToPB(s.Breaker.Recovery),
		Hidden: s.Hidden, Intrusive: s.Intrusive,
		Facts: &toolpb.Facts{
			Command: text(s.Facts.Command), AllowedFlags: texts(s.Facts.AllowedFlags),
			GatedFlags: texts(s.Facts.GatedFlags), Templates: s.Facts.Templates, Details: s.Facts.Details,
		},
	}
	for _, t := range s.Targets {
		pb.Targets = append(pb.Targets, &toolpb.TargetArgument{Argument: text(t.Argument), Network: t.Network})
	}
	for _, n := range s.Needs {
		pb.Needs = append(pb.Needs, &toolpb.Need{
			Kind: string(n.Kind), Name: n.Name, MinVersion: n.MinVersion, Install: n.Install, Optional: n.Optional,
		})
	}
	return pb
}

func specFromPB(pb *toolpb.Tool) tool.Spec {
	a, f := pb.GetAnnotations(), pb.GetFacts()
	s := tool.Spec{
		Name: pb.GetName(), Title: pb.GetTitle(), Description: pb.GetDescription(),
		InputSchema: pb.GetInputSchema(), OutputSchema: pb.GetOutputSchema(),
		Annotations: tool.Annotations{
			ReadOnly: a.GetReadOnly(), Destructive: a.GetDestructive(),
			Idempotent: a.GetIdempotent(), OpenWorld: a.GetOpenWorld(),
		},
		Concurrency:    int(pb.GetConcurrency()),
		DefaultTimeout: pb.GetDefaultTimeout().AsDuration(), MaxTimeout: pb.GetMaxTimeout().AsDuration(),
		Breaker: tool.Breaker{
			Threshold: int(pb.GetBreakerThreshold()), Recovery: pb.GetBreakerRecovery().AsDuration(),
		},
		Hidden: pb.GetHidden(), Intrusive: pb.GetIntrusive(),
		Facts: tool.Facts{
			Command: f.GetCommand(), AllowedFlags: f.GetAllowedFlags(),
			GatedFlags: f.GetGatedFlags(), Templates: f.GetTemplates(), Details: f.GetDetails(),
		},
	}
	for _, t := range pb.GetTargets() {
		s.Targets = append(s.Targets, tool.TargetArgument{Argument: t.GetArgument(), Network: t.GetNetwork()})
	}
	for _, n := range pb.GetNeeds() {
		s.Needs = append(s.Needs, tool.Need{
			Kind: tool.NeedKind(n.GetKind()), Name: n.GetName(), MinVersion: n.GetMinVersion(),
			Install: n.GetInstall(), Optional: n.GetOptional(),
		})
	}
	return s
}

func policyToPB(p tool.Policy) *toolpb.ConfigureRequest {
	pb := &toolpb.ConfigureRequest{
		AllowIntrusive: p.AllowIntrusive, Suffixes: p.Suffixes, MaxNetworkSize: int32(p.MaxNetworkSize),
		MaxPortRanges: int32(p.MaxPortRanges), MaxArgsLength: int32(p.MaxArgsLength),
		MaxMemory: p.MaxMemory, MaxOpenFiles: p.MaxOpenFiles, Config: p.Config,
		RunAs: p.RunAs, Require: p.Require,
	}
	for _, n := range p.Networks {
		pb.Networks = append(pb.Networks, n.String())
	}
	for _, name := range slices.Sorted(maps.Keys(p.Hosts)) {
		host := &toolpb.Host{Name: name}
		for _, a := range p.Hosts[name] {
			host.Addresses = append(host.Addresses, a.String())
		}
		pb.Hosts = append(pb.Hosts, host)
	}
	return pb
}

func policyFromPB(pb *toolpb.ConfigureRequest) (tool.Policy, error) {
	p := tool.Policy{
		AllowIntrusive: pb.GetAllowIntrusive(), Suffixes: pb.GetSuffixes(),
		MaxNetworkSize: int(pb.GetMaxNetworkSize()),
		MaxPortRanges:  int(pb.GetMaxPortRanges()), MaxArgsLength: int(pb.GetMaxArgsLength()),
		MaxMemory: pb.GetMaxMemory(), MaxOpenFiles: pb.GetMaxOpenFiles(), Config: pb.GetConfig(),
		RunAs: pb.GetRunAs(), Require: pb.GetRequire(),
	}
	for _, n := range pb.GetNetworks() {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return tool.Policy{}, tool.Errorf(tool.KindValidation, "policy: network %q: %w", n, err)
		}
		p.Networks = append(p.Networks, prefix)
	}
	var err error
	p.Hosts, err = hostsFromPB(pb.GetHosts())
	return p, err
}

func hostsFromPB(all []*toolpb.Host) (map[string][]netip.Addr, error) {
	if len(all) == 0 {
		return nil, nil
	}
	hosts := make(map[string][]netip.Addr, len(all))
	for _, h := range all {
		for _, text := range h.GetAddresses() {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, tool.Errorf(tool.KindValidation, "policy: host %q: %w", h.GetName(), err)
			}
			hosts[h.GetName()] = append(hosts[h.GetName()], a)
		}
	}
	return hosts, nil
}

func requestToPB(r tool.Request) *toolpb.CallRequest {
	pb := &toolpb.CallRequest{
		Id: r.ID, Tool: r.Tool, Arguments: r.Arguments, MaxStdout: r.MaxStdout, MaxStderr: r.MaxStderr,
		Client: text(r.Client), CorrelationId: text(r.CorrelationID),
	}
	if !r.Deadline.IsZero() {
		pb.Timeout = durationpb.New(max(time.Until(r.Deadline), 0))
	}
	for _, t := range r.Targets {
		pb.Targets = append(pb.Targets, &toolpb.Target{
			Argument: text(t.Argument), Label: text(t.Label), Prefix: t.Prefix.String(),
		})
	}
	answersToPB(r, pb)
	return pb
}

func requestFromPB(pb *toolpb.CallRequest, now time.Time) (tool.Request, error) {
	r := tool.Request{
		ID: pb.GetId(), Tool: pb.GetTool(), Arguments: pb.GetArguments(),
		MaxStdout: pb.GetMaxStdout(), MaxStderr: pb.GetMaxStderr(),
		Client: pb.GetClient(), CorrelationID: pb.GetCorrelationId(),
	}
	answersFromPB(pb, &r)
	if pb.GetTimeout() != nil {
		r.Deadline = now.Add(pb.GetTimeout().AsDuration())
	}
	for _, t := range pb.GetTargets() {
		prefix, err := netip.ParsePrefix(t.GetPrefix())
		if err != nil {
			return r, tool.Errorf(tool.KindValidation, "read target %s: %w", t.GetLabel(), err)
		}
		r.Targets = append(r.Targets, tool.Target{Argument: t.GetArgument(), Label: t.GetLabel(), Prefix: prefix})
	}
	return r, nil
}

func planToPB(p tool.Plan) *toolpb.PlanResponse {
	pb := &toolpb.PlanResponse{
		Verdict: string(p.Verdict), Rule: text(p.Rule), Program: text(p.Program), Argv: texts(p.Argv),
		Notes: texts(p.Notes),
	}
	for _, t := range p.Tokens {
		pb.Tokens = append(pb.Tokens, &toolpb.Token{
			Text: text(t.Text), Verdict: string(t.Verdict), Why: text(t.Why),
		})
	}
	if p.Error != nil {
		pb.Error = errorToPB(p.Error)
	}
	return pb
}

func planFromPB(pb *toolpb.PlanResponse, targets []tool.Target) tool.Plan {
	p := tool.Plan{
		Verdict: tool.Verdict(pb.GetVerdict()), Rule: pb.GetRule(), Program: pb.GetProgram(), Argv: pb.GetArgv(),
		Notes: pb.GetNotes(), Targets: targets,
	}
	for _, t := range pb.GetTokens() {
		p.Tokens = append(p.Tokens, tool.Token{
			Text: t.GetText(), Verdict: tool.Verdict(t.GetVerdict()), Why: t.GetWhy(),
		})
	}
	if pb.GetError() != nil {
		p.Error = errorFromPB(pb.GetError())
	}
	return p
}

func outputToPB(s tool.Stream, data []byte) *toolpb.CallResponse {
	stream := toolpb.Output_STREAM_STDOUT
	if s == tool.Stderr {
		stream = toolpb.Output_STREAM_STDERR
	}
	return &toolpb.CallResponse{Kind: &toolpb.CallResponse_Output{
		Output: &toolpb.Output{Stream: stream, Data: data},
	}}
}

func resultToPB(r tool.Result, err error) *toolpb.CallResponse {
	pb := &toolpb.Result{
		Returncode: int32(r.ReturnCode), TimedOut: r.TimedOut,
		TruncatedStdout: r.TruncatedStdout, TruncatedStderr: r.TruncatedStderr,
		Data: r.Data, Metadata: metadataToPB(r.Metadata),
	}
	shownToPB(r, pb)
	if err != nil {
		pb.Error = errorToPB(tool.AsError(err))
	}
	return &toolpb.CallResponse{Kind: &toolpb.CallResponse_Result{Result: pb}}
}

func durationToPB(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
