"""A receiver of HL7 v2 over MLLP: it keeps each MSH-10 once, and can be told to hold its answer, or to answer oddly."""

import socketserver
import ssl
import threading
from collections import Counter

START, END = b"\x0b", b"\x1c\r"


def acknowledgement(message, code="AA", *, control_id=None, more=""):
    header = message.split(b"\r")[0].split(b"|")
    known = header[9].decode() if control_id is None else control_id
    text = f"MSH|^~\\&|RIS|H|cxr|H|20261121||ACK^R01^ACK|1|P|2.5.1\rMSA|{code}|{known}\r{more}"
    return START + text.encode() + END


class FakeRis:
    """The receiver; `messages` has each message under its MSH-10, `received` counts how often each came."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.messages: dict[str, bytes] = {}
        self.received: Counter[str] = Counter()
        self.answers: list = []
        """Of the next messages: bytes, None to end without an answer, or a function of the message."""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.peers: list[object] = []
        """The certificates of those who called."""
        self._changed = threading.Condition()
        ris = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    if context is None:
                        ris.serve(self.request)
                        return
                    with context.wrap_socket(self.request, server_side=True) as encrypted:
                        ris.peers.append(encrypted.getpeercert())
                        ris.serve(encrypted)
                except OSError:
                    return  # who called is gone, or shows no certificate that is trusted

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"{'mllp' if context is None else 'mllps'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def serve(self, connection) -> None:
        content = b""
        while not content.endswith(END):
            piece = connection.recv(65536)
            if not piece:
                return
            content += piece
        assert content.startswith(START)
        message = content[1 : -len(END)]
        if self.answers:
            answer = self.answers.pop(0)
            answer = answer(message) if callable(answer) else answer
            if answer is not None:
                connection.sendall(answer)
            return
        control_id = message.split(b"\r")[0].split(b"|")[9].decode()
        with self._changed:
            self.received[control_id] += 1
            self.messages.setdefault(control_id, message)
            self._changed.notify_all()
        assert self.may_answer.wait(60)
        connection.sendall(acknowledgement(message))

    def wait_for(self, messages: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= messages, 60), self.received

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
