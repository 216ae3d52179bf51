"""One errand with Python's ftplib: HOST PORT USER PASSWORD passive|active COMMAND ARGUMENTS."""
import ftplib
import os
import sys

host, port, user, password, mode, command, *args = sys.argv[1:]
ftp = ftplib.FTP(encoding="utf-8")
ftp.connect(host, int(port), timeout=240)
ftp.login(user, password)
ftp.set_pasv(mode == "passive")


def put(local, remote):
    with open(local, "rb") as f:
        print(ftp.storbinary("STOR " + remote, f, blocksize=1 << 18))


def get(remote, local, offset=None):
    with open(local, "ab" if offset else "wb") as f:
        print(ftp.retrbinary("RETR " + remote, f.write, blocksize=1 << 18, rest=offset))


def resume(remote, local):
    get(remote, local, os.path.getsize(local))


def list(path):
    lines = []
    ftp.retrlines("LIST " + path, lines.append)
    names = [name for name, facts in ftp.mlsd(path) if name not in (".", "..")]
    assert len(names) == len(lines), (names, lines)
    assert sorted(names) == sorted(n.rsplit("/", 1)[-1] for n in ftp.nlst(path))
    print("\n".join(lines))


def put_tree(local, remote):
    ftp.mkd(remote)
    for name in sorted(os.listdir(local)):
        path = os.path.join(local, name)
        (put_tree if os.path.isdir(path) else put)(path, remote + "/" + name)


def get_tree(remote, local):
    os.makedirs(local)
    for name, facts in [*ftp.mlsd(remote)]:
        (get_tree if facts["type"] == "dir" else get)(remote + "/" + name, os.path.join(local, name))


{"put": put, "get": get, "resume": resume, "list": list, "mkdir": ftp.mkd, "rename": ftp.rename,
 "remove": ftp.delete, "put_tree": put_tree, "get_tree": get_tree}[command](*args)
ftp.quit()
