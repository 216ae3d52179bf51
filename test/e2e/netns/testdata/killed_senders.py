"""killed_senders.py HOST PORT COUNT SEED [CGROUP_PROCS] sends parts of COUNT files, and kills each sender in the middle.

A sender opens the control connection first, as clients do, and sends from 0 to 50,000 bytes. It is killed at a random moment:
a third of them each within 3, 20 and 200 ms after the first byte. Senders join the cgroup of that file, if there is one.
"""
import os, random, signal, socket, sys, time

host, port, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
cgroup = sys.argv[5] if len(sys.argv) > 5 else None
spans = (0.003, 0.020, 0.200)
head = 1000


class Control:
    def __init__(self):
        self.conn = socket.create_connection((host, port))
        self.rest = b""
        self.reply()
        for command in "USER tester", "PASS s3cret", "TYPE I":
            self.say(command)

    def reply(self):
        while True:
            while b"\n" not in self.rest:
                more = self.conn.recv(4096)
                if not more:
                    raise EOFError("the server hangs up")
                self.rest += more
            line, self.rest = self.rest.split(b"\n", 1)
            if line[3:4] == b" ":
                if line[:1] in b"45":
                    raise RuntimeError(line)
                return line

    def say(self, command):
        self.conn.sendall(command.encode() + b"\r\n")
        return self.reply()


def send(name, size, began):
    if cgroup:
        with open(cgroup, "w") as f:
            f.write(str(os.getpid()))
    control = Control()
    data = socket.create_connection((host, int(control.say("EPSV").split(b"|||")[1].split(b"|")[0])))
    control.say("STOR " + name)
    data.sendall(b"x" * min(size, head))
    os.write(began, b"!")
    data.sendall(b"x" * max(0, size - head))
    while True:
        signal.pause()


dice = random.Random(seed)
for i in range(count):
    wait, size = dice.random() * spans[i % len(spans)], dice.randint(0, 50000)
    began, begin = os.pipe()
    sender = os.fork()
    if sender == 0:
        os.close(began)
        try:
            send("killed-%d-%d" % (seed, i), size, begin)
        finally:
            os._exit(1)
    os.close(begin)
    if os.read(began, 1) != b"!":
        sys.exit("sender %d did not begin" % i)
    os.close(began)
    time.sleep(wait)
    os.kill(sender, signal.SIGKILL)
    os.waitpid(sender, 0)
