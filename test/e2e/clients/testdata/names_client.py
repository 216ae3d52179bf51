# Says names in a charset, the way devices do that know nothing of UTF-8, and looks at them again.
import ftplib
import io
import sys

host, port, user, password, encoding, source, base = sys.argv[1:8]  # base is the root: a slash or a backslash
dir, name, other = sys.argv[8:]
ftp = ftplib.FTP(encoding=encoding, source_address=(source, 0))
ftp.connect(host, int(port), timeout=60)
ftp.login(user, password)


def check(what, got, want):
    if got != want:
        sys.exit("%s: %r, want %r" % (what, got, want))


ftp.cwd(base)
here = "/" + dir
check("MKD", ftp.mkd(dir), here)
ftp.cwd(dir)
check("PWD", ftp.pwd(), here)
ftp.storbinary("STOR " + name, io.BytesIO(b"hello"))
check("SIZE", ftp.size(name), 5)
check("NLST", ftp.nlst(), [name])
check("NLST of a pattern", ftp.nlst(base + dir + base + "*"), [here + "/" + name])
lines = []
ftp.retrlines("LIST", lines.append)
check("LIST", [l[-len(name):] for l in lines], [name])
check("MLSD", [n for n, _ in ftp.mlsd()], [name])
check("STAT", ftp.sendcmd("STAT " + name).splitlines()[1][-len(name):], name)
got = io.BytesIO()
ftp.retrbinary("RETR " + ftp.nlst(base + dir + base + "*")[0], got.write)
check("RETR", got.getvalue(), b"hello")
ftp.rename(name, other)
check("NLST after the rename", ftp.nlst(here), [here + "/" + other])
ftp.quit()
