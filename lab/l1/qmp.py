#!/usr/bin/python3
"""qmp.py SOCKET COMMAND: what QEMU's monitor says to a command for humans.

By QMP, whose replies have an end. Debian packages no client for it. With a third
argument, the command is one of QMP's own and that its arguments, and the reply is
JSON: qmp.py SOCKET query-migrate '{}'.
"""

import json
import socket
import sys


def main():
    with socket.socket(socket.AF_UNIX) as qemu:
        qemu.settimeout(120)
        qemu.connect(sys.argv[1])
        lines = qemu.makefile("rw")
        lines.readline()                       # its greeting

        def execute(command, **arguments):
            json.dump({"execute": command, "arguments": arguments}, lines)
            lines.write("\n")
            lines.flush()
            for line in lines:
                reply = json.loads(line)
                if "event" not in reply:
                    return reply
            return {"error": {"desc": "QEMU has closed its monitor"}}

        execute("qmp_capabilities")
        if len(sys.argv) > 3:
            reply = execute(sys.argv[2], **json.loads(sys.argv[3]))
        else:
            reply = execute("human-monitor-command",
                            **{"command-line": sys.argv[2]})
    if "error" in reply:
        sys.exit("qmp: " + reply["error"]["desc"])
    if len(sys.argv) > 3:
        print(json.dumps(reply["return"]))
    else:
        sys.stdout.write(reply["return"].replace("\r", ""))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit("qmp: %s" % error)
