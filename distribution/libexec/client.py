# The client of the control socket, as bin/blktap starts it where there is a Python (3.6 or newer): it costs a tenth of the JVM that client/Client.java needs.
#   python3 -ISE client.py SOCKET TERMINAL ROWS COLUMNS OTHERWISE ARGUMENT...
# OTHERWISE is bin/blktap, called with BLKTAP_CLIENT=java where no daemon answers: Java knows the pages of help, and what is wrong usage. Empty: it is not called.
# The protocol is that of bundles/shell, client/Frame.java. Both clients have the same output and exit status.
import os
import sys

try:
    # the module that socket wraps: socket takes longer to load than everything else here
    import _socket as socket
except ImportError:
    import socket

MAGIC = b"tap1"
OUT, ERR, EXIT = 1, 2, 3
MAX_FRAME = 1 << 20
# exit status of tap-ctl without permission: an errno, as all its exit statuses
EACCES = 13
BUFFER = 65536


class Broken(Exception):
    """The connection has ended before an exit status."""


def number(value):
    return value.to_bytes(4, "big")


def text(value):
    return number(len(value)) + value


def directory():
    try:
        return os.getcwdb()
    except OSError:
        # it has been deleted: relative paths lead nowhere
        return os.readlink(b"/proc/self/cwd")


def say(line):
    write_all(2, os.fsencode(line) + b"\n")


def write_all(fd, data):
    """Writes to an output; returns whether all could be written."""
    view = memoryview(data)
    while len(view):
        try:
            view = view[os.write(fd, view):]
        except OSError:
            return False
    return True


class Answers:
    """Decodes the daemon's frames from the bytes of the socket."""

    def __init__(self, connection):
        self.connection = connection
        self.bytes = bytearray()

    def more(self):
        got = self.connection.recv(BUFFER)
        if not got:
            raise Broken("the other side closed the connection" if self.bytes else "the daemon closed the connection")
        self.bytes += got

    def take(self):
        """Returns the next frame as (type, bytes), or None if it is not complete yet."""
        if len(self.bytes) < 5:
            return None
        kind, length = self.bytes[0], int.from_bytes(self.bytes[1:5], "big")
        if kind < OUT or kind > EXIT or length > MAX_FRAME or kind == EXIT and length != 1:
            raise Broken("not an answer: frame of type %d with %d bytes" % (kind, length))
        if len(self.bytes) < 5 + length:
            return None
        frame = kind, bytes(self.bytes[5:5 + length])
        del self.bytes[:5 + length]
        return frame

    def show(self):
        """Prints the complete frames; returns the exit status, or None if it has not arrived yet."""
        while True:
            frame = self.take()
            if frame is None:
                return None
            kind, data = frame
            if kind == EXIT:
                return data[0]
            if not write_all(1 if kind == OUT else 2, data) and kind == OUT:
                # the reader has exited: | head
                return 1


def converse(connection, terminal, rows, columns, arguments):
    """Sends a command to the daemon; returns its exit status."""
    request = [MAGIC, text(directory()), text(terminal), number(columns), number(rows), number(len(arguments))]
    connection.sendall(b"".join(request + [text(each) for each in arguments]))
    answers = Answers(connection)
    if arguments[:1] == [b"shell"]:
        return type_and_show(connection, answers)
    while True:
        status = answers.show()
        if status is not None:
            return status
        answers.more()


def type_and_show(connection, answers):
    """Like converse, but also sends the input to the daemon. Neither direction waits for the other: the daemon stops reading while its output is not read."""
    import select
    number_of_it = connection.fileno()
    waiting, ended = b"", False
    while True:
        readable, writable, _ = select.select([number_of_it] + ([] if waiting or ended else [0]), [number_of_it] if waiting else [], [])
        if 0 in readable:
            try:
                waiting = os.read(0, BUFFER)
            except OSError:
                waiting = b""
            if not waiting:
                ended = True
                connection.shutdown(socket.SHUT_WR)
        if number_of_it in writable:
            try:
                waiting = waiting[connection.send(waiting, socket.MSG_DONTWAIT):]
            except BlockingIOError:
                pass
            except OSError:
                # the other direction sees the end
                waiting, ended = b"", True
        if number_of_it in readable:
            answers.more()
            status = answers.show()
            if status is not None:
                return status


def main(words):
    path, terminal, rows, columns, otherwise = words[:5]
    arguments = words[5:]
    program = "tap-ctl" if arguments[:1] == [b"tap-ctl"] else "blktap"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as e:
        if otherwise:
            os.environb[b"BLKTAP_CLIENT"] = b"java"
            os.execv(otherwise, [otherwise] + arguments)
        if isinstance(e, PermissionError):
            say("%s: %s: no permission; it is for root and the user of the daemon" % (program, os.fsdecode(path)))
            return EACCES if program == "tap-ctl" else 1
        say("%s: no daemon answers on %s (%s); start blktapd, or set BLKTAP_RUN_DIR to the daemon's" % (program, os.fsdecode(path), e.strerror or e))
        return 1
    rows, columns = int(rows), int(columns)
    if not rows:
        try:
            # where the output is a terminal, the daemon is told its size
            columns, rows = os.get_terminal_size(1)
        except OSError:
            pass
    try:
        return converse(connection, terminal, rows, columns, arguments)
    except (Broken, OSError) as e:
        say("blktap: the connection to the daemon broke: %s" % (getattr(e, "strerror", None) or e))
        return 1


if __name__ == "__main__":
    # a socket must not get the number of an output that is closed
    while True:
        fd = os.open("/dev/null", os.O_RDONLY)
        if fd > 2:
            os.close(fd)
            break
    try:
        result = main([os.fsencode(word) for word in sys.argv[1:]])
    except KeyboardInterrupt:
        result = 130
    # there is nothing to clean up
    os._exit(result)
