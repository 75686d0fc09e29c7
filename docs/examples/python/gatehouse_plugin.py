"""The layer between a tool in Python and a Gatehouse host. Copy it into your plugin.

A plugin is a gRPC server on a unix socket, started by the host. This module does the handshake,
the certificates, the lifeline and the messages; a tool is a coroutine:

    async def run(call):
        await call.write(f"looking at {call.target('target')}\\n")
        return {"found": True}

    main("lab", "1.0.0", Tool(run, name="LabTool", description="...", input_schema={...}))

It wants Debian's python3-grpcio, python3-protobuf, python3-cryptography and python3-jsonschema,
and plugin_pb2.py, which protoc makes of the published plugin.proto.
"""
import asyncio
import base64
import datetime
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
import grpc
import grpc.aio
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from gatehouse.plugin.v1 import plugin_pb2 as pb

COOKIE = "6f0f3c1e-gatehouse-tool-plugin"  # in GATEHOUSE_PLUGIN; no secret: says who started us
MAX_MESSAGE = 4 << 20  # bytes of one message, in either direction
CHUNK = 64 << 10  # bytes of output in one message
STDOUT, STDERR = pb.Output.STREAM_STDOUT, pb.Output.STREAM_STDERR

log = logging.getLogger("plugin")


class ToolError(Exception):
    """A failure that the caller is told of; kind is one of the contract's, as validation_error."""

    def __init__(self, kind, message, suggestion=""):
        super().__init__(message)
        self.kind, self.suggestion = kind, suggestion


class Tool:
    """One tool: a coroutine function, and the fields of pb.Tool that tell of it; schemas as dicts.

    run(call) returns the data: a dict that fits the output schema, or None. plan(call), if there
    is one, returns lines that say what the call would do, and does nothing.
    """

    def __init__(self, run, plan=None, *, input_schema, output_schema=None, **spec):
        self.run, self.plan = run, plan or (lambda call: [])
        Draft202012Validator.check_schema(input_schema)
        self.schema = Draft202012Validator(input_schema)
        self.spec = pb.Tool(input_schema=json.dumps(input_schema).encode(), **spec)
        if output_schema:
            self.spec.output_schema = json.dumps(output_schema).encode()

    def arguments(self, raw):
        """The arguments of a call. The host has checked them; a caller by another way has not."""
        fits = f"send arguments that fit the input schema of {self.spec.name}"
        try:
            arguments = json.loads(raw or b"{}")
        except (ValueError, RecursionError) as err:
            raise ToolError("validation_error", f"the arguments are no JSON: {err}", fits) from err
        if wrong := best_match(self.schema.iter_errors(arguments)):
            raise ToolError("validation_error", f"{wrong.json_path}: {wrong.message:.300}", fits)
        return arguments


class Call:
    """One call of a tool: what is asked, and the way back to who asked."""

    def __init__(self, tool, request, policy, send):
        self.arguments, self.policy = tool.arguments(request.arguments), policy
        self._pinned = {t.argument: t.prefix for t in request.targets}
        self._send = send
        self._room = {STDOUT: request.max_stdout, STDERR: request.max_stderr}
        self.truncated = {STDOUT: False, STDERR: False}
        for declared in tool.spec.targets:
            if declared.argument in self.arguments:
                self.target(declared.argument)  # refuses the call where it is not pinned

    def target(self, argument):
        """The address or network that an argument is pinned to. Connect to this alone."""
        if argument not in self._pinned:
            raise ToolError("validation_error", f"argument {argument} is not pinned to an address",
                            "call through a host: it resolves targets and holds them to the scope")
        return self._pinned[argument].removesuffix("/32")

    async def write(self, text, stream=STDOUT):
        """Sends output for people, as it comes, as much of it as the host keeps."""
        data, room = text.encode(errors="replace"), self._room[stream]
        if len(data) > room:
            data, self.truncated[stream] = data[:room].decode(errors="ignore").encode(), True
        self._room[stream] = 0 if self.truncated[stream] else room - len(data)
        for at in range(0, len(data), CHUNK):
            await self._send(output=pb.Output(stream=stream, data=data[at:at + CHUNK]))

    async def progress(self, task, percent=-1, message=""):
        """Says how far the call is: percent of the task, negative when nobody knows."""
        await self._send(progress=pb.Progress(task=task, percent=percent, message=message))

    async def log(self, level, message):
        """Tells who called about the run; levels are those of RFC 5424, such as warning."""
        await self._send(log=pb.Log(level=level, message=message))


