"""The tool without a host: real sockets on loopback, and a list for the messages of a call."""
import asyncio
import json
import unittest

import banner
import gatehouse_plugin as gatehouse
from gatehouse_plugin import pb

LAB = [pb.Target(argument="target", label="lab", prefix="127.0.0.1/32")]


class Sent(list):
    """Stands for grpc's context of a call."""

    async def write(self, message):
        self.append(message)


async def call(arguments, seconds=20, targets=LAB, max_stdout=1 << 20):
    """Calls the tool as a host does, and returns the result, its data, and the output."""
    request = pb.CallRequest(tool="BannerTool", arguments=json.dumps(arguments).encode(),
                             targets=targets, max_stdout=max_stdout)
    request.timeout.FromMilliseconds(int(seconds * 1000))
    sent = Sent()
    await gatehouse.Service("banner", "1", [banner.TOOL]).Call(request, sent)
    result = sent[-1].result
    return result, json.loads(result.data or b"null"), b"".join(m.output.data for m in sent)


class BannerTest(unittest.IsolatedAsyncioTestCase):

    async def listen(self, greeting):
        """A service that says its greeting, and then nothing; returns its port."""
        async def greet(_reader, writer):
            self.addCleanup(writer.close)
            writer.write(greeting)
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        self.addCleanup(server.close)
        return server.sockets[0].getsockname()[1]

    async def test_a_greeting_is_cleaned_and_told_as_data_and_output(self):
        port = await self.listen(b"220 lab\x1b[2J ready\r\n")
        result, data, output = await call({"target": "lab", "port": port})
        self.assertEqual(data, {"open": True, "ended": "quiet", "bytes": 19,
                                "banner": "220 lab\\x1B[2J ready\\x0D\n"})
        self.assertEqual(output.decode(), data["banner"])
        self.assertEqual((result.returncode, result.HasField("error")), (0, False))

    async def test_it_reads_as_much_as_was_asked_and_sends_as_much_as_is_kept(self):
        port = await self.listen(b"x" * 100)
        arguments = {"target": "lab", "port": port, "max_bytes": 10}
        result, data, output = await call(arguments, max_stdout=4)
        self.assertEqual((data["ended"], data["bytes"], output), ("full", 10, b"xxxx"))
        self.assertTrue(result.truncated_stdout)

    async def test_a_closed_port_is_an_answer(self):
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        _, data, _ = await call({"target": "lab", "port": port})
        self.assertEqual((data["open"], data["ended"]), (False, "refused"))

    async def test_the_deadline_ends_it(self):
        port = await self.listen(b"")
        result, _, _ = await call({"target": "lab", "port": port, "wait_sec": 60}, seconds=0.1)
        self.assertEqual((result.error.kind, result.returncode), ("timeout", 124))
        self.assertTrue(result.timed_out)

    async def test_bad_arguments_are_refused_with_a_suggestion(self):
        good = {"target": "lab", "port": 22}
        for arguments, targets in (([], LAB), ({"target": "lab"}, LAB), (good | {"port": 0}, LAB),
                                   (good | {"shell": "sh"}, LAB), (good, [])):
            with self.subTest(arguments=arguments, targets=targets):
                result, _, _ = await call(arguments, targets=targets)
                self.assertEqual(result.error.kind, "validation_error")
                self.assertTrue(result.error.recovery_suggestion)
