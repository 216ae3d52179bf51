# One errand with Python's ftplib over TLS:
# HOST PORT USER PASSWORD explicit|implicit passive|active 1.2|1.3 stock|resume CERTIFICATE COMMAND ARGUMENTS.
# It stands behind a class SameSession, which comes from docs/tls.md.
import os
import sys

host, port, user, password, begin, mode, version, session, certificate, command, *args = sys.argv[1:]


class Implicit:
    """TLS from the first byte on, which ftplib does not know."""
    def connect(self, *args, **kwargs):
        self.begun = False
        return super().connect(*args, **kwargs)

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname=self.host)
        self._sock = value


base = SameSession if session == "resume" else ftplib.FTP_TLS
kind = type("Client", (Implicit, base) if begin == "implicit" else (base,), {})
context = ssl.create_default_context(cafile=certificate)
context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]
ftp = kind(context=context, encoding="utf-8", timeout=60)
ftp.connect(host, int(port))
ftp.login(user, password)
ftp.prot_p()
ftp.set_pasv(mode == "passive")


def errand(local, home, down, *names):
    for name in names:
        with open(os.path.join(local, name), "rb") as f:
            ftp.storbinary("STOR " + home + "/" + name, f, blocksize=1 << 18)
    ftp.retrlines("LIST " + home)
    for name in names:
        with open(os.path.join(down, name), "wb") as f:
            ftp.retrbinary("RETR " + home + "/" + name, f.write, blocksize=1 << 18)


def put(local, remote):
    with open(local, "rb") as f:
        ftp.storbinary("STOR " + remote, f, blocksize=1 << 15)


{"errand": errand, "put": put}[command](*args)
ftp.quit()