class Service:
    """gatehouse.plugin.v1.Plugin. A method that is not here is answered with UNIMPLEMENTED."""

    def __init__(self, name, version, tools):
        self._manifest = pb.DescribeResponse(
            name=name, version=version, tools=[t.spec for t in tools])
        self._tools = {t.spec.name: t for t in tools}
        self._policy = pb.ConfigureRequest()

    async def Describe(self, _request, _context):
        return self._manifest

    async def Configure(self, request, _context):
        self._policy = request  # for the calls that begin from now on
        return pb.ConfigureResponse()

    async def Plan(self, request, _context):
        try:
            tool, call = self._begin(request.call)
            return pb.PlanResponse(verdict="accept", notes=tool.plan(call),
                                   rule="the arguments fit the tool's schema; it runs no program")
        except ToolError as err:  # what is refused is an answer
            return pb.PlanResponse(verdict="reject", error=failure(request.call, err))

    async def Call(self, request, context):
        """Runs a tool. When the caller goes away grpc cancels this coroutine, and so the tool."""
        turn = asyncio.Lock()  # grpc takes one message of a stream at a time

        async def send(**kind):
            async with turn:
                await context.write(pb.CallResponse(**kind))

        result, call, limit = pb.Result(returncode=1), None, None
        seconds = request.timeout.ToMicroseconds() / 1e6 if request.HasField("timeout") else None
        try:
            tool, call = self._begin(request, send)
            async with asyncio.timeout(seconds) as limit:
                data = await tool.run(call)
            if data is not None:
                result.data = json.dumps(data, allow_nan=False).encode()
            result.returncode = 0
        except Exception as err:  # not CancelledError: nobody is left to answer
            late = isinstance(err, TimeoutError) and limit is not None and limit.expired()
            result.error.CopyFrom(failure(request, err, late))
            result.timed_out, result.returncode = late, 124 if late else 1
        if call:
            result.truncated_stdout = call.truncated[STDOUT]
            result.truncated_stderr = call.truncated[STDERR]
        if result.ByteSize() > MAX_MESSAGE - 16:
            err = ToolError("execution_error", f"a result of {result.ByteSize()} bytes: too large")
            result = pb.Result(returncode=1, error=failure(request, err))
        await send(result=result)

    def _begin(self, request, send=None):
        tool = self._tools.get(request.tool)
        if not tool:
            raise ToolError("tool_not_found", f"there is no tool {request.tool!r:.80} here")
        return tool, Call(tool, request, self._policy, send)


def failure(request, err, late=False):
    """An exception as the contract has it: said by the tool, the deadline, the world, or a bug."""
    if late:
        err = ToolError("timeout", f"{request.tool} ran past its deadline",
                        "ask for less at a time, or for a longer timeout_sec")
    elif isinstance(err, OSError):
        err = ToolError("execution_error", str(err))
    elif not isinstance(err, ToolError):
        log.error("%s broke: %s", request.tool, " | ".join(traceback.format_exc().splitlines()))
        err = ToolError("unknown", f"{request.tool} broke: {err!r:.300}", "report this as its bug")
    error = pb.Error(kind=err.kind, message=str(err), recovery_suggestion=err.suggestion,
                     tool=request.tool, target=request.targets[0].label if request.targets else "")
    error.time.GetCurrentTime()
    return error


def cleaned(raw):
    """Bytes that a stranger chose, as text: what is not printable is written out, as \\x1B."""
    return "".join(chr(b) if 32 <= b < 127 or b in b"\n\t" else f"\\x{b:02X}" for b in raw)


def main(name, version, *tools):
    """Serves the host that started this process until it asks for the end, or dies."""
    if os.environ.get("GATEHOUSE_PLUGIN") != COOKIE:
        offers = ", ".join(t.spec.name for t in tools)
        sys.exit(f"{name} {version} is a Gatehouse plugin and offers {offers}: "
                 "put it into a plugin directory, and the host starts it")
    if not os.environ.get("PLUGIN_CLIENT_CERT"):
        sys.exit(f"{name}: the host sent no certificate, and nobody else may call")
    logging.addLevelName(logging.WARNING, "WARN")
    logging.basicConfig(format="[%(levelname)s] %(message)s", level=logging.INFO)  # on stderr
    asyncio.run(serve(Service(name, version, tools)))


async def serve(service):
    """Makes the server, shakes hands, and ends when it is time to."""
    end = asyncio.Event()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE),
                                      ("grpc.max_send_message_length", MAX_MESSAGE)])
    server.add_generic_rpc_handlers(services(service, end))
    path = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "plugin.sock")
    certificate, credentials = identity(os.environ["PLUGIN_CLIENT_CERT"].encode())
    server.add_secure_port("unix:" + path, credentials)
    await server.start()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    threading.Thread(target=lifeline, args=(loop, end), daemon=True).start()

    print("1", "1", "unix", path, "grpc", certificate, sep="|", flush=True)
    os.dup2(2, 1)  # stdout was for that line alone; what is printed from now on is log
    await end.wait()
    await server.stop(grace=0.2)


def services(service, end):
    """The three services that a host calls. The messages of the last two need no stubs."""
    async def healthy(_request, _context):
        return b"\x08\x01"  # HealthCheckResponse{status: SERVING}

    async def shutdown(_request, _context):
        end.set()
        return b""  # Empty

    methods = {}
    for m in pb.DESCRIPTOR.services_by_name["Plugin"].methods:
        if run := getattr(service, m.name, None):
            kind = "unary_stream" if m.name == "Call" else "unary_unary"
            methods[m.name] = getattr(grpc, kind + "_rpc_method_handler")(
                run, getattr(pb, m.input_type.name).FromString, lambda m: m.SerializeToString())
    return [grpc.method_handlers_generic_handler(name, handlers) for name, handlers in (
        ("gatehouse.plugin.v1.Plugin", methods),
        ("grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(healthy)}),
        ("plugin.GRPCController", {"Shutdown": grpc.unary_unary_rpc_method_handler(shutdown)}),
    )]


def identity(host):
    """A certificate for this process alone, and credentials that let in nobody but the host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
    cert = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - day, now + 10950 * day,
    ).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False,
    ).sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    credentials = grpc.ssl_server_credentials(
        [(private, cert.public_bytes(serialization.Encoding.PEM))],
        root_certificates=host, require_client_auth=True)
    der = cert.public_bytes(serialization.Encoding.DER)
    return base64.b64encode(der).decode().rstrip("="), credentials


def lifeline(loop, end):
    """The host never writes to our stdin. It lets go of it when it dies, and then we end."""
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(end.set)
    time.sleep(2)
    os._exit(1)  # the loop is stuck
