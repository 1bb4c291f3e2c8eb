# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection of a client through whoever serves."""

import socket


class Talk:
    def __init__(self, lab, port, server="10.2.0.100", source=None, patience=5):
        self.port = port
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with lab.inside("server"):
            listener = socket.create_server((server, port), family=family)
        self.client = None
        try:
            with lab.inside("client"):
                self.client = socket.socket(family, socket.SOCK_STREAM)
                self.client.settimeout(patience)
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR,
                                       1)
                if source:
                    self.client.bind(source)
                self.client.connect((server, port))
            listener.settimeout(patience)
            self.server = listener.accept()[0]
        except OSError:
            if self.client:
                self.client.close()
            raise
        finally:
            listener.close()
        for s in (self.client, self.server):
            s.settimeout(10)

    def goes_on(self):
        """Bytes both ways."""
        for a, b in ((self.client, self.server), (self.server, self.client)):
            a.sendall(b"x" * 1000)
            got = b""
            while len(got) < 1000:
                part = b.recv(4096)
                assert part, "closed"
                got += part

    def reset(self):
        """Ends it with a RST."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        self.client.close()
        self.server.close()
