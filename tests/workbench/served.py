"""A project's server, as a program: what previews show in tests."""

APP = """
import http.server, json, sys

class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        own = "http://localhost:%s" % sys.argv[1]
        match self.path.partition("?")[0]:
            case "/moved": self.answer(302, [("Location", own + "/there?x=1#y")])
            case "/moved-slyly":
                self.answer(302, [("Location", own + "//example.org/")])
            case "/moved-away": self.answer(302, [("Location", "https://example.org/")])
            case "/cookie":
                given = ("a=1; Domain=localhost; Path=/; HttpOnly",
                         "b=2; Secure;samesite=strict")
                self.answer(200, [("Set-Cookie", cookie) for cookie in given])
            case "/lax": self.answer(200, [
                ("Content-Security-Policy", "default-src *"),
                ("X-Frame-Options", "DENY"),
                ("Cross-Origin-Resource-Policy", "cross-origin"),
                ("Link", "<https://example.org>"),
                ("Service-Worker-Allowed", "/"), ("Referrer-Policy", "unsafe-url"),
                ("Permissions-Policy", "camera=*"), ("Cache-Control", "max-age=99"),
                ("Refresh", "0; url=https://example.org"), ("X-Kept", "yes")], b"lax")
            case "/stream":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for word in (b"one", b"two"):
                    self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(word), word))
                    self.wfile.flush()
                    sys.stdin.readline()
                self.wfile.write(b"0\\r\\n\\r\\n")
            case _:
                headers = list(map(list, self.headers.items()))
                told = json.dumps([self.command, self.path, headers])
                self.answer(200, [("Content-Type", "application/json")], told.encode())

    do_HEAD = do_DELETE = do_GET

    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, [], b"%d %s" % (len(body), body[:20]))

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
"""
