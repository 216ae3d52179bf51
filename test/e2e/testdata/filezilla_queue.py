"""Sets up FileZilla in a new HOME, with a queue of uploads and downloads:
HOME PORT explicit|implicit passive|active USER PASSWORD CERTIFICATE LOCAL REMOTE DOWN NAMES."""
import os
import sqlite3
import ssl
import sys

home, port, begin, mode, user, password, certificate, local, remote, down, *names = sys.argv[1:]
settings = home + "/.config/filezilla"
os.makedirs(settings)
with open(settings + "/filezilla.xml", "w") as f:  # no welcome, and no look for a newer version
    f.write('<?xml version="1.0"?><FileZilla3><Settings><Setting name="Greeting version">99.0.0</Setting>'
            '<Setting name="Update Check">0</Setting></Settings></FileZilla3>')
with open(certificate) as c, open(settings + "/trustedcerts.xml", "w") as f:
    f.write('<?xml version="1.0"?><FileZilla3><TrustedCerts><Certificate><Data>%s</Data><ActivationTime>1</ActivationTime>'
            '<ExpirationTime>4102444800</ExpirationTime><Host>127.0.0.1</Host><Port>%s</Port><TrustSANs>0</TrustSANs>'
            '</Certificate></TrustedCerts></FileZilla3>' % (ssl.PEM_cert_to_DER_cert(c.read()).hex(), port))

queue = sqlite3.connect(settings + "/queue.sqlite3")
queue.executescript("""
CREATE TABLE servers (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, host TEXT NOT NULL, port INTEGER, user TEXT, password TEXT,
 account TEXT, keyfile TEXT, protocol INTEGER, type INTEGER, logontype INTEGER, timezone_offset INTEGER, transfer_mode TEXT,
 max_connections INTEGER, encoding TEXT, bypass_proxy INTEGER, post_login_commands TEXT, name TEXT, parameters TEXT, site_path TEXT DEFAULT NULL);
CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, server INTEGER NOT NULL, source_file TEXT, target_file TEXT,
 local_path INTEGER, remote_path INTEGER, size INTEGER, error_count INTEGER, priority INTEGER, flags INTEGER, default_exists_action INTEGER,
 extra_flags TEXT);
CREATE INDEX server_index ON files (server);
CREATE TABLE local_paths (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, path TEXT NOT NULL);
CREATE TABLE remote_paths (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, path TEXT NOT NULL);
PRAGMA user_version = 7;
""")
queue.execute("INSERT INTO servers (id, host, port, user, password, protocol, type, logontype, timezone_offset, transfer_mode,"
              " max_connections, encoding, bypass_proxy) VALUES (1, '127.0.0.1', ?, ?, ?, ?, 0, 1, 0, ?, 1, 'Auto', 0)",
              (port, user, password, {"explicit": 4, "implicit": 3}[begin], mode))
queue.executemany("INSERT INTO local_paths VALUES (?, ?)", [(1, local + "/"), (2, down + "/")])
queue.execute("INSERT INTO remote_paths VALUES (1, ?)", ("1 0" + "".join(" %d %s" % (len(p), p) for p in remote.strip("/").split("/")),))
for path, flags in (1, 0), (2, 16):  # 16 = a download
    queue.executemany("INSERT INTO files (server, source_file, local_path, remote_path, size, error_count, priority, flags,"
                      " default_exists_action) VALUES (1, ?, ?, 1, ?, 0, 2, ?, 1)",
                      [(name, path, os.path.getsize(os.path.join(local, name)), flags) for name in names])
queue.commit()
